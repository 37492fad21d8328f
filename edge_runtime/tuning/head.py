"""The last layer of a quantised net of cells: found, read, written back.

It is a 1x1 convolution on integers in ONNX's QDQ form; with x = step (q - zero) for activations,
its answer is z = W x + b, one row of W for each label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.tuning.fit import Line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.tuning.onnx_edit import Node, OnnxFile

WEIGHT_LEVELS = 63
"""7 bits: processors without VNNI add pairs of products up in 16 bits."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the last layer's parts are, and what they are as real numbers."""

    features: str
    """The quantised tensor in front of it, (1, channels, rows, columns)."""
    dtype: type[np.generic]
    step: float
    zero: int
    weight: NDArray[np.float32]
    """(labels, channels)."""
    bias: NDArray[np.float32]
    """(labels,)."""
    names: dict[str, str]
    """Stored tensors: weight, weight_step, bias, bias_step."""


def find_head(file: OnnxFile, name: str) -> Head:
    """The last convolution.  Raises `ModelError` when the net does not end in one on integers."""
    nodes = file.nodes()
    made_by = {output: node for node in nodes for output in node.outputs}
    convolutions = [node for node in nodes if node.kind == "Conv"]
    if not convolutions or len(convolutions[-1].inputs) != 3:
        raise _other(name)
    sources = [made_by.get(tensor) for tensor in convolutions[-1].inputs]
    x, weight, bias = (_dequantised(source, name) for source in sources)
    x_step, x_zero = file.constant(x.inputs[1]), file.constant(x.inputs[2])
    names = {
        "weight": weight.inputs[0],
        "weight_step": weight.inputs[1],
        "bias": bias.inputs[0],
        "bias_step": bias.inputs[1],
    }
    stored = {key: file.constant(value) for key, value in names.items()}
    weights = stored["weight"]
    if weights.ndim != 4 or weights.shape[2:] != (1, 1) or x_zero.dtype not in (np.uint8, np.int8):
        raise _other(name)
    steps = stored["weight_step"].astype(np.float32).reshape(-1, 1)
    return Head(
        features=x.inputs[0],
        dtype=np.uint8 if x_zero.dtype == np.uint8 else np.int8,
        step=float(x_step.ravel()[0]),
        zero=int(x_zero.ravel()[0]),
        weight=weights[:, :, 0, 0].astype(np.float32) * steps,
        bias=stored["bias"].astype(np.float32) * stored["bias_step"].astype(np.float32).ravel(),
        names=names,
    )


def line_of(head: Head, row: int) -> Line:
    """The label's answer as a function of the integers in front of it."""
    weight = head.weight[row] * np.float32(head.step)
    return Line(weight, float(head.bias[row] - head.zero * weight.sum()))


def write_line(file: OnnxFile, head: Head, row: int, line: Line) -> None:
    """`line` for one label and its opposite for the other, rounded as the net's others are."""
    sign = np.where(np.arange(2) == row, 1, -1).astype(np.float32)
    weight = sign[:, None] * (line.weight / np.float32(head.step))
    bias = sign * np.float32(line.bias + head.zero * line.weight.sum())
    steps = np.maximum(np.abs(weight).max(1), 1e-8).astype(np.float32) / np.float32(WEIGHT_LEVELS)
    bias_steps = (steps * np.float32(head.step)).astype(np.float32)
    whole = np.rint(weight / steps[:, None]).astype(np.int8)[:, :, None, None]
    file.replace(head.names["weight"], whole)
    file.replace(head.names["weight_step"], steps)
    file.replace(head.names["bias"], np.rint(bias / bias_steps).astype(np.int32))
    file.replace(head.names["bias_step"], bias_steps)


def _dequantised(node: Node | None, name: str) -> Node:
    if node is None or node.kind != "DequantizeLinear" or len(node.inputs) != 3:
        raise _other(name)
    return node


def _other(name: str) -> ModelError:
    return ModelError(
        f"{name}: cannot be taught: its last layer is not a 1x1 convolution on integers (QDQ)"
    )
