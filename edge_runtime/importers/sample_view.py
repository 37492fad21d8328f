"""A sample through a loaded model: what it answers, and a picture of what it was fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import UsageError
from edge_runtime.files import image as image_file
from edge_runtime.files import sound as sound_file
from edge_runtime.importers.openvino_ir import read_ir
from edge_runtime.inference.files.onnx import read_onnx
from edge_runtime.inference.files.tflite import read_tflite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import Inference

    _View = Callable[[Path], tuple[Inference, NDArray[np.uint8]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample and its view."""

    file: str
    view: str
    """The view's file name in the bundle's folder."""
    inference: Inference


def sample_views(model: LoadedModel, samples: Sequence[Path], folder: Path) -> list[Sample]:
    """Run each sample and write ``view.png``, ``view-2.png`` … into `folder`.

    Raises `ItemError`, `NoInput` for a sample that cannot be read, `UsageError` for one of the
    wrong kind.
    """
    if not samples:
        return []
    kind = model.manifest.input_kind
    if kind == "numbers":
        raise UsageError(f"models add: --sample {samples[0]}: the model takes numbers, not files")
    view_of = _pictures(model, folder) if kind == "image" else _sounds(model)
    seen = []
    for at, sample in enumerate(samples, 1):
        inference, view = view_of(sample)
        name = "view.png" if at == 1 else f"view-{at}.png"
        _write_png(folder / name, view)
        seen.append(Sample(str(sample), name, inference))
    return seen


def main_input(folder: Path, manifest: Manifest) -> Tensor:
    """The input tensor that pixels or features go into, as the model file describes it."""
    path = folder / manifest.file
    data, name = path.read_bytes(), manifest.file
    if path.suffix == ".onnx":
        inputs = read_onnx(data, name).inputs
    else:
        read = read_ir if path.suffix == ".xml" else read_tflite
        inputs = read(data, name).inputs
    fed = manifest.states.keys() | manifest.constants.keys()
    return next(tensor for tensor in inputs if tensor.name not in fed)


def _pictures(model: LoadedModel, folder: Path) -> _View:
    from edge_runtime.importers.picture_view import picture_view

    runner, given = model.picture_runner(), main_input(folder, model.manifest)

    def view(sample: Path) -> tuple[Inference, NDArray[np.uint8]]:
        pixels = image_file.read_image(sample)
        inference = runner.frame(pixels)
        return inference, picture_view(pixels, inference, model.manifest, given)

    return view


def _sounds(model: LoadedModel) -> _View:
    from edge_runtime.importers.sound_view import sound_view

    runner = model.sound_runner()

    def view(sample: Path) -> tuple[Inference, NDArray[np.uint8]]:
        samples, rate_hz = sound_file.read_sound(sample)
        inference = runner.segment(samples, rate_hz)
        return inference, sound_view(samples, rate_hz, inference, model.manifest, runner)

    return view


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    import cv2

    _, packed = cv2.imencode(".png", pixels)
    path.write_bytes(packed.tobytes())
