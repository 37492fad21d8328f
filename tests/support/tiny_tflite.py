"""Tiny TFLite models: the same dense layer as in `tiny_onnx`, and custom operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TFLITE_TYPES = {"float32": 0, "int8": 9, "uint8": 3, "int16": 7}
Quantisation = tuple[float, int]


def dense_tflite(
    weights: NDArray[np.float32],
    shape: Sequence[int],
    *,
    dtype: str = "float32",
    output: str = "float32",
    input_q: Quantisation = (1.0, 0),
    output_q: Quantisation = (1.0, 0),
    open_batch: bool = False,
) -> bytes:
    """The same layer as `dense_onnx`; integer tensors carry their scale and zero point."""
    from ai_edge_litert import schema_py_generated as schema

    made = _Tflite(schema)
    inputs, labels = weights.shape
    batch = shape[0]
    x = made.tensor("x", shape, dtype, input_q, open_batch=open_batch)
    real = made.tensor("real", shape, "float32", open_batch=open_batch)
    flat = made.tensor("flat", (batch, inputs), "float32", open_batch=open_batch)
    sizes = made.constant("sizes", np.array([-1, inputs], np.int32))
    w = made.constant("w", np.ascontiguousarray(weights.T, np.float32))
    scores = made.tensor("scores", (batch, labels), "float32", open_batch=open_batch)
    if dtype == "float32":
        real = x
    else:
        made.operator(schema.BuiltinOperator.DEQUANTIZE, [x], [real])
    made.operator(schema.BuiltinOperator.RESHAPE, [real, sizes], [flat])
    made.dense([flat, w, -1], [scores])
    y = scores
    if output != "float32":
        y = made.tensor("y", (batch, labels), output, output_q, open_batch=open_batch)
        made.operator(schema.BuiltinOperator.QUANTIZE, [scores], [y])
    return made.finished([x], [y])


def sum_tflite(
    shape: Sequence[int], *, first_q: Quantisation, second_q: Quantisation, output_q: Quantisation
) -> bytes:
    """y = a + b in int8, each with a quantisation of its own."""
    from ai_edge_litert import schema_py_generated as schema

    made = _Tflite(schema)
    a = made.tensor("a", shape, "int8", first_q)
    b = made.tensor("b", shape, "int8", second_q)
    y = made.tensor("y", shape, "int8", output_q)
    operator = made.operator(schema.BuiltinOperator.ADD, [a, b], [y])
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    return made.finished([a, b], [y])


def custom_tflite(*names: str) -> bytes:
    """A model of custom operators only."""
    from ai_edge_litert import schema_py_generated as schema

    made = _Tflite(schema)
    x = made.tensor("x", (1, 4), "float32")
    for name in names:
        y = made.tensor(f"y_{name}", (1, 4), "float32")
        made.operator(schema.BuiltinOperator.CUSTOM, [x], [y], custom=name)
        x = y
    return made.finished([0], [x])


def ssd_tflite(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], side: int, *, most: int = 10
) -> bytes:
    """A detector with TFLite's own post-processing operator, the same answer for every picture.

    `boxes`: (n, 4) ``y0 x0 y1 x1`` as fractions; `scores`: (n, labels).
    """
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import flexbuffers  # type: ignore[import-untyped]

    made = _Tflite(schema)
    x = made.tensor("x", (1, side, side, 3), "float32")
    count, labels = scores.shape
    sizes = boxes[:, 2:] - boxes[:, :2]
    anchors = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, sizes], axis=1)
    background = np.zeros((count, 1), np.float32)
    given = [
        made.constant_from(x, side * side * 3, "offsets", np.zeros((1, count, 4), np.float32)),
        made.constant_from(
            x, side * side * 3, "scores", np.concatenate([background, scores], axis=1)[None]
        ),
        made.constant("anchors", anchors.astype(np.float32)),
    ]
    found = [
        made.tensor("TFLite_Detection_PostProcess", (1, most, 4), "float32"),
        made.tensor("TFLite_Detection_PostProcess:1", (1, most), "float32"),
        made.tensor("TFLite_Detection_PostProcess:2", (1, most), "float32"),
        made.tensor("TFLite_Detection_PostProcess:3", (1,), "float32"),
    ]
    operator = made.operator(
        schema.BuiltinOperator.CUSTOM, given, found, custom="TFLite_Detection_PostProcess"
    )
    options: dict[str, float | int | bool] = {
        "max_detections": most,
        "max_classes_per_detection": 1,
        "num_classes": labels,
        "nms_score_threshold": 0.01,
        "nms_iou_threshold": 0.6,
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
        "use_regular_nms": False,
    }
    operator.customOptions = np.frombuffer(bytes(flexbuffers.Dumps(options)), np.uint8)
    operator.customOptionsFormat = schema.CustomOptionsFormat.FLEXBUFFERS
    return made.finished([x], found)


class _Tflite:
    """Collects one subgraph."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.buffers = [schema.BufferT()]
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantisation: Quantisation = (1.0, 0),
        *,
        open_batch: bool = False,
    ) -> int:
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = _TFLITE_TYPES[dtype]
        if open_batch:
            tensor.shapeSignature = [-1, *shape[1:]]
        if dtype != "float32":
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale = [quantisation[0]]
            tensor.quantization.zeroPoint = [quantisation[1]]
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, values: NDArray[Any]) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        at = self.tensor(name, values.shape, "float32")
        tensor = self._graph.tensors[at]
        tensor.buffer = len(self._model.buffers) - 1
        tensor.type = 2 if values.dtype == np.int32 else 0
        return at

    def operator(
        self, code: int, inputs: list[int], outputs: list[int], *, custom: str = ""
    ) -> Any:
        listed = self._schema.OperatorCodeT()
        listed.builtinCode, listed.deprecatedBuiltinCode = code, min(code, 127)
        listed.version = 1
        if custom:
            listed.customCode = custom
        self._model.operatorCodes.append(listed)
        operator = self._schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        self._graph.operators.append(operator)
        return operator

    def dense(self, inputs: list[int], outputs: list[int]) -> None:
        schema = self._schema
        operator = self.operator(schema.BuiltinOperator.FULLY_CONNECTED, inputs, outputs)
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()

    def constant_from(self, x: int, inputs: int, name: str, values: NDArray[np.float32]) -> int:
        """`values` as a dense layer of the input whose weights are zero."""
        schema = self._schema
        flat = self.tensor(f"{name}_flat", (1, inputs), "float32")
        line = self.tensor(f"{name}_line", (1, values.size), "float32")
        made = self.tensor(name, values.shape, "float32")
        weights = self.constant(f"{name}_w", np.zeros((values.size, inputs), np.float32))
        bias = self.constant(f"{name}_b", values.astype(np.float32).ravel())
        one_row = self.constant(f"{name}_in", np.array([1, inputs], np.int32))
        shape = self.constant(f"{name}_out", np.array(values.shape, np.int32))
        self.operator(schema.BuiltinOperator.RESHAPE, [x, one_row], [flat])
        self.dense([flat, weights, bias], [line])
        self.operator(schema.BuiltinOperator.RESHAPE, [line, shape], [made])
        return made

    def finished(self, inputs: list[int], outputs: list[int]) -> bytes:
        import flatbuffers

        self._graph.inputs, self._graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def with_metadata_buffer(model: bytes, name: str, buffer: bytes) -> bytes:
    """`model` with one more metadata buffer."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    whole = schema.ModelT.InitFromPackedBuf(model, 0)
    held = schema.BufferT()
    held.data = np.frombuffer(buffer, np.uint8)
    whole.buffers.append(held)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, len(whole.buffers) - 1
    whole.metadata = [*(whole.metadata or []), entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_input_name(model: bytes, name: str) -> bytes:
    """`model` with another name for its first input."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    whole = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = whole.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = name
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())
