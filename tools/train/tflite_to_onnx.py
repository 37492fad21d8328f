"""A quantised TFLite network as ONNX with the same quantisation: QDQ, opset 17, no other domain.

    python -m tools.train.tflite_to_onnx model.tflite model.onnx

Every quantised tensor of the TFLite file becomes a pair QuantizeLinear, DequantizeLinear with its
scale and zero point, weights and biases keep their integers, and ONNX Runtime folds the pairs into
integer operators.  What both compute may differ by the last rounding of a step, no more.  Input and
output are float: the network rounds and scales them itself, as the TFLite file says.  A float
TFLite network becomes a float ONNX network.

Only the operators that the shipped networks need are known; another one raises `ConversionError`.
TFLite's axes are (n, height, width, channels), ONNX' (n, channels, height, width): tensors of four
axes are turned once where they come in and turned back only around a reshape.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tflite
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OPSET = 17
IR_VERSION = 8
"""The one that came with opset 17."""
DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT64: np.int64,
}
OPERATORS = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if name.isupper()
}
SIGNED = 128
"""From int8 to uint8, steps and zero point alike, which changes no real number.  ONNX Runtime's
kernels for signed weights saturate on processors with AVX2 and without VNNI; those for unsigned
steps and weights are exact everywhere."""
NONE, RELU, RELU6 = 0, 1, 3
"""Of the activations that TFLite fuses."""


class ConversionError(Exception):
    """The network has something that has no rule here."""


class Converter:
    """One TFLite file's way into an ONNX graph."""

    def __init__(self, model: bytes) -> None:
        self._model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAsModel(model, 0))
        if len(self._model.subgraphs) != 1:
            raise ConversionError(f"{len(self._model.subgraphs)} subgraphs; one is supported")
        self._graph = self._model.subgraphs[0]
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._value: dict[int, str] = {}
        """TFLite tensor to the name of its real numbers, four axes with the channels second."""
        self._fresh = 0

    def onnx(self) -> bytes:
        """The ONNX file."""
        inputs, outputs = [], []
        for index in self._graph.inputs:
            tensor = self._graph.tensors[index]
            name = _name(tensor)
            inputs.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, self._shape(index))
            )
            turned = self._turned(name, len(tensor.shape), into_onnx=True)
            self._value[index] = self._stepped(turned, index)
        for operator in self._graph.operators:
            code = self._model.operatorCodes[operator.opcodeIndex]
            kind = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
            rule: Callable[[Any], str] | None = getattr(self, f"_{kind.lower()}", None)
            if rule is None:
                raise ConversionError(f"operator {kind} has no rule here")
            index = operator.outputs[0]
            self._value[index] = self._stepped(rule(operator), index)
        for index in self._graph.outputs:
            tensor = self._graph.tensors[index]
            name = _name(tensor)
            outputs.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, self._shape(index))
            )
            found = self._turned(self._value[index], len(tensor.shape), into_onnx=False)
            self._nodes.append(helper.make_node("Identity", [found], [name]))
        graph = helper.make_graph(self._nodes, "network", inputs, outputs, self._constants)
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        onnx.checker.check_model(made, full_check=True)
        return bytes(made.SerializeToString())

    # One rule for each operator: takes it, returns the name of its real result before quantisation.

    def _conv_2d(self, operator: Any) -> str:
        options = operator.builtinOptions
        weight = self._weight(operator.inputs[1], (0, 3, 1, 2), 0)
        return self._convolved(operator, weight, self._shape(operator.inputs[1])[1:3], options, 1)

    def _depthwise_conv_2d(self, operator: Any) -> str:
        options = operator.builtinOptions
        if options.depthMultiplier != 1:
            raise ConversionError("a depth multiplier other than 1 has no rule here")
        weight = self._weight(operator.inputs[1], (3, 0, 1, 2), 0)
        _, height, width, channels = self._shape(operator.inputs[1])
        return self._convolved(operator, weight, (height, width), options, channels)

    def _fully_connected(self, operator: Any) -> str:
        given, weight, *_ = operator.inputs
        x = self._value[given]
        if len(self._shape(given)) != 2:
            x = self._turned(x, len(self._shape(given)), into_onnx=False)
            width = self._shape(weight)[1]
            x = self._node("Reshape", [x, self._constant(np.array([-1, width], np.int64))])
        terms = [x, self._weight(weight, (0, 1), 0), *self._bias(operator)]
        made = self._node("Gemm", terms, transB=1)
        return self._activated(made, operator.builtinOptions, operator.outputs[0])

    def _add(self, operator: Any) -> str:
        return self._both("Add", operator)

    def _sub(self, operator: Any) -> str:
        return self._both("Sub", operator)

    def _mul(self, operator: Any) -> str:
        return self._both("Mul", operator)

    def _relu(self, operator: Any) -> str:
        return self._node("Relu", [self._value[operator.inputs[0]]])

    def _mean(self, operator: Any) -> str:
        axes = [int(axis) for axis in self._data(operator.inputs[1]).ravel()]
        rank = len(self._shape(operator.inputs[0]))
        if rank == 4:
            axes = [(0, 2, 3, 1)[axis] for axis in axes]
        keep = operator.builtinOptions.keepDims
        if rank == 4 and not keep and sorted(axes) != [2, 3]:
            raise ConversionError(f"a mean over axes {axes} has no rule here")
        return self._node(
            "ReduceMean", [self._value[operator.inputs[0]]], axes=sorted(axes), keepdims=int(keep)
        )

    def _average_pool_2d(self, operator: Any) -> str:
        return self._pooled("AveragePool", operator)

    def _max_pool_2d(self, operator: Any) -> str:
        return self._pooled("MaxPool", operator)

    def _reshape(self, operator: Any) -> str:
        given, made = operator.inputs[0], operator.outputs[0]
        x = self._turned(self._value[given], len(self._shape(given)), into_onnx=False)
        shape = self._constant(np.array(self._shape(made), np.int64))
        return self._turned(
            self._node("Reshape", [x, shape]), len(self._shape(made)), into_onnx=True
        )

    def _softmax(self, operator: Any) -> str:
        x, beta = self._value[operator.inputs[0]], operator.builtinOptions.beta
        if beta != 1:
            x = self._node("Mul", [x, self._constant(np.float32(beta))])
        axis = 1 if len(self._shape(operator.inputs[0])) == 4 else -1
        return self._node("Softmax", [x], axis=axis)

    def _logistic(self, operator: Any) -> str:
        return self._node("Sigmoid", [self._value[operator.inputs[0]]])

    def _quantize(self, operator: Any) -> str:
        return self._value[operator.inputs[0]]

    _dequantize = _quantize

    # What the rules are made of.

    def _convolved(
        self, operator: Any, weight: str, kernel: Sequence[int], options: Any, groups: int
    ) -> str:
        height, width = self._shape(operator.inputs[0])[1:3]
        dilation = (options.dilationHFactor, options.dilationWFactor)
        strides = (options.strideH, options.strideW)
        pads = [(0, 0), (0, 0)]
        if options.padding == tflite.Padding.SAME:
            reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
            pads = [
                _same(size, k, stride)
                for size, k, stride in zip((height, width), reach, strides, strict=True)
            ]
        made = self._node(
            "Conv",
            [self._value[operator.inputs[0]], weight, *self._bias(operator)],
            kernel_shape=list(kernel),
            strides=list(strides),
            dilations=list(dilation),
            group=groups,
            pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
        )
        return self._activated(made, options, operator.outputs[0])

    def _both(self, kind: str, operator: Any) -> str:
        made = self._node(kind, [self._given(index) for index in operator.inputs])
        return self._activated(made, operator.builtinOptions, operator.outputs[0])

    def _pooled(self, kind: str, operator: Any) -> str:
        options = operator.builtinOptions
        kernel = (options.filterHeight, options.filterWidth)
        strides = (options.strideH, options.strideW)
        pads = [(0, 0), (0, 0)]
        if options.padding == tflite.Padding.SAME:
            sizes = self._shape(operator.inputs[0])[1:3]
            pads = [_same(*each) for each in zip(sizes, kernel, strides, strict=True)]
        made = self._node(
            kind,
            [self._value[operator.inputs[0]]],
            kernel_shape=list(kernel),
            strides=list(strides),
            pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
        )
        return self._activated(made, options, operator.outputs[0])

    def _activated(self, name: str, options: Any, output: int) -> str:
        kind = options.fusedActivationFunction
        if kind == NONE:
            return name
        found = self._quantisation(output)
        # Where the zero point is the least step, quantising cuts off what is under zero anyway.
        if kind == RELU:
            cut = found is not None and found[1] == np.iinfo(found[2]).min
            return name if cut else self._node("Relu", [name])
        if kind == RELU6:
            limits = [self._constant(np.float32(0)), self._constant(np.float32(6))]
            return self._node("Clip", [name, *limits])
        raise ConversionError(f"fused activation {kind} has no rule here")

    def _given(self, index: int) -> str:
        """An operator's input, which may be a constant."""
        if index in self._value:
            return self._value[index]
        rank = len(self._shape(index))
        return self._weight(index, (0, 3, 1, 2) if rank == 4 else tuple(range(rank)), 0)

    def _stepped(self, name: str, index: int) -> str:
        """The real numbers `name` as the steps of tensor `index`, and real again."""
        found = self._quantisation(index)
        if found is None:
            return name
        moved = found[1] + (SIGNED if found[2] is np.int8 else 0)
        scale, zero = self._constant(np.float32(found[0])), self._constant(np.uint8(moved))
        steps = self._node("QuantizeLinear", [name, scale, zero])
        return self._node("DequantizeLinear", [steps, scale, zero])

    def _weight(self, index: int, order: tuple[int, ...], axis: int) -> str:
        """A constant with its axes in `order`, its integers kept where it has some."""
        data, told = self._data(index).transpose(order), self._graph.tensors[index].quantization
        if told is None or told.scale is None or data.dtype == np.float32:
            return self._constant(np.ascontiguousarray(data, np.float32))
        return self._integers(data, np.asarray(told.scale), np.asarray(told.zeroPoint), axis)

    def _bias(self, operator: Any) -> list[str]:
        index = operator.inputs[2] if len(operator.inputs) > 2 else -1
        if index < 0:
            return []
        return [self._weight(index, (0,), 0)]

    def _integers(self, data: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int) -> str:
        """Integers that are real numbers in the graph, one scale for each of an axis or for all."""
        if data.dtype == np.int8:
            data = (data.astype(np.int16) + SIGNED).astype(np.uint8)
            zero = zero + SIGNED
        several = len(scale) > 1
        scales = np.asarray(scale if several else scale[0], np.float32)
        zeros = np.asarray(zero if several else zero[0], data.dtype)
        given = [self._constant(data), self._constant(scales), self._constant(zeros)]
        return self._node("DequantizeLinear", given, **({"axis": axis} if several else {}))

    def _quantisation(self, index: int) -> tuple[float, int, Any] | None:
        tensor = self._graph.tensors[index]
        told = tensor.quantization
        if told is None or told.scale is None or len(told.scale) == 0:
            return None
        dtype = DTYPES[tensor.type]
        if dtype not in (np.int8, np.uint8) or len(told.scale) > 1:
            raise ConversionError(f"'{_name(tensor)}' is {dtype.__name__}: no rule for it here")
        return float(told.scale[0]), int(told.zeroPoint[0]), dtype

    def _data(self, index: int) -> np.ndarray:
        tensor = self._graph.tensors[index]
        held = self._model.buffers[tensor.buffer].data
        if held is None:
            raise ConversionError(f"'{_name(tensor)}' is no constant")
        return np.frombuffer(bytes(held), DTYPES[tensor.type]).reshape(tensor.shape)

    def _shape(self, index: int) -> list[int]:
        return [int(size) for size in self._graph.tensors[index].shape]

    def _turned(self, name: str, rank: int, *, into_onnx: bool) -> str:
        if rank != 4:
            return name
        return self._node("Transpose", [name], perm=[0, 3, 1, 2] if into_onnx else [0, 2, 3, 1])

    def _node(self, kind: str, given: list[str], **attributes: Any) -> str:
        self._fresh += 1
        name = f"v{self._fresh}"
        self._nodes.append(helper.make_node(kind, given, [name], **attributes))
        return name

    def _constant(self, value: Any) -> str:
        self._fresh += 1
        name = f"c{self._fresh}"
        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        )
        return name


def converted(model: bytes) -> bytes:
    """The ONNX file of a TFLite file.  Raises `ConversionError`."""
    return Converter(model).onnx()


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def _name(tensor: Any) -> str:
    return tensor.name.decode() if isinstance(tensor.name, bytes) else str(tensor.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("tflite", type=Path)
    parser.add_argument("onnx", type=Path)
    options = parser.parse_args()
    options.onnx.write_bytes(converted(options.tflite.read_bytes()))


if __name__ == "__main__":
    main()
