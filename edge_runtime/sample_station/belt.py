"""Pictures of parts on a belt, drawn from a seed: what the demo's camera sees.

Pure numpy and OpenCV, one thread.  A part is a brushed metal cover or a dark glass panel; both have
what is no defect (a lens, screws, print, a bevel, reflections) and some have scratches.  This way
of drawing is not the one that the shipped models were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.random import Generator

SIZE = (960, 540)
"""Width and height of a picture, in pixels."""
PART = (600, 330)
"""Width and height of a part, in pixels."""

Plane: TypeAlias = NDArray[np.float32]
Box: TypeAlias = tuple[int, int, int, int]

_RADIUS_PX = 44
_RAIL_PX = 44
_SHIFT_BITS = 4
_COOL_LAMP = (1.04, 1.0, 0.95)
"""Blue, green, red."""
_GLASS_EVERY = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One part under the camera."""

    pixels: NDArray[np.uint8]
    """(540, 960, 3) BGR."""
    scratches: tuple[Box, ...]
    """(x0, y0, x1, y1) in pixels, x1 and y1 exclusive."""


def draw_part(rng: Generator, number: int, *, scratched: bool) -> Picture:
    """Part `number` at the station: a little shifted and lit differently each time."""
    corner = _corner(rng)
    glass = number % _GLASS_EVERY == _GLASS_EVERY - 1
    cover = _glass(rng) if glass else _metal(rng)
    cover = _bevelled(_furnished(cover, number, glass=glass))
    lines: list[NDArray[np.float32]] = []
    if scratched:
        lines = [_line(rng) for _ in range(int(rng.integers(1, 4)))]
        for line in lines:
            cover += _stroke(rng, line) * (rng.uniform(75, 120) if glass else rng.uniform(70, 95))
    scene = _belt(rng, number)
    _lay(scene, cover, corner)
    pixels = _photographed(rng, scene)
    return Picture(pixels, tuple(_box(line, corner) for line in lines))


def draw_empty(rng: Generator, number: int) -> NDArray[np.uint8]:
    """(540, 960, 3) BGR: the belt between two parts; `number` tells how far it has run."""
    return _photographed(rng, _belt(rng, number))


def _corner(rng: Generator) -> tuple[int, int]:
    """Where the part stopped."""
    x = (SIZE[0] - PART[0]) / 2 + rng.uniform(-16, 16)
    y = (SIZE[1] - PART[1]) / 2 + rng.uniform(-12, 12)
    return round(x), round(y)


def _belt(rng: Generator, number: int) -> Plane:
    """Dark ribbed rubber between two rails."""
    width, height = SIZE
    x = np.arange(width, dtype=np.float32) + 37 * number
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    scene: Plane = 46 + 9 * y + 4 * np.sin(x * 2 * np.pi / 60)[None, :]
    scene = scene + cv2.GaussianBlur(_noise(rng), (0, 0), 1.2) * 5
    for rail in (slice(0, _RAIL_PX), slice(height - _RAIL_PX, height)):
        across = np.linspace(-1, 1, _RAIL_PX, dtype=np.float32)[:, None]
        scene[rail] = 96 + 46 * np.exp(-(across**2) * 3)
    cv2.GaussianBlur(scene, (0, 0), 1.6, dst=scene)
    return scene


def _metal(rng: Generator) -> Plane:
    """Brushed along its length, with a wide soft highlight."""
    width, height = PART
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    cover: Plane = 132 + 24 * np.cos((x - rng.uniform(0.2, 0.5)) * 2.4) - 14 * y
    brushed = cv2.GaussianBlur(_noise(rng), (0, 0), sigmaX=34, sigmaY=0.8)[:height, :width]
    return np.asarray(cover + brushed * 18, np.float32)


def _glass(rng: Generator) -> Plane:
    """Nearly black, with the reflection of a lamp that is far away."""
    width, height = PART
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    across = x * 1.4 + y * 0.8 - rng.uniform(0.5, 1.5)
    return np.asarray(24 + 34 * np.exp(-((across / 0.28) ** 2)) + 6 * (1 - y), np.float32)


def _furnished(cover: Plane, number: int, *, glass: bool) -> Plane:
    """What belongs to the part: a lens, screws, a print."""
    mask = np.zeros(cover.shape, np.uint8)
    cv2.circle(mask, (PART[0] - 86, 84), 32, 255, -1, cv2.LINE_AA)
    _paint(cover, mask, 18 if glass else 36)
    if glass:
        cv2.rectangle(mask, (66, 140), (76, 200), 255, -1, cv2.LINE_AA)
        _paint(cover, mask, 12)
        return cover
    for at in ((38, 38), (38, PART[1] - 38), (PART[0] - 38, PART[1] - 38)):
        for radius, grey in ((11, 104), (5, 74)):
            cv2.circle(mask, at, radius, 255, -1, cv2.LINE_AA)
            _paint(cover, mask, grey)
    at, face = (86, PART[1] - 30), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(mask, f"ER-200  {number + 1:04d}", at, face, 1.1, 255, 2, cv2.LINE_AA)
    cv2.GaussianBlur(mask, (0, 0), 1.2, dst=mask)  # etched, not printed: no sharp strokes
    _paint(cover, mask, 92)
    return cover


