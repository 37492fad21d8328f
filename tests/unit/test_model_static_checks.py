"""What is refused before any native code sees a model file."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference.onnx_static import check_onnx
from edge_runtime.inference.tflite_static import check_tflite
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
