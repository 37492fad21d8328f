"""What can be said of an ONNX file without running any native code on it.

ONNX is a protobuf; only the few fields that matter are walked here, because the `onnx` package does
not belong on a device.  Field numbers are those of onnx.proto3.  Wherever a message may hold a
graph or a tensor, it is followed.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime.errors import ModelError
from edge_runtime.inference.files.protobuf import decoded, fields, messages, text

_BUILT_IN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODES, _GRAPH_INITIALIZERS, _GRAPH_SPARSE_INITIALIZERS = 1, 5, 15
_GRAPH_INPUTS, _GRAPH_OUTPUTS, _VALUE_NAME = 11, 12, 1
_NODE_OP, _NODE_ATTRIBUTES, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 8, 13, 14
_SPARSE_VALUES, _SPARSE_INDICES = 1, 2
_FUNCTION_NAME, _FUNCTION_NODES, _FUNCTION_DOMAIN = 1, 7, 10
_FUNCTION_ATTRIBUTES = 11
_EXTERNAL = 1
_MAX_DEPTH = 16


def check_onnx(model: bytes, name: str) -> None:
    """Refuse external data and operators that ONNX Runtime does not bring.

    Functions that the file defines for itself are followed like graphs.  Raises `ModelError`, also
    for what is no protobuf; `name` is for messages.
    """
    try:
        view = memoryview(model)
        functions = [m for field, m in messages(view) if field == _MODEL_FUNCTIONS]
        own = frozenset((text(f, _FUNCTION_DOMAIN), text(f, _FUNCTION_NAME)) for f in functions)
        walk = _Walk(name, own)
        graphs = [m for field, m in messages(view) if field == _MODEL_GRAPH]
        for graph in graphs:
            walk.graph(graph, 0)
        for function in functions:
            walk.function(function)
    except (ValueError, IndexError) as exc:
        raise ModelError(f"{name}: not an ONNX model, or a damaged one: {exc}") from exc
    if len(graphs) != 1:
        raise ModelError(f"{name}: not an ONNX model: it holds {len(graphs)} graphs")


def names_of(model: bytes) -> tuple[list[str], list[str]]:
    """(inputs, outputs) of the graph of a checked model, as the file names them, in its order.

    Constants that old files list among the inputs are left out.
    """
    inputs, outputs, constants = [], [], set()
    for field, graph in messages(memoryview(model)):
        if field != _MODEL_GRAPH:
            continue
        for kind, value in messages(graph):
            if kind == _GRAPH_INITIALIZERS:
                constants.add(text(value, _TENSOR_NAME))
            elif kind == _GRAPH_INPUTS:
                inputs.append(text(value, _VALUE_NAME))
            elif kind == _GRAPH_OUTPUTS:
                outputs.append(text(value, _VALUE_NAME))
    return [name for name in inputs if name not in constants], outputs


def operators_of(model: bytes) -> set[str]:
    """The operators of the outermost graph of a checked model."""
    return {
        text(node, _NODE_OP)
        for field, graph in messages(memoryview(model))
        if field == _MODEL_GRAPH
        for kind, node in messages(graph)
        if kind == _GRAPH_NODES
    }


@dataclass(frozen=True, slots=True)
class _Walk:
    """One file's walk: what messages call it, and the operators that it defines for itself."""

    name: str
    own: frozenset[tuple[str, str]]

    def graph(self, graph: memoryview, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ModelError(f"{self.name}: graphs are nested deeper than {_MAX_DEPTH}")
        for field, value in messages(graph):
            if field == _GRAPH_NODES:
                self.node(value, depth)
            elif field == _GRAPH_INITIALIZERS:
                self.tensor(value)
            elif field == _GRAPH_SPARSE_INITIALIZERS:
                self.sparse(value)

    def function(self, function: memoryview) -> None:
        for field, value in messages(function):
            if field == _FUNCTION_NODES:
                self.node(value, 0)
            elif field == _FUNCTION_ATTRIBUTES:
                self.attribute(value, 0)

    def node(self, node: memoryview, depth: int) -> None:
        domain, operator = "", ""
        for field, value in messages(node):
            if field == _NODE_DOMAIN:
                domain = decoded(value)
            elif field == _NODE_OP:
                operator = decoded(value)
            elif field == _NODE_ATTRIBUTES:
                self.attribute(value, depth)
        if domain not in _BUILT_IN_DOMAINS and (domain, operator) not in self.own:
            raise ModelError(
                f"{self.name}: needs the custom operator '{operator}' of '{domain}', which ONNX "
                "Runtime does not have: export the model with standard operators only"
            )

    def attribute(self, attribute: memoryview, depth: int) -> None:
        for field, value in messages(attribute):
            if field in _ATTRIBUTE_TENSORS:
                self.tensor(value)
            elif field in _ATTRIBUTE_GRAPHS:
                self.graph(value, depth + 1)
            elif field in _ATTRIBUTE_SPARSE:
                self.sparse(value)

    def sparse(self, sparse: memoryview) -> None:
        for field, value in messages(sparse):
            if field in (_SPARSE_VALUES, _SPARSE_INDICES):
                self.tensor(value)

    def tensor(self, tensor: memoryview) -> None:
        for field, value in fields(tensor):
            if field == _TENSOR_EXTERNAL_DATA or (
                field == _TENSOR_DATA_LOCATION and value == _EXTERNAL
            ):
                raise ModelError(
                    f"{self.name}: keeps the weights '{text(tensor, _TENSOR_NAME)}' in another "
                    "file (external data), which is refused: export the model as one file"
                )