def _paint(cover: Plane, mask: NDArray[np.uint8], grey: float) -> None:
    """Grey where the mask is; the mask is empty again."""
    weight = cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32) / 255
    cover += (grey - cover) * weight
    mask[:] = 0


def _bevelled(cover: Plane) -> Plane:
    """The border falls off to the belt over a few pixels, softly."""
    near = 1 - cv2.GaussianBlur(_outline(6), (0, 0), 3.0)
    return np.asarray(cover * (1 - 0.3 * near), np.float32)


def _outline(inset: int) -> Plane:
    """(330, 600): 1 inside a rectangle with round corners, its edge soft."""
    width, height = PART
    x = np.abs(np.arange(width, dtype=np.float32) - (width - 1) / 2)[None, :]
    y = np.abs(np.arange(height, dtype=np.float32) - (height - 1) / 2)[:, None]
    radius = _RADIUS_PX - inset
    dx = np.maximum(x - (width / 2 - inset - radius), 0)
    dy = np.maximum(y - (height / 2 - inset - radius), 0)
    return np.asarray(np.clip((radius - np.hypot(dx, dy)) / 2 + 0.5, 0, 1), np.float32)


def _lay(scene: Plane, cover: Plane, corner: tuple[int, int]) -> None:
    """The part and its shadow onto the belt."""
    x, y = corner
    shape = np.zeros(scene.shape, np.float32)
    shape[y : y + PART[1], x : x + PART[0]] = _outline(0)
    shadow = cv2.GaussianBlur(np.roll(shape, (10, 6), (0, 1)), (0, 0), 9.0)
    scene *= 1 - 0.45 * shadow
    inside = shape[y : y + PART[1], x : x + PART[0]]
    spot = scene[y : y + PART[1], x : x + PART[0]]
    spot += (cover - spot) * inside


def _line(rng: Generator) -> NDArray[np.float32]:
    """(n, 2) points of a slightly bent line on the part, away from its border."""
    width, height = PART
    low, high = np.array([66.0, 60.0]), np.array([width - 150.0, height - 72.0])
    length, angle = rng.uniform(110, 260), rng.uniform(-1.1, 1.1)
    along = np.array([np.cos(angle), np.sin(angle)])
    start = rng.uniform(low, high)
    end = np.clip(start + along * length, low, high)
    if np.hypot(*(end - start)) < 90:  # ran into the border: the other way
        end = np.clip(start - along * length, low, high)
    aside = np.array([start[1] - end[1], end[0] - start[0]]) * rng.uniform(-0.18, 0.18)
    middle = (start + end) / 2 + aside
    t = np.linspace(0, 1, 40)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end, np.float32)


def _stroke(rng: Generator, line: NDArray[np.float32]) -> Plane:
    """Coverage 0..1 of the line: thin, fading to its ends, broken here and there."""
    layer = np.zeros(PART[::-1], np.uint8)
    track = np.round(line * (1 << _SHIFT_BITS)).astype(np.int32)
    pressed = np.clip(np.sin(np.linspace(0.25, np.pi - 0.25, len(line))) * 1.5, 0, 1)
    pressed *= rng.uniform(0.75, 1.0, len(line))
    width = int(rng.integers(1, 3))
    for index, force in enumerate(pressed[:-1]):
        piece = track[index : index + 2].reshape(-1, 1, 2)
        grey = round(255 * float(force))
        cv2.polylines(layer, [piece], False, grey, width, cv2.LINE_AA, _SHIFT_BITS)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.5) / np.float32(255), np.float32)


def _box(line: NDArray[np.float32], corner: tuple[int, int]) -> Box:
    (x0, y0), (x1, y1) = np.floor(line.min(0)) - 1, np.ceil(line.max(0)) + 2
    return int(x0) + corner[0], int(y0) + corner[1], int(x1) + corner[0], int(y1) + corner[1]


def _photographed(rng: Generator, scene: Plane) -> NDArray[np.uint8]:
    """Lamp, sensor noise, colour."""
    light = rng.uniform(0.92, 1.08)
    fall = np.linspace(1.06, 0.92, SIZE[0], dtype=np.float32)[None, :]
    grey = scene * fall * light + _noise(rng) * 1.5
    lit = grey[:, :, None] * np.array(_COOL_LAMP, np.float32)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def _noise(rng: Generator) -> Plane:
    return rng.standard_normal(SIZE[::-1], dtype=np.float32)
