"""Tiny models with the outputs of picture networks: constant heads, and maps of brightness.

Real exports need a trainer; what a decoder sees is only names, shapes and numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.tiny_onnx import field, onnx_model, onnx_node, onnx_tensor, onnx_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def detector_onnx(
    outputs: Mapping[str, NDArray[Any]],
    shape: Sequence[int | str],
    *,
    metadata: Mapping[str, str] | None = None,
    declared: Mapping[str, Sequence[int | str]] | None = None,
) -> bytes:
    """`constant_onnx` with metadata, and with other axes `declared` than its outputs have."""
    told = declared or {}
    return onnx_model(
        [onnx_node("Identity", [f"{name}_kept"], [name]) for name in outputs],
        inputs=[onnx_value("images", "float32", shape)],
        outputs=[
            onnx_value(name, values.dtype.name, told.get(name, values.shape))
            for name, values in outputs.items()
        ],
        tensors=[onnx_tensor(f"{name}_kept", values) for name, values in outputs.items()],
        metadata=metadata,
    )


def constant_onnx(outputs: Mapping[str, NDArray[Any]], shape: Sequence[int]) -> bytes:
    """Gives the same `outputs` for every picture of `shape`."""
    return onnx_model(
        [onnx_node("Identity", [f"{name}_kept"], [name]) for name in outputs],
        inputs=[onnx_value("images", "float32", shape)],
        outputs=[
            onnx_value(name, values.dtype.name, values.shape) for name, values in outputs.items()
        ],
        tensors=[onnx_tensor(f"{name}_kept", values) for name, values in outputs.items()],
    )


def anomaly_onnx(side: int) -> bytes:
    """The four outputs of an Anomalib 2 export; the map is the brightness 0..1, cut at 1/2."""
    keep = [*_ints("axes", [1]), _int("keepdims", 1)]
    nodes = [
        onnx_node("ReduceMean", ["input"], ["anomaly_map"], attributes=keep),
        onnx_node("Greater", ["anomaly_map", "half"], ["pred_mask"]),
        onnx_node(
            "ReduceMax",
            ["anomaly_map"],
            ["pred_score"],
            attributes=[*_ints("axes", [1, 2, 3]), _int("keepdims", 0)],
        ),
        onnx_node("Greater", ["pred_score", "half"], ["pred_label"]),
    ]
    return onnx_model(
        nodes,
        inputs=[onnx_value("input", "float32", [1, 3, side, side])],
        outputs=[
            onnx_value("pred_score", "float32", [1]),
            onnx_value("pred_label", "bool", [1]),
            onnx_value("anomaly_map", "float32", [1, 1, side, side]),
            onnx_value("pred_mask", "bool", [1, 1, side, side]),
        ],
        tensors=[onnx_tensor("half", np.array(0.5, np.float32))],
    )


def flat_onnx(side: int, level: float) -> bytes:
    """An autoencoder that has learned one thing: pictures are of one level, if not darker."""
    return onnx_model(
        [onnx_node("Min", ["input", "level"], ["output"])],
        inputs=[onnx_value("input", "float32", [1, 3, side, side])],
        outputs=[onnx_value("output", "float32", [1, 3, side, side])],
        tensors=[onnx_tensor("level", np.array(level, np.float32))],
    )


def _int(name: str, value: int) -> bytes:
    return field(1, name) + field(3, value) + field(20, 2)


def _ints(name: str, values: Sequence[int]) -> list[bytes]:
    return [field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)]
