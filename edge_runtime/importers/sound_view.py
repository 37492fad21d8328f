"""What a model sees of a sound: its features over time, and what it answered when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edge_runtime.inference.sounds.audio_features import FrontEnd
from edge_runtime.inference.sounds.feature_stream import open_feature_stream
from edge_runtime.inference.sounds.windows import resampled
from edge_runtime.manifest import STREAMING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.manifest import AudioInput, Manifest
    from edge_runtime.protocols import SoundRunner
    from edge_runtime.types import Inference

    Pixels = NDArray[np.uint8]

_WIDTH_PX, _FEATURES_PX, _SCORES_PX, _LINE_PX = 960, 240, 160, 22
_LONGEST_S = 30.0
_CURVES = 3
_GROUND, _INK = 32, (235, 235, 235)
_COLOURS = ((80, 200, 255), (120, 230, 120), (255, 160, 120))


def sound_view(
    samples: NDArray[np.int16],
    rate_hz: int,
    found: Inference,
    manifest: Manifest,
    runner: SoundRunner,
) -> Pixels:
    """(h, w, 3) BGR: features, window after window; below, scores over time and the answer.

    At most the first half minute.
    """
    assert manifest.audio is not None
    audio = manifest.audio
    x = resampled(samples, rate_hz, audio.rate_hz)[: int(_LONGEST_S * audio.rate_hz)]
    if manifest.task in STREAMING:
        features, used = _streamed(x, manifest)
        curves = []
    else:
        count = max(1, len(x) // audio.window)
        features, used = list(FrontEnd(audio).sliding(x, hop=audio.window, count=count)), count
        used *= audio.window
        curves = _curves(x, [s.label for s in found.scores[:_CURVES]], manifest, runner)
    seconds = used / audio.rate_hz
    panels = [_features(features, audio), _scores(seconds, found, curves)]
    return np.vstack([*panels, _text(found, seconds)])


def _streamed(x: NDArray[np.int16], manifest: Manifest) -> tuple[list[NDArray[np.float32]], int]:
    """(what is new at every step, as one map; samples that were used)."""
    assert manifest.audio is not None
    audio, stream = manifest.audio, manifest.steps
    features = open_feature_stream(audio, stream)
    step, axis = features.step_samples, 1 if audio.layout == "mels_first" else 0
    whole = np.concatenate([x, np.zeros(-len(x) % step, np.int16)])
    new = []
    for at in range(0, len(whole), step):
        made = features.push(whole[at : at + step])
        first = max(0, made.shape[0 if made.ndim == 1 else axis] - stream.step)
        new.append((made[:, first:] if made.ndim == 2 and axis else made[first:]).copy())
    return [np.concatenate(new, axis=0 if new[0].ndim == 1 else axis)], len(whole)


def _features(features: list[NDArray[np.float32]], audio: AudioInput) -> Pixels:
    """Windows side by side, low bands below; samples as a curve."""
    cv2 = _cv2()
    if features[0].ndim == 1:
        return _curve(np.concatenate(features))
    maps = [f.T if audio.layout == "frames_first" else f for f in features]
    whole = np.hstack([single[::-1] for single in maps])
    low, high = np.percentile(whole, [1, 99])
    levels = np.clip((whole - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    size = (_WIDTH_PX, _FEATURES_PX)
    levels = cv2.resize(levels, size, interpolation=cv2.INTER_NEAREST)
    shown = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)
    for at in range(1, len(features)):
        x = round(at * _WIDTH_PX / len(features))
        cv2.line(shown, (x, 0), (x, _FEATURES_PX), (255, 255, 255), 1)
    return cast("Pixels", shown)


def _curve(values: NDArray[np.float32]) -> Pixels:
    ground = np.full((_FEATURES_PX, _WIDTH_PX, 3), _GROUND, np.uint8)
    peak = max(float(np.abs(values).max()), 1e-9)
    for x, part in enumerate(np.array_split(values, _WIDTH_PX)):
        if len(part):
            middle, half = _FEATURES_PX // 2, _FEATURES_PX / 2 / peak
            top, bottom = middle - part.max() * half, middle - part.min() * half
            ground[int(top) : int(bottom) + 1, x] = _COLOURS[0]
    return ground


def _scores(seconds: float, found: Inference, curves: list[list[tuple[float, float]]]) -> Pixels:
    """The best labels' scores of every window; spans as bars."""
    cv2 = _cv2()
    ground = np.full((_SCORES_PX, _WIDTH_PX, 3), _GROUND, np.uint8)
    per_second = _WIDTH_PX / seconds

    def point(at_s: float, score: float) -> tuple[int, int]:
        return round(at_s * per_second), round((1 - min(max(score, 0.0), 1.0)) * (_SCORES_PX - 1))

    for span in found.spans:
        a, b = point(span.start_s, span.score), point(span.end_s, 0.0)
        cv2.rectangle(ground, a, b, (90, 90, 160), -1)
        _write(ground, f"{span.label} {span.score:.2f}", (a[0] + 3, a[1] + 14), _INK)
    for colour, curve in zip(_COLOURS, curves, strict=False):
        points = np.array([point(at_s, score) for at_s, score in curve], np.int32)
        cv2.polylines(ground, [points], isClosed=False, color=colour, thickness=2)
    return ground


def _curves(
    x: NDArray[np.int16], labels: list[str], manifest: Manifest, runner: SoundRunner
) -> list[list[tuple[float, float]]]:
    """For each label (time of a window's middle in seconds, score) of windows one by one."""
    assert manifest.audio is not None
    audio = manifest.audio
    window = audio.window
    hop = max(1, audio.rate_hz * audio.hop_ms // 1000)
    curves: list[list[tuple[float, float]]] = [[] for _ in labels]
    for at in range(0, max(len(x) - window, 0) + 1, hop):
        scores = {
            score.label: score.score
            for score in runner.segment(x[at : at + window], audio.rate_hz).scores
        }
        for curve, label in zip(curves, labels, strict=True):
            curve.append(((at + window / 2) / audio.rate_hz, scores.get(label, 0.0)))
    return curves


def _text(found: Inference, seconds: float) -> Pixels:
    cv2 = _cv2()
    rows = [f"{score.score:6.3f}  {score.label}" for score in found.scores[:_CURVES]]
    ground = np.full((_LINE_PX * (len(rows) + 1) + 8, _WIDTH_PX, 3), _GROUND, np.uint8)
    for at, (row, colour) in enumerate(zip(rows, _COLOURS, strict=False)):
        cv2.rectangle(ground, (8, _LINE_PX * at + 6), (20, _LINE_PX * at + 18), colour, -1)
        _write(ground, row, (28, _LINE_PX * (at + 1) - 4), _INK)
    told = (
        f"{seconds:.2f} s; above: what the model is fed with; curves: single windows; bars: found"
    )
    _write(ground, told, (8, _LINE_PX * (len(rows) + 1) - 4), _INK)
    return ground


def _write(ground: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2 = _cv2()
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(ground, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


def _cv2() -> Any:  # noqa: ANN401 - a library without types
    import cv2

    return cv2
