"""Training batches of surface-defect: made pictures, and crops of ball screws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tools.train import ballscrews, surfaces
from tools.train.surface_net import CELL

if TYPE_CHECKING:
    from tools.train.ballscrews import Photograph

MIN_DEFECT_PX = 9
"""A cell is a defect from here on; one with less, or only faint ones, is left out."""
MORE_PRINT, MORE_SCRATCHES = 0.35, 0.35
"""Share of made crops that get some more letters, and of those that get one more scratch."""
BESIDE = 0.1
"""Weight of clean cells that touch a defect's cell."""


@dataclass
class Real:
    """Photographs to train on, by what they are good for."""

    defects: list[Photograph]
    clean: list[Photograph]
    hard: dict[str, np.ndarray] = field(default_factory=dict)
    """File = (n, 2) x, y where the net last saw defects that are none."""

    @classmethod
    def of(cls, photos: list[Photograph]) -> Real:
        return cls(
            [p for p in photos if p.is_defect],
            [p for p in photos if not p.is_defect and not p.is_doubtful],
        )


@dataclass
class Made:
    """Made pictures to train on."""

    pictures: np.ndarray
    masks: np.ndarray
    hard: np.ndarray = field(default_factory=lambda: np.empty((0, 3), int))
    """(n, 3) picture, y, x where the net last saw defects that are none."""


def made_batch(
    rng: np.random.Generator, made: Made, count: int, side: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Crops of made pictures: two fifths where there is a defect, as many where the net errs."""
    found = []
    pictures, masks = made.pictures, made.masks
    last = pictures.shape[1] - side
    for index in rng.integers(0, len(pictures), count):
        y, x = rng.integers(0, last + 1, 2)
        kind = rng.random()
        if kind < 0.4:
            spots = np.argwhere(masks[index] == 255)
            if len(spots):
                near = spots[rng.integers(len(spots))] - rng.integers(8, side - 8, 2)
                y, x = np.clip(near, 0, last)
        elif kind < 0.8 and len(made.hard):
            index, *spot = made.hard[rng.integers(len(made.hard))]  # noqa: PLW2901
            y, x = np.clip(np.array(spot) - rng.integers(8, side - 8, 2), 0, last)
        cut = (index, slice(y, y + side), slice(x, x + side))
        pixels = pictures[cut]
        if rng.random() < MORE_PRINT:
            pixels = _printed(rng, pixels)
        mask = masks[cut]
        if rng.random() < MORE_SCRATCHES:
            pixels, mask = surfaces.scratched(rng, pixels, mask)
        found.append(_turned(rng, pixels, mask))
    return found


def _printed(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Letters and numbers on it, printed sharply or etched softly: no defect."""
    side = pixels.shape[0]
    layer = np.zeros((side, side), np.uint8)
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ0123456789-/."), rng.integers(3, 12)))
    at = (int(rng.uniform(-20, side * 0.6)), int(rng.uniform(20, side)))
    scale, weight = float(rng.uniform(0.4, 2.0)), int(rng.integers(1, 5))
    cv2.putText(layer, letters, at, int(rng.integers(0, 5)), scale, 255, weight, cv2.LINE_AA)
    degrees = float(rng.choice([0, 0, 90, rng.uniform(-20, 20), rng.uniform(0, 360)]))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1.0)
    layer = cv2.warpAffine(layer, turn, (side, side))
    soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.3, 1.8)).astype(np.float32) / 255
    change = rng.uniform(12, 90) * (1 if rng.random() < 0.4 else -1)
    return np.clip(pixels + soft * change, 0, 255).astype(np.uint8)


def real_batch(
    rng: np.random.Generator, real: Real, counts: tuple[int, int, int], side: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """So many crops with a labelled pit, with one laid in, and without any."""
    found = []
    for _ in range(counts[0]):
        photo = real.defects[rng.integers(len(real.defects))]
        polygon = photo.polygons[rng.integers(len(photo.polygons))]
        found.append(ballscrews.crop(rng, photo, polygon[rng.integers(len(polygon))], side))
    for _ in range(counts[1]):
        onto = real.clean[rng.integers(len(real.clean))]
        pit = real.defects[rng.integers(len(real.defects))]
        found.append(ballscrews.transplant(rng, onto, pit, side))
    for index in range(counts[2]):
        photo = real.clean[rng.integers(len(real.clean))]
        hard = real.hard.get(photo.file)
        if index % 2 and hard is not None and len(hard):
            centre = hard[rng.integers(len(hard))]
        else:
            centre = rng.uniform([0, 0], photo.pixels.shape[::-1])
        found.append(ballscrews.crop(rng, photo, centre, side))
    return [_photographed(rng, *_turned(rng, *pair)) for pair in found]


def _turned(
    rng: np.random.Generator, pixels: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Any of the eight ways to lay a picture, in a light of its own."""
    if rng.random() < 0.5:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        pixels, mask = pixels[::-1], mask[::-1]
    if rng.random() < 0.5:
        pixels, mask = pixels.T, mask.T
    lit = pixels * np.float32(rng.uniform(0.8, 1.25)) + np.float32(rng.uniform(-12, 12))
    return np.clip(lit, 0, 255).astype(np.uint8), mask


def _photographed(
    rng: np.random.Generator, pixels: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Another camera: gamma, blur or sharpness, noise."""
    gamma = float(np.exp(rng.uniform(-0.35, 0.35)))
    table = 255 * (np.arange(256, dtype=np.float32) / 255) ** gamma
    made = table[pixels]
    kind = rng.random()
    if kind < 0.3:
        made = cv2.GaussianBlur(made, (0, 0), rng.uniform(0.4, 1.0))
    elif kind < 0.5:
        made = made + rng.uniform(0.3, 1.0) * (made - cv2.GaussianBlur(made, (0, 0), 1.5))
    if rng.random() < 0.5:
        made = made + rng.normal(0, rng.uniform(0.5, 4), made.shape)
    return np.clip(made, 0, 255).astype(np.uint8), mask


def targets(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, h, w) masks to (n, h / 16, w / 16) targets and weights, float32."""
    n, h, w = masks.shape
    cells = masks.reshape(n, h // CELL, CELL, w // CELL, CELL)
    plain_px, any_px = (cells == 255).sum((2, 4)), (cells > 0).sum((2, 4))
    positive = plain_px >= MIN_DEFECT_PX
    near = np.stack([cv2.dilate(p.astype(np.uint8), np.ones((3, 3), np.uint8)) for p in positive])
    weight = np.where(positive, 1.0, np.where(any_px > 0, 0.0, np.where(near > 0, BESIDE, 1.0)))
    return positive.astype(np.float32), weight.astype(np.float32)
