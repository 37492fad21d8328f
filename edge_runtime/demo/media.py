"""The demo's media, made on the spot from a seed: a belt of parts, some scratched, and a voice.

Nothing here was used to train the shipped models: they have seen other made surfaces and other voices.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

SIZE = (960, 540)
"""Width and height of the belt's pictures, in pixels."""
_PART = (600, 330)
RATE_HZ = 16_000
WORDS = ("stop", "go", "left", "right", "yes", "no", "up", "down", "stop", "on", "off", "go")
"""What the voice says, in order."""


@dataclass(frozen=True, slots=True)
class Belt:
    """What was filmed."""

    parts: int
    scratched: frozenset[int]
    """Numbers of the frames that show a scratched part."""


def make_belt_video(path: Path, *, parts: int, fps: float, seed: int = 7) -> Belt:
    """A video (MJPEG) with one frame for each part that stops under the camera; about a quarter scratched.

    Raises `ItemError` when it cannot be written.
    """
    rng = np.random.default_rng(seed)
    scratched = frozenset(
        int(i) for i in rng.choice(np.arange(1, parts), max(1, parts // 4), replace=False)
    )
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, fps, SIZE)
    if not writer.isOpened():
        raise ItemError(f"{path}: this OpenCV cannot write a video there")
    for part in range(parts):
        writer.write(draw_part(rng, part, scratched=part in scratched))
    writer.release()
    return Belt(parts, scratched)


def draw_part(rng: Generator, number: int, *, scratched: bool) -> NDArray[np.uint8]:
    """(540, 960, 3) BGR: a metal cover on a belt, a little shifted and lit each time differently."""
    width, height = SIZE
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    belt = 52 + 6 * np.sin(x / 47 + number) + 10 * (y / height)
    part_w, part_h = _PART
    left = (width - part_w) / 2 + rng.uniform(-14, 14)
    top = (height - part_h) / 2 + rng.uniform(-10, 10)
    inside = _rounded((left, top, left + part_w, top + part_h), 46, x, y)
    light = rng.uniform(0.9, 1.08)
    cover = 138 + 22 * np.cos((x - left) / part_w * 2.2 + rng.uniform(-0.4, 0.4)) - 14 * y / height
    cover += cv2.GaussianBlur(_noise(rng, (height, width)), (0, 0), sigmaX=30, sigmaY=0.8) * 18
    cover = _lens(cover, (left + part_w - 92, top + 92), x, y)
    if scratched:
        for _ in range(int(rng.integers(1, 3))):
            cover += _scratch(rng, (left, top)) * rng.uniform(55, 85)
    grey = (belt * (1 - inside) + cover * inside) * light
    grey += _noise(rng, grey.shape) * 1.6
    tint = np.array([1.03, 1.0, 0.96], np.float32)  # a cool lamp
    return np.clip(grey[:, :, None] * tint, 0, 255).astype(np.uint8)


def make_voice(path: Path, *, seed: int = 7, snr_db: float = 22.0) -> tuple[str, ...]:
    """A WAV (16 kHz, mono) of a voice saying `WORDS` over the hum of a hall; the words."""
    import soundfile

    shipped = resources.files("edge_runtime.demo").joinpath("voice.flac")
    with resources.as_file(shipped) as voice:
        speech, rate_hz = soundfile.read(voice, dtype="float32")
    if rate_hz != RATE_HZ:
        raise ItemError(f"the demo's voice is {rate_hz} Hz, not {RATE_HZ}")
    rng = np.random.default_rng(seed)
    t = np.arange(len(speech)) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3, 5))
    hiss = np.convolve(rng.normal(0, 1, len(speech)), np.ones(6) / 6, "same")
    noise = hiss / hiss.std() + 0.7 * hum
    loud = np.sqrt(np.mean(speech[np.abs(speech) > 0.02] ** 2))
    mixed = speech + noise / noise.std() * loud * 10 ** (-snr_db / 20)
    soundfile.write(path, np.clip(mixed * 0.8, -1, 1), RATE_HZ, subtype="PCM_16")
    return WORDS


def belt_picture(path: Path, *, numbers: Sequence[int] = (0, 1, 2), seed: int = 7) -> None:
    """Some parts beside each other, as a JPEG for documents."""
    rng = np.random.default_rng(seed)
    parts = [draw_part(rng, n, scratched=n % 2 == 1) for n in numbers]
    small = [cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for part in parts]
    cv2.imwrite(str(path), np.hstack(small))


def _noise(rng: Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return rng.standard_normal(shape, dtype=np.float32)


def _rounded(
    box: tuple[float, float, float, float],
    radius: float,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Coverage 0..1 of a rectangle with round corners, its edge two pixels soft."""
    x0, y0, x1, y1 = box
    dx = np.maximum(np.maximum(x0 + radius - x, x - (x1 - radius)), 0)
    dy = np.maximum(np.maximum(y0 + radius - y, y - (y1 - radius)), 0)
    return np.clip((radius - np.hypot(dx, dy)) / 2 + 0.5, 0, 1).astype(np.float32)


def _lens(
    cover: NDArray[np.float32],
    centre: tuple[float, float],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The hole for a camera, which is no defect."""
    away = np.hypot(x - centre[0], y - centre[1])
    hole = np.clip((34 - away) / 3 + 0.5, 0, 1)
    return (cover * (1 - hole) + 34 * hole).astype(np.float32)


def _scratch(rng: Generator, corner: tuple[float, float]) -> NDArray[np.float32]:
    """Coverage 0..1 of a thin, slightly bent line on the cover."""
    start = np.array(corner) + rng.uniform((70, 60), (_PART[0] - 300, _PART[1] - 90))
    angle, bend = rng.uniform(-0.5, 0.7), rng.normal(0, 0.02)
    steps = np.arange(0, rng.uniform(110, 230), 4)
    angles = angle + bend * np.arange(len(steps))
    points = start + np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1) * 4, axis=0)
    scale = 4
    large = np.zeros((SIZE[1] * scale, SIZE[0] * scale), np.uint8)
    track = np.round(points * scale).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(large, [track], isClosed=False, color=255, thickness=int(rng.integers(5, 9)))
    small = cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255
