"""Made surfaces, with and without scratches and pits: what surface-defect is trained on.

Everything is drawn here, from a seed: no photograph is used.  A picture is grey, (h, w) uint8, with
a mask of what is a defect.  Hard negatives are as important as scratches: edges, print, holes,
screws, slots, highlights, dust.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

Plane: TypeAlias = np.ndarray
"""(h, w) float32, grey levels."""

SIZE = 320
"""Side of one made picture."""
STRUCTURED = 0.28
"""How often a picture has each kind of structure that is no defect."""
PLAIN, FAINT = 13, 4
"""Grey levels by which a defect changes its surface: plain to see, and hardly there."""
_AROUND_PX, _OUTSTANDING = 33, 1.5
"""Side of the neighbourhood, and deviations of its grey levels."""


def make(rng: Generator, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """One picture (size, size) uint8 and its defect mask (size, size) uint8.

    The mask is 255 where a defect is plain to see, 128 where it is hardly there, 0 elsewhere.
    """
    surface = _surface(rng, size)
    for structure in _NO_DEFECTS:
        if rng.random() < STRUCTURED:
            surface = structure(rng, surface)
    mask = np.zeros((size, size), np.uint8)
    if rng.random() < 0.7:
        for _ in range(rng.integers(1, 5)):
            draw = _scratch if rng.random() < 0.6 else _pit
            surface, mask = draw(rng, surface, mask)
    picture = _camera(rng, surface)
    return picture, _told_apart(picture, mask)


def scratched(
    rng: Generator, picture: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One more scratch on a finished picture, as sharp as its lens allows: both (h, h) uint8."""
    surface, seen = _scratch(rng, picture.astype(np.float32), np.zeros_like(mask))
    made = np.clip(surface, 0, 255).astype(np.uint8)
    return made, np.maximum(mask, _told_apart(made, np.maximum(seen, mask)) * (seen > 0))


