"""What readers take out of the exports of other tools."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.importers import edge_impulse
from edge_runtime.importers.draft import Draft
from edge_runtime.importers.given import Given
from edge_runtime.importers.reading import draft_of
from edge_runtime.inference.engines.tensors import Tensor
from tests.support import tiny_metadata
from tests.support.exports import (
    SIDE_PX,
    any_onnx,
    ir_xml,
    picture_tflite,
    tflite_with_metadata,
    ultralytics_metadata,
    ultralytics_onnx,
    ultralytics_tflite,
)
from tests.support.tiny_tflite import dense_tflite

PICTURE = [1, 3, SIDE_PX, SIDE_PX]


def draft(file: str, data: bytes, **beside: bytes) -> Draft:
    companions = {name.replace("__", "."): content for name, content in beside.items()}
    return draft_of(Given(file, file, data, companions))


def facts(made: Draft, table: str) -> dict[str, Any]:
    prefix = f"{table}."
    return {
        key.removeprefix(prefix): fact.value
        for key, fact in made.facts.items()
        if key.startswith(prefix)
    }


@pytest.mark.parametrize(
    ("shape", "more", "decoder"),
    [
        ([1, 6, 50], {}, "yolov8"),
        ([1, 50, 7], {}, "yolov5"),
        ([1, 30, 6], {"end2end": True}, "end-to-end"),
        ([1, 30, 6], {"args": {"nms": True}}, "end-to-end"),
    ],
)
def test_an_ultralytics_detector_needs_no_question(
    shape: list[int], more: dict[str, Any], decoder: str
) -> None:
    made = draft("d.onnx", ultralytics_onnx("detect", ["ok", "bad"], {"output0": shape}, **more))
    assert made.value("task") == "detection"
    assert made.value("labels") == ["ok", "bad"]
    assert made.value("output.decoder") == decoder
    assert made.value("output.suppress") == ("none" if decoder == "end-to-end" else None)
    assert facts(made, "image") == {
        "width": SIDE_PX,
        "height": SIDE_PX,
        "layout": "NCHW",
        "colour": "RGB",
        "resize": "letterbox",
        "pad_value": 114,
        "interpolation": "linear",
        "mean": [0.0],
        "scale": [1 / 255],
    }
    assert "AGPL" in made.value("provenance.licence")
    assert any("AGPL" in note for note in made.notes)


def test_one_label_of_yolov5_is_not_taken_for_an_end_to_end_head() -> None:
    data = ultralytics_onnx("detect", ["bad"], {"output0": [1, 50, 6]})
    assert draft("d.onnx", data).value("output.decoder") == "yolov5"


def test_an_ultralytics_classifier_crops_and_ends_in_a_softmax() -> None:
    made = draft("c.onnx", ultralytics_onnx("classify", ["a", "b"], {"output0": [1, 2]}))
    assert made.value("task") == "image-classification"
    assert made.value("output.activation") == "none"
    image = facts(made, "image")
    assert (image["resize"], image["crop_from"]) == ("crop", SIDE_PX)
    assert image["interpolation"] == "antialias"


def test_an_ultralytics_segmenter_names_boxes_before_masks() -> None:
    heads = {"output1": [1, 32, 8, 8], "output0": [1, 38, 50]}
    made = draft("s.onnx", ultralytics_onnx("segment", ["a", "b"], heads))
    assert made.value("output.decoder") == "yolov8-seg"
    assert made.value("output.tensors") == ["output0", "output1"]


@pytest.mark.parametrize("task", ["pose", "obb"])
def test_ultralytics_tasks_without_a_decoder_are_refused_by_name(task: str) -> None:
    with pytest.raises(ModelError, match=f"d\\.onnx: Ultralytics task '{task}' has no decoder"):
        draft("d.onnx", ultralytics_onnx(task, ["a"], {"output0": [1, 20, 50]}))


def test_outputs_that_the_labels_cannot_make_are_refused() -> None:
    with pytest.raises(ModelError, match="are none that 2 labels make of task 'detect'"):
        draft("d.onnx", ultralytics_onnx("detect", ["a", "b"], {"output0": [1, 11, 50]}))


def test_names_that_are_code_are_not_run() -> None:
    metadata = {"names": "[__import__('os').abort()]", "stride": "32"}
    with pytest.raises(ModelError, match="names cannot be read"):
        draft("d.onnx", any_onnx(PICTURE, {"output0": [1, 6, 50]}, metadata=metadata))


@pytest.mark.parametrize("more", [{"imgsz": ["a", "b"]}, {"channels": "many"}, {"names": 7}])
def test_metadata_of_the_wrong_kind_are_a_refusal(more: dict[str, Any]) -> None:
    data = ultralytics_onnx("detect", ["a", "b"], {"output0": [1, 6, 50]}, **more)
    with pytest.raises(ModelError, match=r"d\.onnx: "):
        draft("d.onnx", data)


def test_yolov5s_own_export_says_only_names_and_stride() -> None:
    metadata = {"names": "{0: 'a', 1: 'b'}", "stride": "32"}
    made = draft("d.onnx", any_onnx(PICTURE, {"output0": [1, 50, 7]}, metadata=metadata))
    assert made.value("output.decoder") == "yolov5"
    assert (made.value("image.width"), made.value("image.colour")) == (SIDE_PX, "RGB")


@pytest.mark.parametrize("file", ["metadata.json", "temp_meta.txt"])
def test_ultralytics_metadata_behind_a_tflite_model_are_read(file: str) -> None:
    made = draft("c.tflite", ultralytics_tflite("classify", ["a", "b"], file=file))
    assert made.kind == "Ultralytics TFLite"
    assert made.value("labels") == ["a", "b"]
    assert made.value("image.layout") == "NHWC"


def test_anomalib_2_is_known_by_its_outputs() -> None:
    heads = {"pred_score": [1], "pred_label": [1], "anomaly_map": [1, 1, 8, 8]}
    made = draft("a.onnx", any_onnx(PICTURE, heads, name="input"))
    assert made.kind == "Anomalib 2 ONNX"
    assert made.value("task") == "anomaly"
    assert made.value("output.tensors") == ["anomaly_map", "pred_score"]
    assert made.value("labels") == ["normal", "anomalous"]
    assert made.value("reject.anomalous") == 0.5
    assert made.value("output.image_threshold") is None


ANOMALIB_1 = {"task": "segmentation", "image_threshold": 12.5, "pixel_threshold": 14.0}


@pytest.mark.parametrize(
    "span",
    [{"min": 2.0, "max": 30.0}, {"pred_scores.min": [2.0], "pred_scores.max": [30.0]}],
)
def test_anomalib_1_has_its_range_beside_it(span: dict[str, Any]) -> None:
    metadata = json.dumps({**ANOMALIB_1, **span}).encode()
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    made = draft("a.onnx", data, metadata__json=metadata)
    output = facts(made, "output")
    assert (output["image_threshold"], output["pixel_threshold"]) == (12.5, 14.0)
    assert (output["minimum"], output["maximum"]) == (2.0, 30.0)
    assert facts(made, "image")["scale"] == [1 / 255]


def test_anomalib_0_has_its_transform_beside_it() -> None:
    steps = [
        {"__class_fullname__": "Resize", "height": 32, "width": 32},
        {
            "__class_fullname__": "Normalize",
            "mean": [0.5, 0.25, 0.0],
            "std": [0.25, 0.5, 1.0],
            "max_pixel_value": 255.0,
        },
        {"__class_fullname__": "ToTensorV2"},
    ]
    transform = {"transform": {"__class_fullname__": "Compose", "transforms": steps}}
    metadata = {**ANOMALIB_1, "min": 0, "max": 1, "transform": transform}
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    image = facts(draft("a.onnx", data, metadata__json=json.dumps(metadata).encode()), "image")
    assert image["mean"] == [127.5, 63.75, 0.0]
    assert image["scale"] == [1 / 63.75, 1 / 127.5, 1 / 255]


def test_an_anomalib_transform_that_is_not_known_is_refused() -> None:
    transform = {"transform": {"transforms": [{"__class_fullname__": "CLAHE"}]}}
    metadata = {**ANOMALIB_1, "min": 0, "max": 1, "transform": transform}
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    with pytest.raises(ModelError, match="has the transform CLAHE, which is not known"):
        draft("a.onnx", data, metadata__json=json.dumps(metadata).encode())


@pytest.mark.parametrize("steps", [["x"], [{"__class_fullname__": "Normalize"}], "x"])
def test_an_anomalib_transform_of_the_wrong_kind_is_a_refusal(steps: Any) -> None:
    transform = {"transform": {"transforms": steps}}
    metadata = {**ANOMALIB_1, "min": 0, "max": 1, "transform": transform}
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    with pytest.raises(ModelError, match="make no sense"):
        draft("a.onnx", data, metadata__json=json.dumps(metadata).encode())


def test_anomalib_scores_without_a_scale_are_refused() -> None:
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    with pytest.raises(ModelError, match="export again with min-max normalisation"):
        draft("a.onnx", data, metadata__json=json.dumps(ANOMALIB_1).encode())


def test_tflite_metadata_of_a_picture_classifier() -> None:
    model = tflite_with_metadata(
        picture_tflite(2), ["bean", "stone"], mean=[127.5], deviation=[127.5], licence="MIT"
    )
    made = draft("m.tflite", model)
    assert made.kind == "TFLite with TFLite Metadata"
    assert made.value("task") == "image-classification"
    assert made.value("labels") == ["bean", "stone"]
    assert facts(made, "image") == {
        "colour": "RGB",
        "mean": [127.5],
        "scale": [1 / 127.5],
        "layout": "NHWC",
        "width": 8,
        "height": 8,
    }
    assert made.value("provenance.licence") == "MIT"


def test_tflite_metadata_of_grey_pictures() -> None:
    model = tflite_with_metadata(picture_tflite(2, channels=1), ["a", "b"], colour=2)
    assert draft("m.tflite", model).value("image.colour") == "GRAY"


def test_tflite_metadata_of_a_sound_classifier() -> None:
    model = dense_tflite(np.zeros((8000, 2), np.float32), (1, 8000))
    told = tflite_with_metadata(model, ["hiss", "knock"], kind=tiny_metadata.AUDIO, rate_hz=16000)
    made = draft("m.tflite", told)
    assert made.value("task") == "audio-classification"
    audio = facts(made, "audio")
    assert (audio["rate_hz"], audio["front_end"], audio["window_ms"]) == (16000, "waveform", 500)


def test_tflite_metadata_of_two_channels_of_sound_are_refused() -> None:
    model = tflite_with_metadata(
        picture_tflite(2), ["a", "b"], kind=tiny_metadata.AUDIO, channels=2
    )
    with pytest.raises(ModelError, match="takes 2 channels of sound"):
        draft("m.tflite", model)


def test_tflite_metadata_of_a_detector_put_its_tensors_in_order() -> None:
    model = tflite_with_metadata(picture_tflite(2), ["a", "b"], outputs=tiny_metadata.SSD)
    made = draft("m.tflite", model)
    assert made.value("task") == "detection"
    assert made.value("output.decoder") == "ssd"
    assert made.value("output.coordinates") == "fractions"


def test_boxes_in_another_order_are_refused() -> None:
    model = tflite_with_metadata(
        picture_tflite(2), ["a", "b"], outputs=tiny_metadata.SSD, box_order=[0, 1, 2, 3]
    )
    with pytest.raises(ModelError, match="not top, left, bottom, right"):
        draft("m.tflite", model)


def test_a_calibration_that_is_not_applied_is_told() -> None:
    model = tflite_with_metadata(picture_tflite(2), ["a", "b"], calibrated=True)
    assert any("calibration" in note for note in draft("m.tflite", model).notes)


def test_labels_that_are_named_but_not_there_are_a_refusal() -> None:
    from tests.support.tiny_tflite import with_metadata_buffer

    buffer = tiny_metadata.metadata_buffer(label_file="gone.txt")
    model = with_metadata_buffer(picture_tflite(2), "TFLITE_METADATA", buffer)
    with pytest.raises(ModelError, match=r"names the labels 'gone\.txt', which are not"):
        draft("m.tflite", model)


def test_tflite_metadata_without_their_mark_are_a_refusal() -> None:
    model = tflite_with_metadata(picture_tflite(2), ["a", "b"], mark=b"XXXX")
    with pytest.raises(ModelError, match="has no M001 mark"):
        draft("m.tflite", model)


MODEL_INFO = {
    "model_type": "Classification",
    "labels": "ok not_ok",
    "mean_values": "123.675 116.28 103.53",
    "scale_values": "58.395 57.12 57.375",
    "reverse_input_channels": "YES",
    "resize_type": "standard",
}


def info_onnx(info: dict[str, str], made: dict[str, list[int]]) -> bytes:
    return any_onnx(PICTURE, made, metadata={f"model_info {k}": v for k, v in info.items()})


def test_model_info_in_an_onnx_file() -> None:
    made = draft("m.onnx", info_onnx(MODEL_INFO, {"logits": [1, 2]}))
    assert made.kind == "ONNX with model_info"
    assert made.value("labels") == ["ok", "not_ok"]
    image = facts(made, "image")
    assert image["colour"] == "RGB"
    assert image["mean"] == [123.675, 116.28, 103.53]
    assert image["scale"] == [1 / 58.395, 1 / 57.12, 1 / 57.375]
    assert image["resize"] == "stretch"


def test_model_info_of_several_labels_at_once_is_a_sigmoid() -> None:
    made = draft("m.onnx", info_onnx({**MODEL_INFO, "multilabel": "True"}, {"logits": [1, 2]}))
    assert made.value("output.activation") == "sigmoid"


def test_outputs_that_explain_are_left_out() -> None:
    heads = {"saliency_map": [1, 2, 4, 4], "logits": [1, 2]}
    assert draft("m.onnx", info_onnx(MODEL_INFO, heads)).value("output.tensors") == ["logits"]


@pytest.mark.parametrize(
    ("resize_type", "expected"),
    [
        ("fit_to_window_letterbox", {"resize": "letterbox", "pad_value": 114}),
        ("fit_to_window", {"resize": "letterbox", "pad_value": 114, "pad_at": "after"}),
        ("crop", {"resize": "crop"}),
    ],
)
def test_model_infos_resize_types(resize_type: str, expected: dict[str, Any]) -> None:
    info = {"model_type": "YOLO", "labels": "a b", "resize_type": resize_type, "pad_value": "114"}
    made = draft("m.onnx", info_onnx({**info, "iou_threshold": "0.6"}, {"o": [1, 6, 50]}))
    image = facts(made, "image")
    assert {key: image[key] for key in expected} == expected
    assert made.value("output.decoder") == "yolov8"
    assert made.value("output.iou") == 0.6


def test_model_info_of_an_anomaly_model_of_the_old_kind() -> None:
    info = {
        "model_type": "AnomalyDetection",
        "image_threshold": "0.4",
        "pixel_threshold": "0.3",
        "normalization_scale": "2.5",
    }
    output = facts(draft("m.onnx", info_onnx(info, {"output": [1, 1, 8, 8]})), "output")
    assert output["image_threshold"] == 0.4
    assert output["pixel_threshold"] == 0.3
    assert output["maximum"] - output["minimum"] == 2.5


def test_model_info_types_without_a_decoder_are_refused() -> None:
    with pytest.raises(ModelError, match="'MaskRCNN' has no decoder"):
        draft("m.onnx", info_onnx({"model_type": "MaskRCNN"}, {"o": [1, 6, 50]}))


def test_model_info_with_a_scale_of_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="scale_values hold a 0"):
        draft("m.onnx", info_onnx({**MODEL_INFO, "scale_values": "0"}, {"logits": [1, 2]}))


def test_model_info_in_an_ir() -> None:
    data = ir_xml(PICTURE, {"logits": [1, 2]}, MODEL_INFO, last="SoftMax")
    made = draft("m.xml", data, m__bin=b"weights")
    assert made.kind == "OpenVINO IR with model_info"
    assert list(made.files) == ["model.xml", "model.bin"]
    assert made.value("labels") == ["ok", "not_ok"]
    assert facts(made, "image")["layout"] == "NCHW"
    assert made.inputs[0].name == "images"
    assert made.outputs[0].shape == (1, 2)


def test_an_ir_that_was_converted_from_ultralytics_keeps_its_metadata() -> None:
    told = {k: str(v) for k, v in ultralytics_metadata("detect", ["not ok", "bad"]).items()}
    data = ir_xml(PICTURE, {"output0": [1, 6, 50]}, {}, framework=told)
    made = draft("m.xml", data, m__bin=b"weights")
    assert made.kind == "Ultralytics, converted to OpenVINO IR"
    assert made.value("labels") == ["not ok", "bad"]
    assert made.value("image.resize") == "letterbox"
    assert made.value("output.decoder") == "yolov8"


def test_model_info_of_boxes_with_masks() -> None:
    heads = {"masks": [1, 32, 8, 8], "boxes": [1, 38, 50]}
    info = {"model_type": "YOLO", "labels": "a b", "resize_type": "fit_to_window_letterbox"}
    made = draft("m.onnx", info_onnx(info, heads))
    assert made.value("task") == "segmentation"
    assert made.value("output.decoder") == "yolov8-seg"
    assert made.value("output.tensors") == ["boxes", "masks"]


def test_an_ir_without_its_weights_is_refused() -> None:
    with pytest.raises(ModelError, match=r"its weights, m\.bin, are not beside it"):
        draft("m.xml", ir_xml(PICTURE, {"logits": [1, 2]}, MODEL_INFO))


def test_an_ir_that_could_unfold_is_refused() -> None:
    data = b'<!DOCTYPE net [<!ENTITY a "aaaa">]>' + ir_xml(PICTURE, {"o": [1, 2]}, {})
    with pytest.raises(ModelError, match="document type"):
        draft("m.xml", data, m__bin=b"")


def test_an_edge_impulse_classifier() -> None:
    model = picture_tflite(2, dtype="int8", input_q=(1 / 255, -128), output="int8")
    made = draft("ei-beans-int8.lite", model, labels__txt=b"bean\nstone\n")
    assert made.kind == "Edge Impulse TFLite"
    assert made.value("labels") == ["bean", "stone"]
    image = facts(made, "image")
    assert (image["mean"], image["scale"], image["colour"]) == ([0.0], [1 / 255], "RGB")
    assert made.suggestions["image.resize"] == "crop"
    assert list(made.files) == ["model.tflite"]


def test_an_edge_impulse_grid_is_a_map_of_labels() -> None:
    made = edge_impulse.with_practice(
        Draft(
            kind="x",
            files={"model.tflite": b""},
            inputs=(Tensor("x", (1, 96, 96, 1), np.dtype(np.int8), (1 / 255, -128)),),
            outputs=(Tensor("y", (1, 12, 12, 3), np.dtype(np.int8)),),
        )
    )
    assert made.value("task") == "segmentation"
    assert made.value("output.decoder") == "semantic"
    assert made.value("image.colour") is None  # one channel: the shape says that it is grey


def test_a_models_bytes_that_look_like_a_zips_end_are_no_zip() -> None:
    weights = np.frombuffer(b"PK\x05\x06" * 8, np.float32).reshape(4, 2)
    model = dense_tflite(weights, (1, 4))
    assert b"PK\x05\x06" in model
    assert draft("m.tflite", model).kind == "plain TFLite"


def test_an_ultralytics_export_with_open_sizes_takes_them_from_its_metadata() -> None:
    told = {k: str(v) for k, v in ultralytics_metadata("detect", ["a", "b"]).items()}
    data = any_onnx(["batch", 3, "height", "width"], {"output0": [1, 6, 50]}, metadata=told)
    made = draft("d.onnx", data)
    assert (made.value("image.width"), made.value("image.height")) == (SIDE_PX, SIDE_PX)
    assert made.value("image.layout") == "NCHW"


def test_a_plain_model_says_what_its_tensors_say() -> None:
    model = picture_tflite(3, dtype="int8", input_q=(2 / 255, 0), output="int8")
    made = draft("My Model_v2.tflite", model)
    assert made.value("name") == "my-model-v2"
    assert made.value("task") is None
    assert made.suggestions["task"] == "image-classification"
    assert facts(made, "image") == {
        "layout": "NHWC",
        "width": 8,
        "height": 8,
        "mean": [127.5],
        "scale": [1 / 127.5],
    }


def test_labels_beside_a_model_count_only_if_they_fit() -> None:
    model = picture_tflite(2)
    assert draft("m.tflite", model, labels__txt=b"a\nb\n").value("labels") == ["a", "b"]
    assert draft("m.tflite", model, labels__txt=b"a\nb\nc\n").value("labels") is None


@pytest.mark.parametrize(
    ("file", "advice"), [("m.pt", "yolo export"), ("m.h5", "TFLiteConverter"), ("m.doc", "give")]
)
def test_other_files_are_refused_with_advice(file: str, advice: str) -> None:
    with pytest.raises(ModelError, match=advice):
        draft(file, b"whatever")


def test_from_anomalib_1_1_on_maps_have_a_range_of_their_own() -> None:
    span = {
        "anomaly_maps.min": 0.0,
        "anomaly_maps.max": 16.0,
        "pred_scores.min": 10.0,
        "pred_scores.max": 60.0,
    }
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    beside = json.dumps({**ANOMALIB_1, **span}).encode()
    output = facts(draft("a.onnx", data, metadata__json=beside), "output")
    assert (output["minimum"], output["maximum"]) == (10.0, 60.0)
    assert (output["map_minimum"], output["map_maximum"]) == (0.0, 16.0)


def test_an_anomalib_range_of_one_kind_stands_for_both() -> None:
    span = {"anomaly_maps.min": 1.0, "anomaly_maps.max": 5.0}
    data = any_onnx(PICTURE, {"output": [1, 1, 8, 8]}, name="input")
    beside = json.dumps({**ANOMALIB_1, **span}).encode()
    output = facts(draft("a.onnx", data, metadata__json=beside), "output")
    assert (output["minimum"], output["maximum"]) == (1.0, 5.0)
    assert "map_minimum" not in output


@pytest.mark.parametrize(
    ("file", "q"),
    [("ei-beans.lite", (2 / 255, 0)), ("mobilenet.lite", (1 / 255, -128)), ("ei-x.tflite", None)],
)
def test_a_part_of_a_name_makes_no_edge_impulse(file: str, q: tuple[float, int] | None) -> None:
    model = picture_tflite(2, dtype="int8", input_q=q) if q else picture_tflite(2)
    made = draft(file, model)
    assert made.kind == "plain TFLite"
    assert made.value("output.activation") is None
    assert made.suggestions["image.resize"] == "crop"
    assert any("could be another's" in note for note in made.notes)


def test_an_edge_impulse_download_in_floating_point_says_so_in_its_name() -> None:
    made = draft("ei-beans-tensorflow-lite-float32-model.lite", picture_tflite(2))
    assert made.kind == "Edge Impulse TFLite"
    assert facts(made, "image")["scale"] == [1 / 255]
