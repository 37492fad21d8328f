"""The gate in front of a model: hash → static checks → engine from the hashed bytes → shapes.

Nothing native sees a file whose sha256 is not the manifest's.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference.audio_features import FrontEnd
from edge_runtime.inference.onnx_engine import OnnxEngine
from edge_runtime.inference.onnx_static import check_onnx
from edge_runtime.inference.runner import LoadedModel
from edge_runtime.inference.tflite_engine import TfliteEngine
from edge_runtime.manifest import load_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.tensors import Tensor
    from edge_runtime.manifest import Manifest

MAX_MODEL_BYTES = 1 << 30
_TFLITE_IDENTIFIER = b"TFL3"


def load(folder: Path, *, threads: int = 1) -> LoadedModel:
    """A bundle, ready to run.  Raises `ModelError`."""
    manifest = load_manifest(folder)
    files = {name: _hashed(folder / name, expected) for name, expected in manifest.sha256.items()}
    model = files[manifest.file]
    name = str(folder / manifest.file)
    engine: OnnxEngine | TfliteEngine
    if manifest.file.endswith(".onnx"):
        check_onnx(model, name)
        engine = OnnxEngine(model, name, threads=threads)
    else:
        if model[4:8] != _TFLITE_IDENTIFIER:
            raise ModelError(f"{name}: not a TFLite model (no TFL3 mark)")
        engine = TfliteEngine(model, name, threads=threads)
    _check_shapes(manifest, engine, name)
    return LoadedModel(manifest, manifest.sha256[manifest.file], engine)


def _hashed(path: Path, expected: str) -> bytes:
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(f"{path}: larger than {MAX_MODEL_BYTES} bytes")
        data = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"{path}: cannot be read: {exc.strerror}") from exc
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"{path}: sha256 is {found[:12]}…, the manifest says {expected[:12]}…: the file is not "
            "the one that was checked; install the bundle again"
        )
    return data


def input_shape(manifest: Manifest) -> tuple[int, ...]:
    """The shape of the tensor that the manifest's preprocessing makes."""
    if manifest.audio is not None:
        spec = manifest.audio
        inner = spec.coefficients if spec.front_end == "mfcc" else spec.mels
        return (inner, spec.frames) if spec.layout == "mels_first" else (spec.frames, inner)
    assert manifest.image is not None
    image = manifest.image
    batch = manifest.tiles.batch if manifest.tiles else 1
    channels = 1 if image.colour == "GRAY" else 3
    if image.layout == "NCHW":
        return (batch, channels, image.height, image.width)
    return (batch, image.height, image.width, channels)


def _check_shapes(manifest: Manifest, engine: OnnxEngine | TfliteEngine, name: str) -> None:
    if len(engine.inputs) != 1:
        raise ModelError(f"{name}: has {len(engine.inputs)} inputs; task {manifest.task} takes 1")
    given, made = engine.inputs[0], engine.outputs[0]
    wanted = input_shape(manifest)
    if not _fits(manifest, given, wanted):
        raise ModelError(
            f"{name}: the manifest makes {list(wanted)}, the model's input is {given}; "
            "correct [image], [tiles] or [audio] in model.toml"
        )
    batch = manifest.tiles.batch if manifest.tiles else 1
    sizes = [size for size in made.shape if size is not None]
    if len(sizes) == len(made.shape) and math.prod(sizes) != batch * len(manifest.labels):
        raise ModelError(
            f"{name}: the manifest has {len(manifest.labels)} labels, the model's output is {made}"
        )
    if manifest.audio is not None:
        FrontEnd(manifest.audio)


def _fits(manifest: Manifest, given: Tensor, wanted: tuple[int, ...]) -> bool:
    """Images: exactly.  Features: the same two axes in order, with axes of 1 anywhere."""
    if manifest.audio is None:
        return given.accepts(wanted)
    return [size for size in given.shape if size not in (1, None)] == [s for s in wanted if s != 1]
