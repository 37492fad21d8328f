"""What is refused before any native code sees a model file."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference.files.onnx_static import check_onnx, names_of, operators_of
from edge_runtime.inference.files.openvino_static import check_ir
from edge_runtime.inference.files.tflite_static import check_tflite
from edge_runtime.inference.files.tflite_tensors import is_quantised, tensors_of
from tests.support.tiny_onnx import (
    broken_varint,
    dense_onnx,
    field,
    onnx_model,
    onnx_node,
    onnx_tensor,
    onnx_value,
)
from tests.support.tiny_tflite import custom_tflite, dense_tflite

WEIGHTS = np.ones((4, 2), np.float32)
IN_AND_OUT = {
    "inputs": [onnx_value("x", "float32", [1, 4])],
    "outputs": [onnx_value("y", "float32", [1, 4])],
}
OUTSIDE = onnx_tensor("w", WEIGHTS, external="../../etc/passwd")


def attribute(name: str, number: int, value: bytes) -> bytes:
    return field(1, name) + field(number, value)


def with_node(node: bytes) -> bytes:
    return onnx_model([node], **IN_AND_OUT)  # type: ignore[arg-type]


def graph_of(*nodes: bytes, tensors: tuple[bytes, ...] = ()) -> bytes:
    return b"".join(field(1, n) for n in nodes) + b"".join(field(5, t) for t in tensors)


def test_a_plain_model_passes() -> None:
    check_onnx(dense_onnx(WEIGHTS, [1, 4]), "m.onnx")
    check_tflite(dense_tflite(WEIGHTS, [1, 4]), "m.tflite")


@pytest.mark.parametrize(
    "model",
    [
        dense_onnx(WEIGHTS, [1, 4], external="weights.bin"),
        with_node(onnx_node("Constant", [], ["y"], attributes=[attribute("value", 5, OUTSIDE)])),
        with_node(onnx_node("X", [], ["y"], attributes=[attribute("values", 10, OUTSIDE)])),
        with_node(
            onnx_node(
                "If",
                ["c"],
                ["y"],
                attributes=[attribute("then_branch", 6, graph_of(tensors=(OUTSIDE,)))],
            )
        ),
        with_node(
            onnx_node(
                "Constant",
                [],
                ["y"],
                attributes=[attribute("sparse_value", 22, field(1, OUTSIDE))],
            )
        ),
        onnx_model([], **IN_AND_OUT) + field(7, field(15, field(1, OUTSIDE))),  # type: ignore[arg-type]
        onnx_model(
            [],
            functions=[
                field(1, "F")
                + field(7, onnx_node("C", [], ["y"], attributes=[attribute("v", 5, OUTSIDE)]))
            ],
            **IN_AND_OUT,  # type: ignore[arg-type]
        ),
    ],
    ids=["initializer", "constant", "list", "subgraph", "sparse", "second graph", "function"],
)
def test_external_data_is_found_wherever_a_tensor_may_be(model: bytes) -> None:
    with pytest.raises(ModelError, match=r"m\.onnx: keeps the weights 'w' in another file"):
        check_onnx(model, "m.onnx")


def test_an_operator_that_the_runtime_lacks_is_named_with_its_domain() -> None:
    model = with_node(onnx_node("Magic", ["x"], ["y"], domain="acme.ops"))
    with pytest.raises(ModelError, match=r"custom operator 'Magic' of 'acme\.ops'"):
        check_onnx(model, "m.onnx")


def test_a_custom_operator_in_a_branch_is_found() -> None:
    branch = graph_of(onnx_node("Magic", ["x"], ["y"], domain="acme.ops"))
    model = with_node(onnx_node("If", ["c"], ["y"], attributes=[attribute("else", 6, branch)]))
    with pytest.raises(ModelError, match="Magic"):
        check_onnx(model, "m.onnx")


def test_a_function_that_the_file_defines_is_no_custom_operator() -> None:
    function = field(1, "Twice") + field(7, onnx_node("Add", ["a", "a"], ["b"]))
    model = onnx_model(
        [onnx_node("Twice", ["x"], ["y"], domain="own")],
        functions=[function + field(10, "own")],
        domains=["own", "listed.but.not.used"],
        **IN_AND_OUT,  # type: ignore[arg-type]
    )
    check_onnx(model, "m.onnx")


def test_graphs_that_nest_without_end_are_refused() -> None:
    graph = graph_of()
    for _ in range(100):
        graph = graph_of(onnx_node("If", [], [], attributes=[attribute("b", 6, graph)]))
    with pytest.raises(ModelError, match="nested deeper than"):
        check_onnx(field(7, graph), "m.onnx")


@pytest.mark.parametrize("model", [b"", broken_varint(), b"not a model at all", field(7, b"\x07")])
def test_what_is_no_onnx_is_refused(model: bytes) -> None:
    with pytest.raises(ModelError, match="not an ONNX model"):
        check_onnx(model, "m.onnx")


def test_every_custom_operator_of_a_tflite_model_is_named() -> None:
    model = custom_tflite("SignalWindow", "FlexErf", "TFLite_Detection_PostProcess")
    with pytest.raises(ModelError, match="the custom operators FlexErf, SignalWindow, which"):
        check_tflite(model, "m.tflite")
    check_tflite(custom_tflite("TFLite_Detection_PostProcess"), "m.tflite")


@pytest.mark.parametrize("model", [b"", b"\0" * 64, dense_onnx(WEIGHTS, [1, 4])])
def test_what_has_no_tflite_mark_is_refused(model: bytes) -> None:
    with pytest.raises(ModelError, match="no TFL3 mark"):
        check_tflite(model, "m.tflite")


def test_a_tflite_model_without_an_operator_list_or_with_an_endless_one_is_refused() -> None:
    whole = dense_tflite(WEIGHTS, [1, 4])
    for size in (8, 9, 16, 40):
        with pytest.raises(ModelError, match="damaged"):
            check_tflite(whole[:size], "m.tflite")


LAYER = '<layer id="0" name="w" type="{type}" version="{version}"><data offset="{at}" size="8"/></layer>'


def ir(**changes: object) -> bytes:
    told = {"type": "Const", "version": "opset1", "at": 0, **changes}
    return f"<net><layers>{LAYER.format(**told)}</layers></net>".encode()


def test_an_ir_of_standard_operators_within_its_weights_passes() -> None:
    check_ir(ir(), bytes(8), "m.xml")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (ir(version="extension", type="Mine"), "needs the operator 'Mine' of 'extension'"),
        (ir(version="opset1x"), "needs the operator"),
        (ir(at=1), "beyond the end of the weights"),
        (ir(at=-1), "is nowhere"),
        (ir(at="x"), "is nowhere"),
        (b"<html/>", "begins with <html>"),
        (b"<net><layers>", "damaged"),
        (b'<!DOCTYPE net [<!ENTITY a "b">]><net/>', "declares entities"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_an_ir_that_is_none_is_refused_with_the_reason(model: bytes, told: str) -> None:
    with pytest.raises(ModelError, match=r"^m\.xml: ") as raised:
        check_ir(model, bytes(8), "m.xml")
    assert told in str(raised.value)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16"])
def test_inputs_and_outputs_of_tflite_are_read_without_a_runtime(dtype: str) -> None:
    given = None if dtype == "float32" else (0.25, 0 if dtype == "int16" else 7)
    model = dense_tflite(WEIGHTS, (1, 4), dtype=dtype, input_q=given or (1.0, 0))
    [x], [y] = tensors_of(model, "m.tflite")
    assert (x.name, x.shape, x.dtype, x.quantisation) == ("x", (1, 4), np.dtype(dtype), given)
    assert (y.shape, y.dtype, y.quantisation) == ((1, 2), np.dtype(np.float32), None)
    assert is_quantised(model, "m.tflite") == (dtype != "float32")


@pytest.mark.parametrize("cut", [0, 4, 40, 200, -300])
def test_a_tflite_file_that_is_cut_short_has_no_tensors(cut: int) -> None:
    model = dense_tflite(WEIGHTS, (1, 4))[:cut]
    with pytest.raises(ModelError, match="TFLite model"):
        tensors_of(model, "m.tflite")


def test_onnx_names_are_read_in_the_files_order_without_its_constants() -> None:
    model = onnx_model(
        [onnx_node("Add", ["b", "a"], ["y"]), onnx_node("QLinearMatMul", ["y"], ["z"])],
        inputs=[onnx_value(name, "float32", [1]) for name in ("b", "w", "a")],
        outputs=[onnx_value(name, "float32", [1]) for name in ("z", "y")],
        tensors=[onnx_tensor("w", WEIGHTS)],
    )
    assert names_of(model) == (["b", "a"], ["z", "y"])
    assert operators_of(model) == {"Add", "QLinearMatMul"}
