"""The ball-screw part of the examination: pictures told apart, and pits found where they are.

* Image AUC: a picture's score is that of its worst tile; defect against ok, by the data's labels.
* Hit: on a picture with labelled pits, the centre of the best region's box lies in the box around
  one of them, grown by half a cell (8 px) on each side, because the smallest pits are of 5 px.
* Touched: the share of labelled polygons whose box some region's box overlaps.
"""

from __future__ import annotations

import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.inference import load_model
from tools.train import figures

FOLDER = "ballscrew_BSData_CC-BY-SA"
HALF_CELL_PX = 8

Box = tuple[float, float, float, float]


@dataclass
class Judged:
    """One photograph and what the model said."""

    sequence: str
    is_defect: bool
    is_contradicted: bool
    """Labelled ok, but behind a defect of its sequence: pits do not heal."""
    score: float
    is_hit: bool
    """See above; of pictures with pits."""
    touched: list[bool]
    """By polygon."""


def judged(runner: Any, data: Path, sequences: list[str]) -> list[Judged]:
    """Every photograph of these sequences."""
    with (data / FOLDER / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["sequence"] in sequences]
    found: list[Judged] = []
    for row in rows:
        told = runner.frame(cv2.imread(str(data / FOLDER / "images" / row["file"])))
        boxes = polygon_boxes(data / FOLDER / "labels", row["file"])
        is_defect = row["label"] == "defect"
        found.append(
            Judged(
                row["sequence"],
                is_defect,
                not is_defect and any(j.is_defect and j.sequence == row["sequence"] for j in found),
                max(tile[4] for tile in told.tiles),
                any(_holds(box, told.regions[0]) for box in boxes),
                [any(_overlap(box, region) for region in told.regions) for box in boxes],
            )
        )
    return found


def polygon_boxes(folder: Path, file: str) -> list[Box]:
    """The boxes around a picture's labelled polygons."""
    path = folder / Path(file).with_suffix(".json").name
    if not path.exists():
        return []
    polygons = [np.array(s["points"]) for s in json.loads(path.read_text())["shapes"]]
    return [(*p.min(0).tolist(), *p.max(0).tolist()) for p in polygons]


def _holds(box: Box, region: Any) -> bool:
    x, y = (region.x0 + region.x1) / 2, (region.y0 + region.y1) / 2
    near = HALF_CELL_PX
    return box[0] - near <= x <= box[2] + near and box[1] - near <= y <= box[3] + near


def _overlap(box: Box, region: Any) -> bool:
    return bool(
        region.x0 < box[2] and box[0] < region.x1 and region.y0 < box[3] and box[1] < region.y1
    )


def image_auc(pictures: list[Judged]) -> float:
    bad = np.array([j.score for j in pictures if j.is_defect])
    good = np.array([j.score for j in pictures if not j.is_defect])
    return figures.auc(bad, good) if len(bad) and len(good) else float("nan")


def hit_rate(pictures: list[Judged]) -> float:
    hits = [j.is_hit for j in pictures if j.is_defect]
    return float(np.mean(hits)) if hits else float("nan")


def touched_share(pictures: list[Judged]) -> float:
    touched = [t for j in pictures for t in j.touched]
    return float(np.mean(touched)) if touched else float("nan")


def figures_of(pictures: list[Judged], limits: dict[str, float]) -> dict[str, Any]:
    plain = [j for j in pictures if not j.is_contradicted]
    clean = np.array([j.score for j in plain if not j.is_defect])
    return {
        "ballscrew_pictures": len(pictures),
        "ballscrew_image_auc": image_auc(pictures),
        "ballscrew_image_auc_95": figures.bootstrap(pictures, image_auc),
        "ballscrew_image_auc_without_contradicted": image_auc(plain),
        "ballscrew_hit_rate": hit_rate(pictures),
        "ballscrew_hit_rate_95": figures.bootstrap(pictures, hit_rate),
        "ballscrew_polygons_touched": touched_share(pictures),
        "ballscrew_ok_passed": float((clean < limits["review"]).mean()),
        "ballscrew_defects_rejected": float(
            np.mean([j.score >= limits["reject"] for j in pictures if j.is_defect])
        ),
    }


def folds_table(bundle_folder: Path, folds: Path, data: Path) -> str:
    """Markdown: each sequence judged by a net that was trained without it."""
    from tools.train.evaluate_surface import with_model

    rows = [
        "| left out | pictures | image AUC | without contradicted labels | hit rate | touched |"
    ]
    rows.append("|---" * 6 + "|")
    everything: list[Judged] = []
    for path in sorted(folds.glob("fold_*.onnx")):
        sequences = path.stem.removeprefix("fold_").split("+")
        with tempfile.TemporaryDirectory() as made:
            runner = load_model(
                with_model(bundle_folder, path, Path(made, "fold"))
            ).picture_runner()
            pictures = judged(runner, data, sequences)
        everything += pictures
        rows += [_row(s, [j for j in pictures if j.sequence == s]) for s in sequences]
    rows.append(_row("all", everything))
    return "\n".join(rows)


def _row(name: str, pictures: list[Judged]) -> str:
    plain = [j for j in pictures if not j.is_contradicted]
    cells = [f"{image_auc(pictures):.3f}"]
    if np.isfinite(image_auc(pictures)):
        low, high = figures.bootstrap(pictures, image_auc)
        cells[0] += f" ({low:.3f} to {high:.3f})"
    cells += [f"{f:.3f}" for f in (image_auc(plain), hit_rate(pictures), touched_share(pictures))]
    bad = sum(j.is_defect for j in pictures)
    text = " | ".join(cells).replace("nan", "-")
    return f"| {name} | {len(pictures) - bad} ok, {bad} defect | {text} |"
