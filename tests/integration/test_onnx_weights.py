"""A quantised ONNX model answers what its integers say, whatever the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.files.onnx_weights import LARGEST_SAFE, can_saturate
from edge_runtime.manifest import list_bundles, load_manifest
from tests.support.tiny_onnx import onnx_model, onnx_node, onnx_tensor, onnx_value

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

INPUTS, LABELS = 64, 8
STEP, OUT_STEP = 0.02, 4.0


def quantised_dense(weights: NDArray[np.int8]) -> bytes:
    """y = x @ weights * STEP in quantise-dequantise form: uint8 activations, int8 weights."""
    constants: dict[str, Any] = {
        "xs": np.float32(STEP),
        "xz": np.uint8(0),
        "ws": np.float32(1.0),
        "wz": np.int8(0),
        "ys": np.float32(OUT_STEP),
        "yz": np.uint8(0),
        "w": weights,
    }
    nodes = [
        onnx_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        onnx_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        onnx_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        onnx_node("MatMul", ["xd", "wd"], ["product"]),
        onnx_node("QuantizeLinear", ["product", "ys", "yz"], ["yq"]),
        onnx_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
    ]
    return onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", [1, INPUTS])],
        outputs=[onnx_value("y", "float32", [1, LABELS])],
        tensors=[onnx_tensor(name, np.asarray(value)) for name, value in constants.items()],
    )


@pytest.mark.parametrize("largest", [LARGEST_SAFE, 127])
def test_large_activations_times_large_weights_are_added_up_without_saturation(
    largest: int,
) -> None:
    rng = np.random.default_rng(largest)
    weights = rng.integers(-largest, largest + 1, (INPUTS, LABELS)).astype(np.int8)
    weights[:4] = largest  # pairs that pass 16 bits at 127
    weights[4:] //= 4
    x = np.full((1, INPUTS), 255 * STEP, np.float32)
    [y] = open_engine(quantised_dense(weights), "m.onnx").infer([x])
    exact = np.clip(x @ weights.astype(np.float32), 0, 255 * OUT_STEP)
    assert np.abs(y.astype(np.float64) - exact).max() <= OUT_STEP


def test_weights_of_seven_bits_keep_the_fast_way_and_zero_points_do_not_count() -> None:
    weights = np.full((INPUTS, LABELS), LARGEST_SAFE, np.int8)
    assert not can_saturate(quantised_dense(weights))
    assert not can_saturate(quantised_dense(-weights))
    weights[3, 3] = LARGEST_SAFE + 1
    assert can_saturate(quantised_dense(weights))


@pytest.mark.parametrize("bundle", list_bundles(None), ids=lambda path: path.parent.name)
def test_no_shipped_onnx_model_needs_the_slow_way(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    for file in (manifest.file, *manifest.alternatives):
        if file.endswith(".onnx"):
            assert not can_saturate((bundle / file).read_bytes())
