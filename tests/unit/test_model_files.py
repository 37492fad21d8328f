"""What model files say of themselves, read without a runtime."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.importers.openvino_ir import read_ir
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.files.onnx import read_onnx
from edge_runtime.inference.files.tflite import read_tflite
from tests.support.data import MODELS, needs_data
from tests.support.exports import any_onnx, ir_xml
from tests.support.tiny_onnx import dense_onnx, field, onnx_model, onnx_node, onnx_value
from tests.support.tiny_tflite import dense_tflite, with_metadata_buffer

WEIGHTS = np.ones((4, 2), np.float32)


def test_an_onnx_file_tells_tensors_metadata_and_opset() -> None:
    data = any_onnx(["batch", 3, 8, 8], {"y": [1, 2]}, last="Softmax", metadata={"k": "v"})
    file = read_onnx(data, "m.onnx")
    assert [str(tensor) for tensor in file.inputs] == ["'images' [?, 3, 8, 8] float32"]
    assert [str(tensor) for tensor in file.outputs] == ["'y' [1, 2] float32"]
    assert file.metadata == {"k": "v"}
    assert file.opset == 17
    assert file.last_operators == {"y": "Softmax"}


def test_operators_that_only_move_values_are_not_the_last_one() -> None:
    model = onnx_model(
        [onnx_node("Softmax", ["x"], ["a"]), onnx_node("Reshape", ["a", "s"], ["y"])],
        inputs=[onnx_value("x", "float32", [1, 4])],
        outputs=[onnx_value("y", "float32", [4])],
    )
    assert read_onnx(model, "m.onnx").last_operators == {"y": "Softmax"}


def test_operators_in_a_ring_end_the_search() -> None:
    model = onnx_model(
        [onnx_node("Identity", ["y"], ["a"]), onnx_node("Identity", ["a"], ["y"])],
        inputs=[onnx_value("x", "float32", [1, 4])],
        outputs=[onnx_value("y", "float32", [1, 4])],
    )
    assert read_onnx(model, "m.onnx").last_operators == {"y": "Identity"}


def test_an_input_that_holds_no_numbers_is_refused() -> None:
    text_input = field(1, "x") + field(2, field(1, field(1, 8)))
    model = onnx_model([], inputs=[text_input], outputs=[onnx_value("y", "float32", [1])])
    with pytest.raises(ModelError, match="'x' holds no numbers"):
        read_onnx(model, "m.onnx")


@pytest.mark.parametrize("data", [b"", b"\xff" * 11, b"not a model", b"PK\x03\x04"])
def test_what_is_no_model_is_one_clear_line(data: bytes) -> None:
    for read, name in ((read_onnx, "m.onnx"), (read_tflite, "m.tflite"), (read_ir, "m.xml")):
        with pytest.raises(ModelError, match="m\\.") as caught:
            read(data, name)
        assert "\n" not in str(caught.value)


def test_a_tflite_file_tells_tensors_quantisation_and_buffers() -> None:
    model = dense_tflite(WEIGHTS, (1, 4), dtype="int8", input_q=(0.5, -3), output="uint8")
    file = read_tflite(with_metadata_buffer(model, "note", b"hello"), "m.tflite")
    assert file.inputs[0].quantisation == (0.5, -3)
    assert [tensor.dtype.name for tensor in (*file.inputs, *file.outputs)] == ["int8", "uint8"]
    assert file.metadata["note"] == b"hello"
    assert file.last_operators == {"y": "Fully connected"}
    assert file.is_quantised
    assert not read_tflite(dense_tflite(WEIGHTS, (1, 4)), "m.tflite").is_quantised


def test_an_open_batch_is_open() -> None:
    model = dense_tflite(WEIGHTS, (1, 4), open_batch=True)
    assert read_tflite(model, "m.tflite").inputs[0].shape == (None, 4)


def test_an_ir_tells_tensors_and_model_info() -> None:
    file = read_ir(ir_xml([1, 3, 8, 8], {"a": [1, 2], "b": [1, 4]}, {"labels": "x y"}), "m.xml")
    assert [tensor.name for tensor in file.inputs] == ["images"]
    assert [tensor.shape for tensor in file.outputs] == [(1, 2), (1, 4)]
    assert file.info == {"labels": "x y"}
    assert file.last_operators == {"a": "MatMul", "b": "MatMul"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.onnx", dense_onnx(WEIGHTS, [1, 4])),
        ("m.tflite", dense_tflite(WEIGHTS, (1, 4), dtype="int8", input_q=(0.25, 7))),
    ],
)
def test_files_say_what_their_runtimes_say(name: str, data: bytes) -> None:
    read = read_onnx if name.endswith(".onnx") else read_tflite
    file, engine = read(data, name), open_engine(data, name)
    assert list(file.inputs) == list(engine.inputs)
    assert list(file.outputs) == list(engine.outputs)
    engine.close()


@needs_data
def test_every_model_of_the_real_data_says_what_its_runtime_says() -> None:
    seen = 0
    for path in sorted(MODELS.glob("*.onnx")) + sorted(MODELS.glob("*.tflite")):
        if path.name.startswith("NEGATIVE"):
            continue
        data = path.read_bytes()
        file = (read_onnx if path.suffix == ".onnx" else read_tflite)(data, path.name)
        engine = open_engine(data, path.name)
        for mine, theirs in (
            (file.inputs, engine.inputs),
            (file.outputs, engine.outputs),
        ):
            assert [tensor.name for tensor in mine] == [tensor.name for tensor in theirs]
            assert [tensor.dtype for tensor in mine] == [tensor.dtype for tensor in theirs]
            assert [t.quantisation for t in mine] == [t.quantisation for t in theirs], path.name
            for a, b in zip(mine, theirs, strict=True):
                assert b.accepts(tuple(size or 1 for size in a.shape)), (path.name, str(a), str(b))
        engine.close()
        seen += 1
    assert seen >= 15
