"""BSData (CC BY-SA 4.0): photographs of ball screws in sequences, pitting as polygons.

Split by sequence, never by picture.  The size of the pictures changes within a sequence and must
not become a feature, nor must soiling, which grows with time: crops are cut at random scales, and
late clean pictures, with pits of other sequences laid onto them, are seen as often as early ones.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

FOLDER = "ballscrew_BSData_CC-BY-SA"
OTHER_TYPE = "type2a"
LONGER_SIDE = 1920
UNSURE_BEFORE = 4
"""Pictures before the first labelled one: the pit may be there already."""


@dataclass
class Photograph:
    """One picture, grey."""

    file: str
    sequence: str
    is_defect: bool
    is_doubtful: bool
    """Labelled ok behind the first defect of its sequence."""
    pixels: np.ndarray
    mask: np.ndarray
    """255 inside a polygon, 128 where a pit may be, 0 elsewhere."""
    polygons: list[np.ndarray]


def load(data: Path) -> list[Photograph]:
    """All photographs, in the order of their sequences and times, at most 1920 pixels long."""
    folder = data / FOLDER
    with folder.joinpath("manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    found: list[Photograph] = []
    by_sequence: dict[str, list[Photograph]] = {}
    for row in rows:
        pixels = cv2.imread(str(folder / "images" / row["file"]))
        factor = min(1.0, LONGER_SIDE / max(pixels.shape[:2]))
        if factor < 1:
            pixels = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        polygons = [p * factor for p in polygons_of(folder, row["file"])]
        mask = np.zeros(grey.shape, np.uint8)
        for polygon in polygons:
            cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 255)
        group = by_sequence.setdefault(row["sequence"], [])
        is_defect = row["label"] == "defect"
        is_doubtful = not is_defect and any(p.is_defect for p in group)
        photo = Photograph(
            row["file"], row["sequence"], is_defect, is_doubtful, grey, mask, polygons
        )
        group.append(photo)
        found.append(photo)
    for group in by_sequence.values():
        _mark_before(group)
    return found


def _mark_before(group: list[Photograph]) -> None:
    """Where the first pit will be, the pictures just before are left open."""
    first = next((i for i, photo in enumerate(group) if photo.is_defect), None)
    if not first:
        return
    for photo in group[max(0, first - UNSURE_BEFORE) : first]:
        if photo.pixels.shape == group[first].pixels.shape:
            near = cv2.dilate(group[first].mask, np.ones((41, 41), np.uint8))
            photo.mask[near > 0] = 128


def polygons_of(folder: Path, file: str) -> list[np.ndarray]:
    """(n, 2) float x, y of each labelled pit."""
    path = folder / "labels" / Path(file).with_suffix(".json").name
    if not path.exists():
        return []
    shapes = json.loads(path.read_text())["shapes"]
    return [np.array(shape["points"], np.float32) for shape in shapes]


def crop(
    rng: np.random.Generator, photo: Photograph, centre: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """A square of the picture at a random scale and turn, `centre` (x, y) somewhere in it."""
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.5))))
    if photo.sequence == OTHER_TYPE:
        scale *= 0.8
    turn = np.deg2rad(rng.uniform(-25, 25))
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    at = rng.uniform(24, side - 24, 2)
    warp = np.column_stack([matrix, at - matrix @ centre])
    pixels = cv2.warpAffine(
        photo.pixels, warp, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    mask = cv2.warpAffine(
        photo.mask, warp, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    )
    return pixels, mask


def transplant(
    rng: np.random.Generator, onto: Photograph, pit: Photograph, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """A crop of a clean picture with a pit of another one laid into it."""
    centre = rng.uniform([0, 0], onto.pixels.shape[::-1])
    pixels, mask = crop(rng, onto, centre, side)
    polygon = pit.polygons[rng.integers(len(pit.polygons))]
    low, high = np.floor(polygon.min(0)).astype(int) - 8, np.ceil(polygon.max(0)).astype(int) + 9
    low, high = np.maximum(low, 0), np.minimum(high, pit.pixels.shape[::-1])
    patch = pit.pixels[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    shape = pit.mask[low[1] : high[1], low[0] : high[0]] == 255
    # What the pit changes: against the surface right around it, a plane fitted to it.
    ring = cv2.dilate(shape.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~shape
    if ring.sum() < 12:
        return pixels, mask
    y, x = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(np.float32)
    base = np.stack([x, y, np.ones_like(x)], -1)
    fit, *_ = np.linalg.lstsq(base[ring], patch[ring], rcond=None)
    ground = np.maximum(base @ fit, 8)
    ratio = patch / ground
    soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 1.2)
    factor = float(np.exp(rng.uniform(np.log(0.5), np.log(1.6))))
    turn = float(rng.uniform(0, 360))
    size = int(np.ceil(np.hypot(*patch.shape) * factor)) + 4
    if size >= side - 8:
        return pixels, mask
    warp = cv2.getRotationMatrix2D((patch.shape[1] / 2, patch.shape[0] / 2), turn, factor)
    warp[:, 2] += size / 2 - np.array([patch.shape[1], patch.shape[0]]) / 2
    ratio = cv2.warpAffine(ratio, warp, (size, size), borderValue=1.0)
    soft = cv2.warpAffine(soft, warp, (size, size))
    strength = rng.uniform(0.6, 1.3)
    top, left = rng.integers(4, side - size - 4 + 1, 2)
    spot = (slice(top, top + size), slice(left, left + size))
    change = 1 + (ratio - 1) * soft * strength
    before = pixels[spot].astype(np.float32)
    after = np.clip(before * change, 0, 255)
    pixels[spot] = after
    if np.abs(after - before).mean(where=soft > 0.5) < 6:
        mask[spot] = np.maximum(mask[spot], np.where(soft > 0.3, 128, 0))
    else:
        mask[spot] = np.maximum(mask[spot], np.where(soft > 0.5, 255, 0))
    return pixels, mask
