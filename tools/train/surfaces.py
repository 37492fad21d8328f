"""Made surfaces, with and without scratches and pits: what surface-defect is trained on.

Everything is drawn here, from a seed: no photograph is used.  A picture is grey, (h, w) uint8, with a mask
of what is a defect.  Hard negatives are as important as scratches: edges, print, holes, highlights, dust.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

SIZE = 320
"""Side of one made picture."""
PLAIN, FAINT = 13, 4
"""Grey levels by which a defect changes its surface: plain to see, and hardly there."""


def make(rng: Generator, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """One picture (size, size) uint8 and its defect mask (size, size) uint8.

    The mask is 255 where a defect is plain to see, 128 where it is hardly there, 0 elsewhere.
    """
    surface = _surface(rng, size)
    for structure in (_edges, _holes, _print, _highlights, _dust, _ridges):
        if rng.random() < 0.28:
            surface = structure(rng, surface)
    mask = np.zeros((size, size), np.uint8)
    if rng.random() < 0.7:
        for _ in range(rng.integers(1, 5)):
            draw = _scratch if rng.random() < 0.8 else _pit
            surface, mask = draw(rng, surface, mask)
    return _camera(rng, surface), mask


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


def _scratch(rng, surface, mask):
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


def _pit(rng, surface, mask):
    size = surface.shape[0]
    spot = np.zeros((size, size), np.float32)
    centre = rng.uniform(0, size, 2)
    for _ in range(rng.integers(1, 7)):
        at = centre + rng.normal(0, 5, 2)
        axes = rng.uniform(1.5, 7, 2)
        cv2.ellipse(spot, (at, axes * 2, float(rng.uniform(0, 180))), 1.0, -1)
    spot = cv2.GaussianBlur(spot, (0, 0), 0.8)
    depth = rng.uniform(25, 90) * (-1 if rng.random() < 0.75 else 1)
    return _with_defect(surface, surface + spot * depth, mask)


def _with_defect(before, after, mask):
    """Only what a camera can see of a defect counts: not black on black, nor white on white."""
    change = np.abs(np.clip(after, 0, 255) - np.clip(before, 0, 255))
    seen = np.select([change > PLAIN, change > FAINT], [255, 128]).astype(np.uint8)
    return after, np.maximum(mask, seen)


def _edges(rng, surface):
    """A border between two materials, sharp or soft: a straight step is no scratch."""
    size = surface.shape[0]
    region = np.zeros((size, size), np.uint8)
    if rng.random() < 0.5:
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


def _holes(rng, surface):
    for _ in range(rng.integers(1, 6)):
        layer = np.zeros_like(surface)
        centre = tuple(int(v) for v in rng.uniform(0, surface.shape[0], 2))
        radius = int(rng.uniform(4, 34))
        cv2.circle(layer, centre, radius, 1.0, -1, cv2.LINE_AA)
        surface = surface + cv2.GaussianBlur(layer, (0, 0), 0.7) * rng.uniform(-90, 60)
        if rng.random() < 0.5:  # a rim that catches light
            rim = np.zeros_like(surface)
            cv2.circle(rim, centre, radius, 1.0, int(rng.integers(1, 4)), cv2.LINE_AA)
            surface = surface + rim * rng.uniform(-60, 90)
    return surface


def _print(rng, surface):
    layer = np.zeros(surface.shape, np.uint8)
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ0123456789-/."), rng.integers(3, 12)))
    at = tuple(int(v) for v in rng.uniform(0, surface.shape[0] * 0.7, 2))
    scale, weight = float(rng.uniform(0.5, 2.2)), int(rng.integers(1, 5))
    cv2.putText(layer, letters, at, int(rng.integers(0, 5)), scale, 255, weight, cv2.LINE_AA)
    turned = _turned(layer, float(rng.choice([0, 90, rng.uniform(0, 360)])))
    return surface + turned.astype(np.float32) / 255 * rng.uniform(-90, 90)


def _highlights(rng, surface):
    """Soft reflections: wide bands and blobs of light."""
    size = surface.shape[0]
    layer = np.zeros_like(surface)
    points = _curve(rng, size, size * 1.5, 0.03)
    track = points.astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(layer, [track], False, 1.0, int(rng.uniform(10, 90)))
    layer = cv2.GaussianBlur(layer, (0, 0), rng.uniform(5, 25))
    return surface + layer * rng.uniform(10, 120)


def _dust(rng, surface):
    for _ in range(rng.integers(2, 25)):
        at = tuple(int(v) for v in rng.uniform(0, surface.shape[0], 2))
        spot = np.zeros_like(surface)
        cv2.circle(spot, at, int(rng.integers(0, 2)), 1.0, -1, cv2.LINE_AA)
        surface = surface + cv2.GaussianBlur(spot, (0, 0), 0.8) * rng.uniform(10, 60)
    return surface


def _ridges(rng, surface):
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
