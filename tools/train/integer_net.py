"""surface-defect's net in integers, defined once and written twice: ONNX and TFLite.

With real = step * (q - zero): pixels have step 1 and zero 0; activations behind a ReLU zero 0; both
are uint8 in ONNX and, 128 less, int8 in TFLite.  Weights are int8 from -63 to 63 with a step for
each output channel, biases int32 with step (input's step) * (weight's step).  The last layer
answers twice, -z for ok and z for defect, so that both labels have a logit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl
from onnx import TensorProto, helper, numpy_helper

from tools.train.surface_net import CELL, LAYERS, LOGIT_STEP, WEIGHT_LEVELS, Folded, Layer

OPSET, IR_VERSION = 17, 8
LOGIT_ZERO = 128
HEIGHT, WIDTH = 720, 1280
"""What the files say where a size must be given; any multiples of the cell's side will do."""
_SIDE_BY_SIDE = 4
"""Pixels of a row that go into the first layer as channels: see `_onnx_first`."""


@dataclass(frozen=True)
class Part:
    """One layer in integers."""

    layer: Layer
    weight: np.ndarray
    """int8 (outputs, inputs / groups, kernel, kernel)."""
    steps: np.ndarray
    """float32 (outputs,)."""
    bias: np.ndarray
    """int32 (outputs,)."""
    input_step: float
    output_step: float
    output_zero: int
    """As uint8."""


def parts_of(folded: Folded) -> list[Part]:
    assert folded.ends is not None
    ends, made, step = folded.ends, [], 1.0
    for index, layer in enumerate(LAYERS):
        weight, bias = (p[index].detach().numpy() for p in (folded.weights, folded.biases))
        is_last = layer is LAYERS[-1]
        if is_last:
            weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
        steps = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-8).astype(np.float32) / WEIGHT_LEVELS
        whole = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
        biases = np.rint(bias / (steps.astype(np.float64) * step)).astype(np.int32)
        out = (LOGIT_STEP, LOGIT_ZERO) if is_last else (float(np.float32(ends[index] / 255)), 0)
        made.append(Part(layer, whole, steps, biases, step, *out))
        step = out[0]
    return made


