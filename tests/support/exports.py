"""Files as other tools export them, made by code: tiny networks with their metadata."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.tiny_metadata import metadata_buffer
from tests.support.tiny_onnx import onnx_model, onnx_node, onnx_tensor, onnx_value
from tests.support.tiny_tflite import dense_tflite, with_metadata_buffer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIDE_PX = 32


def any_onnx(
    given: Sequence[int | str],
    made: Mapping[str, Sequence[int]],
    *,
    last: str = "",
    metadata: Mapping[str, str] | None = None,
    name: str = "images",
) -> bytes:
    """An ONNX model of one picture into outputs of any shape; `last` is its last operator.

    Every output is the picture's mean times 1, 2, 3 …, so that answers depend on what is seen.
    """
    nodes = [
        onnx_node("GlobalAveragePool", [name], ["mean"]),
        onnx_node("Flatten", ["mean"], ["flat"]),
    ]
    tensors = []
    channels = next(int(size) for size in given[1:] if size in (1, 3))
    for output, shape in made.items():
        count = int(np.prod(shape))
        row = (np.arange(1, count + 1, dtype=np.float32) / count)[None] / channels
        tensors.append(onnx_tensor(f"w_{output}", np.repeat(row, channels, axis=0)))
        tensors.append(onnx_tensor(f"s_{output}", np.array(shape, np.int64)))
        whole = f"before_{output}" if last else output
        nodes.append(onnx_node("MatMul", ["flat", f"w_{output}"], [f"long_{output}"]))
        nodes.append(onnx_node("Reshape", [f"long_{output}", f"s_{output}"], [whole]))
        if last:
            nodes.append(onnx_node(last, [whole], [output]))
    return onnx_model(
        nodes,
        inputs=[onnx_value(name, "float32", given)],
        outputs=[onnx_value(output, "float32", shape) for output, shape in made.items()],
        tensors=tensors,
        metadata=metadata,
    )


def ultralytics_metadata(task: str, labels: Sequence[str], **more: Any) -> dict[str, Any]:
    return {
        "description": "Ultralytics YOLO11n model",
        "author": "Ultralytics",
        "version": "8.4.190",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "stride": 32,
        "task": task,
        "batch": 1,
        "imgsz": [SIDE_PX, SIDE_PX],
        "names": dict(enumerate(labels)),
        "args": {"batch": 1, "nms": None},
        "channels": 3,
        "end2end": False,
        **more,
    }


def ultralytics_onnx(
    task: str, labels: Sequence[str], made: Mapping[str, Sequence[int]], **more: Any
) -> bytes:
    """As the exporter writes it: every value as Python's text."""
    told = {key: str(value) for key, value in ultralytics_metadata(task, labels, **more).items()}
    last = "Softmax" if task == "classify" else ""
    return any_onnx([1, 3, SIDE_PX, SIDE_PX], made, last=last, metadata=told)


def picture_tflite(
    labels: int, *, channels: int = 3, side: int = 8, dtype: str = "float32", **more: Any
) -> bytes:
    weights = np.linspace(-1, 1, side * side * channels * labels, dtype=np.float32)
    return dense_tflite(weights.reshape(-1, labels), (1, side, side, channels), dtype=dtype, **more)


def taught_tflite(labels: int, *, dtype: str = "float32", side: int = 224) -> bytes:
    """What Teachable Machine gives: floating point, or quantised with pictures of bytes."""
    q = {"float32": (1.0, 0), "uint8": (1 / 127.5, 127)}[dtype]
    return picture_tflite(labels, side=side, dtype=dtype, input_q=q)


def zip_of(members: Mapping[str, bytes | str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def with_zip(model: bytes, members: Mapping[str, bytes | str]) -> bytes:
    """`model` with a zip behind it, as tools append files to TFLite models."""
    packed = io.BytesIO(model)
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def ultralytics_tflite(task: str, labels: Sequence[str], *, file: str = "metadata.json") -> bytes:
    told = ultralytics_metadata(task, labels, imgsz=[8, 8])
    text = json.dumps(told) if file.endswith(".json") else str(told)
    return with_zip(picture_tflite(len(labels)), {file: text})


def tflite_with_metadata(model: bytes, labels: Sequence[str], **notes: Any) -> bytes:
    """`model` with TFLite Metadata and its labels behind it."""
    buffer = metadata_buffer(label_file="labels.txt" if labels else "", **notes)
    whole = with_metadata_buffer(model, "TFLITE_METADATA", buffer)
    return with_zip(whole, {"labels.txt": "\n".join(labels)}) if labels else whole


def ir_xml(
    shape: Sequence[int],
    made: Mapping[str, Sequence[int]],
    info: Mapping[str, str],
    *,
    last: str = "MatMul",
    framework: Mapping[str, str] | None = None,
) -> bytes:
    """The text of an OpenVINO IR; its network cannot be run."""
    given = _dims(shape)
    port = f'<port id="0" precision="FP32" names="images">{given}</port>'
    layers = [
        f'<layer id="0" name="images" type="Parameter" version="opset1"><output>{port}</output></layer>'
    ]
    edges = []
    for at, (name, sizes) in enumerate(made.items(), 1):
        made_by, result = 2 * at - 1, 2 * at
        layers.append(
            f'<layer id="{made_by}" name="{name}" type="{last}" version="opset1">'
            f'<input><port id="0" precision="FP32">{given}</port></input>'
            f'<output><port id="1" precision="FP32" names="{name}">{_dims(sizes)}</port></output>'
            "</layer>"
            f'<layer id="{result}" name="r{at}" type="Result" version="opset1">'
            f'<input><port id="0" precision="FP32">{_dims(sizes)}</port></input></layer>'
        )
        edges.append(
            f'<edge from-layer="0" from-port="0" to-layer="{made_by}" to-port="0"/>'
            f'<edge from-layer="{made_by}" from-port="1" to-layer="{result}" to-port="0"/>'
        )
    told = "".join(f'<{key} value="{value}" />' for key, value in info.items())
    taken = "".join(f'<{key} value="{value}" />' for key, value in (framework or {}).items())
    return (
        f'<?xml version="1.0"?><net name="m" version="11"><layers>{"".join(layers)}</layers>'
        f"<edges>{''.join(edges)}</edges>"
        f"<rt_info><framework>{taken}</framework><model_info>{told}</model_info></rt_info></net>"
    ).encode()


def _dims(shape: Sequence[int]) -> str:
    return "".join(f"<dim>{size}</dim>" for size in shape)