def _told_apart(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Only what stands out from the texture around it is plain; the rest is hardly there."""
    clean = (mask == 0).astype(np.float32)
    grey = picture.astype(np.float32)
    share = cv2.blur(clean, (_AROUND_PX, _AROUND_PX)) + 1e-3
    mean = cv2.blur(grey * clean, (_AROUND_PX, _AROUND_PX)) / share
    square = cv2.blur(grey * grey * clean, (_AROUND_PX, _AROUND_PX)) / share
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    contrast = np.abs(cv2.GaussianBlur(grey, (0, 0), 0.7) - mean)
    is_hidden = (mask == 255) & (contrast < _OUTSTANDING * spread + 6)
    return np.where(is_hidden, 128, mask).astype(np.uint8)


def _surface(rng: Generator, size: int) -> np.ndarray:
    kind = rng.integers(0, 5)
    level = rng.uniform(8, 70) if rng.random() < 0.5 else rng.uniform(50, 215)
    picture = np.full((size, size), level, np.float32)
    picture += _smooth(rng, size, rng.uniform(40, 160)) * rng.uniform(2, 40)
    if kind == 1:  # brushed
        noise = rng.normal(0, 1, (size, size)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=rng.uniform(8, 40), sigmaY=0.6)
        picture += _turned(noise / (noise.std() + 1e-6), rng.uniform(0, 180)) * rng.uniform(1, 7)
    elif kind == 2:  # grained
        picture += _smooth(rng, size, rng.uniform(0.8, 3)) * rng.uniform(1, 9)
    elif kind == 3:  # machined rings
        y, x = np.mgrid[0:size, 0:size].astype(np.float32)
        cx, cy = rng.uniform(-size, 2 * size, 2)
        picture += np.sin(np.hypot(x - cx, y - cy) * rng.uniform(0.1, 0.6)) * rng.uniform(1, 6)
    elif kind == 4:  # patterned
        pitch = rng.uniform(8, 40)
        y, x = np.mgrid[0:size, 0:size].astype(np.float32)
        wave = np.sin(x * 2 * np.pi / pitch) * np.sin(y * 2 * np.pi / pitch)
        picture += _turned(wave, rng.uniform(0, 90)) * rng.uniform(1, 12)
    return picture


def _smooth(rng: Generator, size: int, sigma: float) -> np.ndarray:
    """Noise of a given grain, zero mean and unit deviation."""
    factor = max(1, int(sigma / 4))
    small = max(4, size // factor + 2)
    noise = rng.normal(0, 1, (small, small)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), max(sigma / factor, 0.3))
    noise = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / (noise.std() + 1e-6)


def _turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    size = picture.shape[0]
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1.0)
    return cv2.warpAffine(picture, turn, (size, size), borderMode=cv2.BORDER_REFLECT)


def _curve(rng: Generator, size: int, length: float, bend: float) -> np.ndarray:
    """Points of a line that wanders a little, (n, 2) float."""
    count = max(4, int(length / 3))
    angle = rng.uniform(0, 2 * np.pi)
    angles = angle + np.cumsum(rng.normal(0, bend, count))
    start = rng.uniform(0, size, 2)
    steps = np.stack([np.cos(angles), np.sin(angles)], 1) * (length / count)
    return start + np.cumsum(steps, 0)


def _stroke(shape: tuple[int, int], points: np.ndarray, width: float) -> np.ndarray:
    """Coverage 0..1 of a line as thin as a fraction of a pixel, drawn four times as large."""
    scale = 4
    large = np.zeros((shape[0] * scale, shape[1] * scale), np.uint8)
    track = np.round(points * scale).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(large, [track], False, 255, max(1, round(width * scale)))
    return cv2.resize(large, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _scratch(rng: Generator, surface: Plane, mask: np.ndarray) -> tuple[Plane, np.ndarray]:
    length = rng.uniform(14, 260) if rng.random() < 0.8 else rng.uniform(6, 20)
    points = _curve(rng, surface.shape[0], length, rng.choice([0.0, 0.02, 0.08, 0.2]))
    width = rng.uniform(0.4, 2.6) if rng.random() < 0.85 else rng.uniform(2.5, 5)
    line = _stroke(surface.shape, points, width)
    worn = np.clip(_smooth(rng, surface.shape[0], rng.uniform(3, 14)) * 0.5 + 0.9, 0.0, 1.2)
    contrast = rng.uniform(14, 110) * (1 if rng.random() < 0.75 else -1)
    if rng.random() < 0.25:  # a groove: bright on one side, dark on the other
        shifted = _stroke(surface.shape, points + rng.uniform(0.7, 1.8, 2), width)
        surface = surface - shifted * worn * abs(contrast) * 0.7
    return _with_defect(surface, surface + line * worn * contrast, mask)


def _pit(rng: Generator, surface: Plane, mask: np.ndarray) -> tuple[Plane, np.ndarray]:
    """A spot where the surface broke out: ragged, rough inside, often with a lip that shines.

    What is round and smooth is a hole.  Drawn in a window of its own: pits are small.
    """
    radius = float(np.exp(rng.uniform(np.log(2.5), np.log(34))))
    side = min(surface.shape[0], int(radius * 3) + 16)
    x, y = np.meshgrid(*[np.arange(side, dtype=np.float32) - side / 2] * 2)
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(1, 2.4)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) * squeeze
    ragged = _smooth(rng, side, max(0.8, radius * rng.uniform(0.15, 0.45)))
    field = 1 - np.hypot(along, across) / radius + ragged * rng.uniform(0.2, 0.5)
    field[[0, -1]] = field[:, [0, -1]] = -1
    spot = np.clip(field * radius / 1.5, 0, 1) * (field > 0)
    rough = 1 + rng.uniform(0.1, 0.8) * _smooth(rng, side, rng.uniform(0.8, 2.5))
    change = -spot * rough * rng.uniform(18, 85) * (1 if rng.random() < 0.85 else -0.8)
    if rng.random() < 0.4:
        lip = cv2.GaussianBlur(spot, (0, 0), 1.5) - spot
        shifted = np.roll(np.maximum(lip, 0), rng.integers(-2, 3, 2), (0, 1))
        change += shifted * rng.uniform(20, 120)
    change = cv2.GaussianBlur(change, (0, 0), rng.uniform(0.4, 1.0))
    top, left = rng.integers(0, surface.shape[0] - side + 1, 2)
    after = surface.copy()
    after[top : top + side, left : left + side] += change
    return _with_defect(surface, after, mask)


def _with_defect(before: Plane, after: Plane, mask: np.ndarray) -> tuple[Plane, np.ndarray]:
    """Only what a camera can see of a defect counts: not black on black, nor white on white."""
    change = np.abs(np.clip(after, 0, 255) - np.clip(before, 0, 255))
    seen = np.select([change > PLAIN, change > FAINT], [255, 128]).astype(np.uint8)
    return after, np.maximum(mask, seen)


def _edges(rng: Generator, surface: Plane) -> Plane:
    """A border between two materials, sharp or soft: a straight step is no scratch."""
    size = surface.shape[0]
    region = np.zeros((size, size), np.uint8)
    kind = rng.integers(0, 3)
    if kind == 0:
        box = rng.uniform(-size * 0.2, size * 0.6), rng.uniform(-size * 0.2, size * 0.6)
        _rounded(rng, region, box, rng.uniform(size * 0.3, size, 2), rng.uniform(8, 70))
    elif kind == 1:
        points = rng.uniform(-size * 0.3, size * 1.3, (rng.integers(3, 6), 2))
        cv2.fillPoly(region, [cv2.convexHull(points.astype(np.int32))], 255, cv2.LINE_AA)
    else:
        centre, axes = rng.uniform(0, size, 2), rng.uniform(size * 0.2, size, 2)
        box = (tuple(centre), tuple(axes), float(rng.uniform(0, 180)))
        cv2.ellipse(region, box, 255, -1, cv2.LINE_AA)
    weight = cv2.GaussianBlur(region, (0, 0), rng.uniform(0.4, 3)).astype(np.float32) / 255
    surface = surface + weight * rng.choice([-1, 1]) * rng.uniform(8, 110)
    if rng.random() < 0.4:  # a bevel that catches light along the border
        outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        rim = np.zeros((size, size), np.uint8)
        cv2.drawContours(rim, outlines, -1, 255, int(rng.integers(1, 5)), cv2.LINE_AA)
        light = rim.astype(np.float32) / 255 * (0.6 + 0.4 * _smooth(rng, size, rng.uniform(20, 90)))
        surface = surface + light * rng.uniform(-50, 120)
    return surface


def _rounded(
    rng: Generator,
    region: np.ndarray,
    corner: tuple[float, float],
    sides: np.ndarray,
    radius: float,
) -> None:
    """A rectangle with round corners into `region`, turned a little or a lot."""
    size = region.shape[0]
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    angle = rng.normal(0, 0.05) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    middle = np.array(corner) + sides / 2
    dx, dy = x - middle[0], y - middle[1]
    along = np.abs(dx * np.cos(angle) + dy * np.sin(angle)) - sides[0] / 2 + radius
    across = np.abs(dy * np.cos(angle) - dx * np.sin(angle)) - sides[1] / 2 + radius
    away = np.hypot(np.maximum(along, 0), np.maximum(across, 0))
    region[:] = np.clip((radius - away) + 0.5, 0, 1) * 255


def _holes(rng: Generator, surface: Plane) -> Plane:
    """Round: bores, and screws with a smaller round inside."""
    alike = rng.random() < 0.5
    radius, depth = rng.uniform(3, 34), rng.uniform(-90, 60)
    for _ in range(rng.integers(1, 6)):
        centre = tuple(int(v) for v in rng.uniform(0, surface.shape[0], 2))
        if not alike:
            radius, depth = rng.uniform(3, 34), rng.uniform(-90, 60)
        surface = surface + _disc(rng, surface, centre, radius) * depth
        if rng.random() < 0.5:  # the screw's drive
            inner = _disc(rng, surface, centre, radius * rng.uniform(0.3, 0.75))
            surface = surface + inner * rng.uniform(-60, 60)
        if rng.random() < 0.4:  # a rim that catches light
            rim = np.zeros_like(surface)
            cv2.circle(rim, centre, int(radius), 1.0, int(rng.integers(1, 4)), cv2.LINE_AA)
            surface = surface + rim * rng.uniform(-60, 90)
    return surface


def _disc(rng: Generator, surface: Plane, centre: tuple[int, ...], radius: float) -> Plane:
    layer = np.zeros(surface.shape, np.uint8)
    at = [round(v * 16) for v in centre]
    cv2.circle(layer, at, round(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 1.3)).astype(np.float32) / 255


def _slots(rng: Generator, surface: Plane) -> Plane:
    """Openings and keys: rectangles with round corners, wider than any scratch."""
    for _ in range(rng.integers(1, 4)):
        layer = np.zeros(surface.shape, np.uint8)
        sides = np.array([rng.uniform(16, 150), rng.uniform(7, 40)])
        corner = rng.uniform(-20, surface.shape[0] - 20, 2)
        _rounded(rng, layer, (corner[0], corner[1]), sides, rng.uniform(1, sides[1] / 2))
        if rng.random() < 0.5:
            layer = layer.T
        soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 1.5)).astype(np.float32) / 255
        surface = surface + soft * rng.uniform(-90, 90)
    return surface


def _print(rng: Generator, surface: Plane) -> Plane:
    layer = np.zeros(surface.shape, np.uint8)
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ0123456789-/."), rng.integers(3, 12)))
    at = tuple(int(v) for v in rng.uniform(0, surface.shape[0] * 0.7, 2))
    scale, weight = float(rng.uniform(0.4, 2.2)), int(rng.integers(1, 5))
    cv2.putText(layer, letters, at, int(rng.integers(0, 5)), scale, 255, weight, cv2.LINE_AA)
    turned = _turned(layer, float(rng.choice([0, 90, rng.uniform(0, 360)])))
    return surface + turned.astype(np.float32) / 255 * rng.uniform(-90, 90)


def _highlights(rng: Generator, surface: Plane) -> Plane:
    """Soft reflections: wide bands and blobs of light."""
    size = surface.shape[0]
    layer = np.zeros_like(surface)
    points = _curve(rng, size, size * 1.5, 0.03)
    track = points.astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(layer, [track], False, 1.0, int(rng.uniform(10, 90)))
    layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(5, 25))
    return surface + layer * rng.uniform(10, 120)


def _dust(rng: Generator, surface: Plane) -> Plane:
    for _ in range(rng.integers(2, 25)):
        at = tuple(int(v) for v in rng.uniform(0, surface.shape[0], 2))
        spot = np.zeros_like(surface)
        cv2.circle(spot, at, int(rng.integers(0, 2)), 1.0, -1, cv2.LINE_AA)
        surface = surface + cv2.GaussianBlur(spot, (0, 0), 0.8) * rng.uniform(10, 60)
    return surface


def _stains(rng: Generator, surface: Plane) -> Plane:
    """Soiling and heat tint: blotches whose borders are soft."""
    size = surface.shape[0]
    for _ in range(rng.integers(1, 5)):
        field = _smooth(rng, size, rng.uniform(8, 40)) - rng.uniform(0.6, 1.6)
        blotch = cv2.GaussianBlur(np.clip(field * 2, 0, 1), (0, 0), rng.uniform(3, 9))
        surface = surface + blotch * rng.uniform(-60, 30)
    return surface


def _wear(rng: Generator, surface: Plane) -> Plane:
    """Run-in tracks of metal: many fine lines that all go one way, in bands."""
    size = surface.shape[0]
    lines = rng.normal(0, 1, (size, 1)).astype(np.float32)
    lines = cv2.GaussianBlur(lines, (1, 15), sigmaX=0.1, sigmaY=rng.uniform(0.5, 2.0))
    along = cv2.GaussianBlur(
        rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), sigmaX=60, sigmaY=0.8
    )
    picture = lines / (lines.std() + 1e-6) + along / (along.std() + 1e-6) * rng.uniform(0.3, 1.2)
    band = np.clip(_smooth(rng, size, rng.uniform(20, 60))[:, :1] + rng.uniform(0, 1), 0, 1.5)
    return surface + _turned(picture * band, rng.uniform(0, 180)) * rng.uniform(3, 16)


def _ridges(rng: Generator, surface: Plane) -> Plane:
    """Long, wide, regular lines that belong to the part: grooves and seams."""
    size = surface.shape[0]
    layer = np.zeros_like(surface)
    pitch, width = rng.uniform(24, 90), int(rng.integers(3, 9))
    for offset in np.arange(0, size, pitch):
        cv2.line(layer, (0, int(offset)), (size, int(offset)), 1.0, width, cv2.LINE_AA)
    return surface + _turned(layer, float(rng.uniform(0, 180))) * rng.uniform(-40, 40)


def _camera(rng: Generator, surface: np.ndarray) -> np.ndarray:
    """Blur, light, noise, JPEG."""
    if rng.random() < 0.5:
        surface = cv2.GaussianBlur(surface, (0, 0), rng.uniform(0.3, 1.1))
    surface = surface * rng.uniform(0.75, 1.2) + rng.uniform(-8, 8)
    surface = surface + rng.normal(0, rng.uniform(0.5, 5), surface.shape)
    picture = np.clip(surface, 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        quality = int(rng.integers(45, 97))
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return picture


_NO_DEFECTS = (_edges, _holes, _slots, _print, _highlights, _dust, _ridges, _stains, _wear)
