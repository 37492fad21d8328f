"""Train surface-defect: a grey picture to cells of 16 pixels, int8 ONNX and TFLite.  Seeds fixed.

    python -m tools.train.surface_defect --data DATA --work FOLDER --out models/surface-defect/0.2.0

First made pictures alone (surfaces.py), then made pictures and ball screws of BSData in several
courses (SHIPPED), then the net is rounded to integers.  TEST_SEQUENCES of BSData are left out of
everything.  With --folds a shorter training (FOLDED) is done once more for every other sequence,
that one left out, and the nets are kept in the work folder: evaluate_surface.py examines them.
No photograph of a phone is used anywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tools.train import ballscrews, bundle, figures, integer_net, made_pool
from tools.train.surface_batches import Made, Real, targets
from tools.train.surface_net import CELL, Folded, Net
from tools.train.surface_training import (
    CLOSING,
    FINAL,
    LAST,
    LONG,
    MADE,
    METAL,
    MIXED,
    PLAIN,
    PRINT,
    ROUNDED,
    SHORT,
    Course,
    cells_of,
    fit,
    fresh,
    mean_of,
    quantised,
)

if TYPE_CHECKING:
    from tools.train.ballscrews import Photograph

SEED = 20_261_127
TEST_SEQUENCES = ["277500_315"]
FOLDS = [["332500_225"], ["397500_315"], ["437500_315", "477500_315"]]
HUNDREDS, HUNDREDS_TO_JUDGE = 56, 5
SHIPPED: dict[str, Course | list[str]] = {
    "mixed": MIXED,
    "long": LONG,
    "plain": PLAIN,
    "last": LAST,
    "print": PRINT,
    "final": FINAL,
    "metal": METAL,
    "mean": ["final", "metal"],
    "closing": CLOSING,
    "again": CLOSING,
}
FOLDED: dict[str, Course | list[str]] = {"short": SHORT}
TILE, STRIDE = 64, 48
LIMITS = {"reject": 0.937, "review": 0.93}
"""Thresholds in the gap between the demo's clean parts and its scratched ones."""
CLASSES = ["ok", "defect"]


def pretrained(work: Path) -> Net:
    """The net after the made pictures; kept in the work folder."""
    path = work / "made.pt"
    net = fresh(SEED)
    if path.exists():
        net.load_state_dict(torch.load(path))
        return net
    nothing = Real([], [])
    fit(net, np.random.default_rng(SEED), made_pictures(work), nothing, MADE)
    torch.save(net.state_dict(), path)
    return net


def made_pictures(work: Path) -> Made:
    return Made(*made_pool.pool(work / "pool", made_pool.TRAIN, HUNDREDS))


def trained(
    work: Path,
    photos: list[Photograph],
    left_out: list[str],
    courses: dict[str, Course | list[str]],
) -> Folded:
    """The net of integers, trained without these sequences; kept as fold_… in the work folder."""
    name = "fold_" + "+".join(left_out)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED + 1)
    net, made = pretrained(work), made_pictures(work)
    real = Real.of([photo for photo in photos if photo.sequence not in left_out])
    for kind, course in courses.items():
        path = work / f"{name}.{kind}.pt"
        if path.exists():
            net.load_state_dict(torch.load(path))
        elif isinstance(course, list):
            kept = [work / f"{name}.{other}.pt" for other in course]
            net = mean_of(kept, rng, made, real, FINAL)
            torch.save(net.state_dict(), path)
        else:
            fit(net, rng, made, real, course)
            torch.save(net.state_dict(), path)
    folded = quantised(net, rng, made, real, ROUNDED)
    integer_net.write_onnx(integer_net.parts_of(folded), work / f"{name}.onnx")
    integer_net.write_float(Folded(net.eval()), work / f"float_{name}.onnx")
    return folded


def scores(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def made_tiles(folded: Folded, work: Path, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of tiles of 4x4 cells on made pictures: (those with a defect, clean ones)."""
    pictures, masks = made_pool.pool(work / "pool", first, HUNDREDS_TO_JUDGE)
    positive, weight = targets(masks)
    bad, clean = [], []
    side = TILE // CELL
    for index, picture in enumerate(pictures):
        cells = cells_of(folded, picture)
        for y in range(0, cells.shape[0] - side + 1, STRIDE // CELL):
            for x in range(0, cells.shape[1] - side + 1, STRIDE // CELL):
                part = (slice(y, y + side), slice(x, x + side))
                if positive[index][part].any():
                    bad.append(cells[part].max())
                elif (weight[index][part] == 1).all():
                    clean.append(cells[part].max())
    return scores(np.array(bad)), scores(np.array(clean))


def tested(folded: Folded, work: Path, limits: dict[str, float]) -> dict[str, float]:
    bad, clean = made_tiles(folded, work, made_pool.TEST)
    return {
        "made_tiles": len(bad) + len(clean),
        "made_tile_auc": round(figures.auc(bad, clean), 4),
        "made_tile_recall_at_reject": round(float((bad >= limits["reject"]).mean()), 4),
        "made_tile_false_rejects": round(float((clean >= limits["reject"]).mean()), 5),
    }


def manifest(folder: Path, limits: dict[str, float], metrics: dict[str, float]) -> dict[str, Any]:
    files = [folder / name for name in ("model.onnx", "model.tflite", bundle.LABELS)]
    return {
        "format": 1,
        "name": "surface-defect",
        "version": "0.2.0",
        "task": "tile-classification",
        "description": "Scratches and pits on surfaces, cell by cell; the worst cell decides.",
        "file": "model.onnx",
        "labels": CLASSES,
        "sha256": bundle.hashes(*files),
        "image": {
            "width": integer_net.WIDTH, "height": integer_net.HEIGHT, "layout": "NHWC",
            "colour": "GRAY", "interpolation": "area", "mean": [0.0], "scale": [1.0],
        },
        "tiles": {
            "width": TILE, "height": TILE, "stride": STRIDE, "longer_side": 1920, "cell": CELL,
            "positive": "defect",
        },
        "output": {"decoder": "classification", "activation": "sigmoid"},
        "reject": {"defect": limits["reject"]},
        "review": {"defect": limits["review"]},
        "latency": {"budget_ms": 60.0},
        "provenance": {
            "trained_by": "tools/train/surface_defect.py",
            "data": [
                "surfaces drawn by tools/train/surfaces.py",
                "BSData by Schlagenhauf and Landwehr, CC BY-SA 4.0, without the sequence "
                + ", ".join(TEST_SEQUENCES),
            ],
            "licence": "Apache-2.0 AND CC-BY-SA-4.0",
        },
        "metrics": metrics,
    }  # fmt: skip


def write_bundle(folded: Folded, work: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    parts = integer_net.parts_of(folded)
    integer_net.write_onnx(parts, out / "model.onnx")
    integer_net.write_tflite(parts, out / "model.tflite")
    metrics = tested(folded, work, LIMITS)
    print(metrics)
    bundle.write_labels(out, CLASSES)
    bundle.write(out, manifest(out, LIMITS, metrics))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="made pictures and nets are kept")
    parser.add_argument("--out", type=Path, help="the bundle's folder")
    parser.add_argument("--folds", type=int, nargs="*", default=[], help="numbers of FOLDS")
    options = parser.parse_args()
    photos = ballscrews.load(options.data)
    if options.out:
        folded = trained(options.work, photos, TEST_SEQUENCES, SHIPPED)
        write_bundle(folded, options.work, options.out)
    for fold in options.folds:
        trained(options.work, photos, FOLDS[fold], FOLDED)


if __name__ == "__main__":
    main()
