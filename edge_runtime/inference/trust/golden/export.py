"""Records golden samples into a bundle: what the model answers here, now.

For importers, trainers and ``edge-runtime models export-golden``.  One thread.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_runtime.errors import ItemError, ModelError, UsageError
from edge_runtime.files import image as image_file
from edge_runtime.files import sound as sound_file
from edge_runtime.inference.network import Network
from edge_runtime.inference.trust.bundle import read_bundle
from edge_runtime.inference.trust.golden.hashes import with_golden_hashes
from edge_runtime.inference.trust.golden.index import (
    FORMAT,
    MAX_SAMPLES,
    Index,
    Limit,
    Sample,
    encode,
)
from edge_runtime.inference.trust.golden.noise import range_of
from edge_runtime.inference.trust.golden.playing import Player
from edge_runtime.manifest import MANIFEST
from edge_runtime.manifest.checks import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.trust.bundle import Bundle
    from edge_runtime.inference.trust.golden.playing import Played
    from edge_runtime.types import RuntimeChoice

MIN_NOISE, MAX_NOISE = 8, 60
NOISE_MS = 80.0
"""What all noise may take, here, at every start of a lane: small models get more of it."""
STEPS = 2.0
"""Of a quantised output: rounding may differ by one, and once more in the layer before."""
_SHARE, _SHARE_QUANTISED = 1e-4, 5e-2
"""Of a float output's span: what float32 loses on another processor; what one step inside a
quantised network does to what it ends with."""
_QUANTISED_OPERATORS = re.compile("Quant|Integer|QLinear")


def export_golden(
    folder: Path,
    samples: Sequence[Path] = (),
    *,
    noise: int | None = None,
    runtime: RuntimeChoice = "auto",
) -> Index:
    """Record what the model answers to `samples` (pictures, sounds, ``.npy`` rows) and to noise.

    `noise`: so many random tensors; None: as many as cost little.  What was recorded before is
    replaced, and the hashes in ``model.toml`` are corrected.  Pictures are kept as PNG, sounds as
    one channel of FLAC, so that no lossy decoder stands between.  Raises `ModelError` for the
    bundle, `ItemError` and `NoInput` for a sample.
    """
    from edge_runtime.inference.trust.loading import open_checked

    if not 0 <= len(samples) + (noise or 0) <= MAX_SAMPLES:
        raise UsageError(f"golden samples: at most {MAX_SAMPLES} are recorded")
    bundle = read_bundle(folder, runtime, golden=False)
    media = {f"{at:02}{ending}": data for at, (ending, data) in enumerate(map(_media, samples), 1)}
    engine = _Watching(open_checked(bundle))
    player = Player(bundle.manifest, bundle.sha256, engine)
    listed = [Sample(name=Path(f).stem, kind="media", file=f) for f in media]
    played = [player.play(sample, media) for sample in listed]
    span = _span(bundle, engine)
    count = _count(player, span) if noise is None else noise
    extra = player.noise(range(1, count + 1), span)
    played += [player.play(sample, {}) for sample in extra]
    index = _index(bundle, [*listed, *extra], played, player.outputs)
    _write(folder, {**media, **encode(index, {each.name: each.kept for each in played})})
    return index


def _count(player: Player, span: tuple[float, float]) -> int:
    """How many noise samples fit into `NOISE_MS`."""
    [sample] = player.noise([1], span)
    played = [player.play(sample, {}) for _ in range(5)]
    one_ms = min(min(each.latency_ms, each.cpu_ms) for each in played) * sample.runs
    return min(max(int(NOISE_MS / max(one_ms, 1e-3)), MIN_NOISE), MAX_NOISE)


def _index(
    bundle: Bundle, samples: Sequence[Sample], played: Sequence[Played], outputs: Sequence[Tensor]
) -> Index:
    from edge_runtime.inference.trust.environment import recorded_here

    known = [
        msgspec.structs.replace(sample, sizes=each.sizes, best=_rounded(each))
        for sample, each in zip(samples, played, strict=True)
    ]
    share = _SHARE_QUANTISED if _is_quantised(bundle) else _SHARE
    limits = [
        _limit(spec, share, [each.kept[at] for each in played]) for at, spec in enumerate(outputs)
    ]
    here = recorded_here(bundle.runtime, bundle.file)
    return Index(format=FORMAT, recorded=here, outputs=limits, samples=known)


def _rounded(played: Played) -> list[tuple[str, float]]:
    return [(label, round(score, 6)) for label, score in played.best]


def _limit(spec: Tensor, share: float, kept: Sequence[NDArray[np.float32]]) -> Limit:
    if spec.quantisation is not None:
        return Limit(name=spec.name, step=spec.quantisation[0], steps=STEPS)
    values = np.concatenate(kept) if kept else np.zeros(1, np.float32)
    span = float(values.max() - values.min()) if len(values) else 0.0
    absolute = max(span * share, 1e-6)
    relative = _SHARE if share == _SHARE else 0.0
    return Limit(name=spec.name, absolute=float(f"{absolute:.3g}"), relative=relative)


def _is_quantised(bundle: Bundle) -> bool:
    """Whether integers are computed with inside, although the output may be float."""
    if bundle.file.endswith(".onnx"):
        from edge_runtime.inference.files.onnx_static import operators_of

        return any(_QUANTISED_OPERATORS.search(name) for name in operators_of(bundle.model))
    if bundle.file.endswith(".tflite"):
        from edge_runtime.inference.files.tflite_tensors import is_quantised

        return is_quantised(bundle.model, bundle.name)
    return b"FakeQuantize" in bundle.model


def _span(bundle: Bundle, engine: _Watching) -> tuple[float, float]:
    """What noise is to be between: what the media put into a float input, where there were any."""
    given = Network(bundle.manifest, engine).input
    if given.is_float and engine.high > engine.low:
        return float(f"{engine.low:.6g}"), float(f"{engine.high:.6g}")
    return range_of(bundle.manifest, given)


@dataclass(slots=True)
class _Watching:
    """An engine that remembers the span of what went into its largest input."""

    engine: ThreadEngine
    low: float = 0.0
    high: float = 0.0

    @property
    def inputs(self) -> Sequence[Tensor]:
        return self.engine.inputs

    @property
    def outputs(self) -> Sequence[Tensor]:
        return self.engine.outputs

    def infer(self, tensors: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        largest = max(tensors, key=lambda tensor: tensor.size)
        if np.issubdtype(largest.dtype, np.floating) and largest.size:
            self.low = min(self.low, float(largest.min()))
            self.high = max(self.high, float(largest.max()))
        return self.engine.infer(tensors)

    def for_thread(self) -> ThreadEngine:
        return self.engine.for_thread()

    def reset(self) -> None:
        self.engine.reset()

    def close(self) -> None:
        self.engine.close()


def _media(path: Path) -> tuple[str, bytes]:
    """(ending, bytes) as they are kept."""
    ending = path.suffix.lower()
    if ending in image_file.SUFFIXES:
        import cv2

        is_done, data = cv2.imencode(".png", image_file.read_image(path))
        if not is_done:
            raise ItemError(f"{path}: cannot be kept as PNG")
        return ".png", data.tobytes()
    if ending in sound_file.SUFFIXES:
        import soundfile

        samples, rate_hz = sound_file.read_sound(path)
        packed = io.BytesIO()
        soundfile.write(packed, samples, rate_hz, format="FLAC", subtype="PCM_16")
        return ".flac", packed.getvalue()
    if ending == ".npy":
        return ".npy", path.read_bytes()
    raise ItemError(f"{path}: golden samples are pictures, WAV or FLAC files, or rows in .npy")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """The folder first, then the hashes; cut off in between, the bundle is refused, not wrong."""
    golden, made, old = (
        folder / name for name in (GOLDEN, f".{GOLDEN}.new-{os.getpid()}", f".{GOLDEN}.old")
    )
    try:
        text = (folder / MANIFEST).read_text("utf-8")
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        text = with_golden_hashes(text, hashes)
        made.mkdir()
        for name, data in files.items():
            _put(made / name, data)
        shutil.rmtree(old, ignore_errors=True)
        if golden.exists():
            golden.rename(old)
        made.rename(golden)
        part = folder / f".{MANIFEST}.{os.getpid()}"
        _put(part, text.encode())
        part.replace(folder / MANIFEST)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as exc:
        raise ModelError(f"{folder}: cannot be written: {exc.strerror}") from exc
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