class _Onnx:
    """Nodes and constants in the making."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def saved(self, path: Path, kind: int) -> None:
        graph = helper.make_graph(
            self.nodes, "surface-defect",
            [helper.make_tensor_value_info("pixels", kind, [1, "height", "width", 1])],
            [helper.make_tensor_value_info("cells", TensorProto.FLOAT, [1, "rows", "columns", 2])],
            self.constants,
        )  # fmt: skip
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def write_onnx(parts: list[Part], path: Path) -> None:
    """uint8 pixels [1, height, width, 1] to float32 logits [1, rows, columns, 2], as QDQ."""
    made = _Onnx()
    current = _onnx_first(made)
    step, zero = made.constant("pixels.step", np.float32(1)), made.constant("zero", np.uint8(0))
    current = made.node("DequantizeLinear", [current, step, zero], "pixels.real")
    for index, part in enumerate(parts):
        name, layer = f"layer{index}", part.layer
        before, behind = layer.pads
        weight, pads = part.weight, [before, before, behind, behind]
        strides = [layer.stride, layer.stride]
        if index == 0:
            weight = _folded_rows(weight)
            pads = [before, before // _SIDE_BY_SIDE, behind, behind // _SIDE_BY_SIDE]
            strides = [layer.stride, layer.stride // _SIDE_BY_SIDE]
        real = made.node(
            "DequantizeLinear",
            [
                made.constant(f"{name}.weight", weight),
                made.constant(f"{name}.weight.step", part.steps),
                made.constant(f"{name}.weight.zero", np.zeros(len(weight), np.int8)),
            ],
            f"{name}.weight.real", axis=0,
        )  # fmt: skip
        bias = made.node(
            "DequantizeLinear",
            [
                made.constant(f"{name}.bias", part.bias),
                made.constant(f"{name}.bias.step", part.steps * np.float32(part.input_step)),
                made.constant(f"{name}.bias.zero", np.zeros(len(weight), np.int32)),
            ],
            f"{name}.bias.real", axis=0,
        )  # fmt: skip
        current = made.node(
            "Conv", [current, real, bias], f"{name}.sum", kernel_shape=list(weight.shape[2:]),
            strides=strides, pads=pads, dilations=[layer.dilation] * 2, group=layer.groups,
        )  # fmt: skip
        if index < len(parts) - 1:
            current = made.node("Relu", [current], f"{name}.relu")
        step = made.constant(f"{name}.step", np.float32(part.output_step))
        zero = made.constant(f"{name}.zero", np.uint8(part.output_zero))
        current = made.node("QuantizeLinear", [current, step, zero], f"{name}.whole")
        current = made.node("DequantizeLinear", [current, step, zero], f"{name}.real")
    made.node("Transpose", [current], "cells", perm=[0, 2, 3, 1])
    made.saved(path, TensorProto.UINT8)


def _onnx_first(made: _Onnx) -> str:
    """Four pixels side by side as four channels: [1, h, w, 1] to [1, 4, h, w / 4].

    In memory nothing moves.  A convolution over one channel is three times slower on integers than
    this one over four, which has the same weights.
    """
    shape = made.constant("side_by_side", np.array([0, 0, -1, _SIDE_BY_SIDE], np.int64))
    return made.node(
        "Transpose", [made.node("Reshape", ["pixels", shape], "rows4")], "channels4",
        perm=[0, 3, 1, 2],
    )  # fmt: skip


def _folded_rows(weight: np.ndarray) -> np.ndarray:
    """(o, 1, k, k) to (o, 4, k, k / 4)."""
    o, _, height, width = weight.shape
    split = weight.reshape(o, height, width // _SIDE_BY_SIDE, _SIDE_BY_SIDE)
    return np.ascontiguousarray(split.transpose(0, 3, 1, 2))


def write_float(folded: Folded, path: Path) -> None:
    """The net before it was rounded, in the form that is fastest as floats."""
    made = _Onnx()
    current = made.node("Transpose", ["pixels"], "plane", perm=[0, 3, 1, 2])
    for index, layer in enumerate(LAYERS):
        weight, bias = (p[index].detach().numpy() for p in (folded.weights, folded.biases))
        if layer is LAYERS[-1]:
            weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
        before, behind = layer.pads
        current = made.node(
            "Conv",
            [current, made.constant(f"weight{index}", weight), made.constant(f"bias{index}", bias)],
            f"sum{index}", kernel_shape=list(weight.shape[2:]), strides=[layer.stride] * 2,
            pads=[before, before, behind, behind], dilations=[layer.dilation] * 2,
            group=layer.groups,
        )  # fmt: skip
        if layer is not LAYERS[-1]:
            current = made.node("Relu", [current], f"relu{index}")
    made.node("Transpose", [current], "cells", perm=[0, 2, 3, 1])
    made.saved(path, TensorProto.FLOAT)


class _Tflite:
    """A flatbuffer's tables in the making: one subgraph."""

    def __init__(self) -> None:
        self.buffers = [tfl.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[int] = []

    def tensor(
        self,
        name: str,
        shape: list[int],
        kind: int,
        *,
        steps: np.ndarray | None = None,
        zero: int = 0,
        data: np.ndarray | None = None,
        is_open: bool = False,
    ) -> int:
        made = tfl.TensorT()
        made.name, made.shape, made.type = name.encode(), shape, kind
        if is_open:
            made.shapeSignature = [1, -1, -1, shape[3]]
        if steps is not None:
            made.quantization = tfl.QuantizationParametersT()
            made.quantization.scale = np.asarray(steps, np.float32)
            made.quantization.zeroPoint = np.full(len(steps), zero, np.int64)
            made.quantization.quantizedDimension = 0
        if data is not None:
            made.buffer = len(self.buffers)
            buffer = tfl.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, options: Any, kind: int) -> None:
        if code not in self.codes:
            self.codes.append(code)
        made = tfl.OperatorT()
        made.opcodeIndex = self.codes.index(code)
        made.inputs, made.outputs = inputs, [output]
        made.builtinOptions, made.builtinOptionsType = options, kind
        self.operators.append(made)

    def saved(self, path: Path, given: int, answered: int) -> None:
        graph = tfl.SubGraphT()
        graph.name, graph.tensors, graph.operators = b"main", self.tensors, self.operators
        graph.inputs, graph.outputs = [given], [answered]
        model = tfl.ModelT()
        model.version, model.description = 3, b"surface-defect"
        model.subgraphs, model.buffers = [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            entry = tfl.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = _VERSIONS[code]
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        path.write_bytes(bytes(builder.Output()))


_VERSIONS = {tfl.BuiltinOperator.PAD: 2, tfl.BuiltinOperator.CONV_2D: 3}
"""The first that take int8."""


def write_tflite(parts: list[Part], path: Path) -> None:
    """int8 pixels [1, height, width, 1] to int8 logits [1, rows, columns, 2], the same integers."""
    made = _Tflite()
    int8, int32, height, width = tfl.TensorType.INT8, tfl.TensorType.INT32, HEIGHT, WIDTH
    current = given = made.tensor(
        "pixels", [1, height, width, 1], int8, steps=np.ones(1), zero=-128, is_open=True
    )
    for index, part in enumerate(parts):
        layer, name = part.layer, f"layer{index}"
        before, behind = layer.pads
        is_valid = index == 0 or layer.kernel == 1
        if index == 0:
            amounts = np.array([[0, 0], [before, behind], [before, behind], [0, 0]], np.int32)
            at = made.tensor("pads", [4, 2], int32, data=amounts)
            grown = [1, height + before + behind, width + before + behind, 1]
            out = made.tensor("padded", grown, int8, steps=np.ones(1), zero=-128, is_open=True)
            kind = tfl.BuiltinOptions.PadOptions
            made.operator(tfl.BuiltinOperator.PAD, [current, at], out, tfl.PadOptionsT(), kind)
            current = out
        height, width = height // layer.stride, width // layer.stride
        weight = part.weight.transpose(0, 2, 3, 1)
        weights = made.tensor(
            f"{name}.weight", list(weight.shape), int8, steps=part.steps, data=weight
        )
        bias = made.tensor(
            f"{name}.bias", [len(weight)], int32, data=part.bias,
            steps=part.steps * np.float32(part.input_step),
        )  # fmt: skip
        out = made.tensor(
            name, [1, height, width, len(weight)], int8, steps=np.array([part.output_step]),
            zero=part.output_zero - 128, is_open=True,
        )  # fmt: skip
        options = tfl.Conv2DOptionsT()
        options.padding = tfl.Padding.VALID if is_valid else tfl.Padding.SAME
        options.strideH = options.strideW = layer.stride
        options.dilationHFactor = options.dilationWFactor = layer.dilation
        is_last = index == len(parts) - 1
        act = tfl.ActivationFunctionType
        options.fusedActivationFunction = act.NONE if is_last else act.RELU
        made.operator(
            tfl.BuiltinOperator.CONV_2D, [current, weights, bias], out, options,
            tfl.BuiltinOptions.Conv2DOptions,
        )  # fmt: skip
        current = out
    made.saved(path, given, current)


def check_size(height: int, width: int) -> None:
    assert height % CELL == 0, height
    assert width % CELL == 0, width
