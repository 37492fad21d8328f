"""Pictures with the boxes that a model drew, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.train.examine_screws import FOLDER, polygon_boxes

WIDTH, HEIGHT, COLUMNS = 480, 280, 4
SHOWN = 24
_FOUND, _LABELLED = (0, 0, 255), (0, 255, 0)


def write(runner: Any, data: Path, into: Path) -> None:
    """phones.png and ballscrews.png: boxes of the model red, those of the data green."""
    into.mkdir(parents=True, exist_ok=True)
    phones = sorted((data / "phone_screen_MSD_GPL3" / "images").glob("*.jpg"))
    screws = sorted((data / FOLDER / "images").glob("*277500*.jpg"))
    for name, files in (("phones", phones), ("ballscrews", screws)):
        spread = np.linspace(0, len(files) - 1, min(SHOWN, len(files)))
        chosen = [files[round(at)] for at in spread]
        sheet([_drawn(runner, data, file) for file in chosen], into / f"{name}.png")


def _drawn(runner: Any, data: Path, file: Path) -> np.ndarray:
    pixels = cv2.imread(str(file))
    told = runner.frame(pixels)
    thick = max(1, pixels.shape[1] // WIDTH)
    for box in polygon_boxes(data / FOLDER / "labels", file.name):
        x0, y0, x1, y1 = (int(v) for v in box)
        cv2.rectangle(pixels, (x0, y0), (x1, y1), _LABELLED, thick)
    for region in told.regions:
        cv2.rectangle(pixels, (region.x0, region.y0), (region.x1, region.y1), _FOUND, thick)
    factor = min(WIDTH / pixels.shape[1], HEIGHT / pixels.shape[0])
    small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    placed = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    placed[: small.shape[0], : small.shape[1]] = small
    worst = max(tile[4] for tile in told.tiles)
    text = f"{file.stem[:24]} {worst:.3f}"
    cv2.putText(placed, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 255, 255), 1)
    return placed


def sheet(pictures: list[np.ndarray], path: Path) -> None:
    """Side by side, `COLUMNS` in a row."""
    blank = np.zeros_like(pictures[0])
    pictures = pictures + [blank] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows))
