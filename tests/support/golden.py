"""A small bundle with golden samples, and what may go wrong with it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge_runtime.inference.trust.golden.export import export_golden
from edge_runtime.inference.trust.golden.hashes import with_golden_hashes
from edge_runtime.manifest import MANIFEST
from tests.support.models import write_bundle
from tests.support.tiny_onnx import (
    dense_onnx,
    field,
    onnx_model,
    onnx_node,
    onnx_tensor,
    onnx_value,
)

if TYPE_CHECKING:
    from pathlib import Path

CLASSIFIER: dict[str, Any] = {
    "task": "image-classification",
    "labels": ["ok", "bad"],
    "image": {"width": 4, "height": 4, "layout": "NCHW"},
    "output": {"activation": "softmax"},
}
WEIGHTS = np.random.default_rng(5).normal(0, 1, (4 * 4 * 3, 2)).astype(np.float32)
NOISE = 3


def picture(path: Path, seed: int = 1) -> Path:
    """A small picture of random blocks."""
    blocks = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    cv2.imwrite(str(path), blocks.repeat(5, axis=0).repeat(5, axis=1))
    return path


def plain_bundle(folder: Path, weights: np.ndarray = WEIGHTS, **changes: Any) -> Path:
    """A dense layer on pictures, without golden samples."""
    model = dense_onnx(weights, [1, 3, 4, 4])
    return write_bundle(folder, model, {**CLASSIFIER, **changes}, file="model.onnx")


def golden_bundle(folder: Path, **changes: Any) -> Path:
    """The same with a picture and some noise recorded."""
    plain_bundle(folder, **changes)
    export_golden(folder, [picture(folder.parent / "sample.png")], noise=NOISE)
    return folder


def put_model(folder: Path, model: bytes) -> None:
    """Another model file with the right hash: what no hash can see."""
    before = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "model.onnx").write_bytes(model)
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace(before, hashlib.sha256(model).hexdigest()))


def put_golden(folder: Path, name: str, data: bytes) -> None:
    """Another golden file with the right hash."""
    (folder / "golden" / name).write_bytes(data)
    files = {file.name: file.read_bytes() for file in (folder / "golden").iterdir()}
    hashes = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(with_golden_hashes(text, hashes))


def huge_onnx(numbers: int) -> bytes:
    """The dense layer, and on the way the sum of so many float32 zeros."""
    shape = np.array([numbers], np.int64).tobytes()
    return onnx_model(
        [
            onnx_node("Flatten", ["x"], ["flat"]),
            onnx_node("MatMul", ["flat", "w"], ["scores"]),
            onnx_node("ConstantOfShape", ["shape"], ["zeros"]),
            onnx_node("ReduceSum", ["zeros"], ["sum"]),
            onnx_node("Add", ["scores", "sum"], ["y"]),
        ],
        inputs=[onnx_value("x", "float32", [1, 3, 4, 4])],
        outputs=[onnx_value("y", "float32", [1, 2])],
        tensors=[
            onnx_tensor("w", WEIGHTS),
            field(1, 1) + field(2, 7) + field(8, "shape") + field(9, shape),
        ],
    )
