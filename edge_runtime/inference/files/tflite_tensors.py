"""Inputs and outputs of a TFLite file with their quantisation, for runtimes that do not tell it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime.inference.files.tflite import read_tflite

if TYPE_CHECKING:
    from edge_runtime.inference.engines.tensors import Tensor


def tensors_of(model: bytes, name: str) -> tuple[list[Tensor], list[Tensor]]:
    """(inputs, outputs) of the first subgraph, in order, open axes closed at 1.

    Raises `ModelError`; `name` is for messages.
    """
    file = read_tflite(model, name)
    return [_closed(tensor) for tensor in file.inputs], [_closed(tensor) for tensor in file.outputs]


def is_quantised(model: bytes, name: str) -> bool:
    """Whether any tensor of the first subgraph is an 8- or 16-bit integer.  Raises `ModelError`."""
    return read_tflite(model, name).is_quantised


def _closed(tensor: Tensor) -> Tensor:
    return replace(tensor, shape=tuple(size or 1 for size in tensor.shape))
