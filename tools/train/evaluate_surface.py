"""Examine surface-defect on pictures it has never seen, through the runtime itself.

    python -m tools.train.evaluate_surface --data DATA [--bundle FOLDER] [--float FILE] [--write]

DATA holds phone_screen_MSD_GPL3 and video/ballscrew_wear.mp4.  Prints the figures; --write puts
them into the bundle's MODEL_CARD.md and model.toml.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.demo import belt
from edge_runtime.inference import load_model
from tools.train import bundle, figures

ROOT = Path(__file__).resolve().parents[2]
PHONES = "phone_screen_MSD_GPL3"
OVERLAP_PX, CLEAR_PX, SEEN_PX = 16, 24, 15
GLARE_PX = {"phoneC": 140}
"""Rows at the top of a phone's pictures that are left out: glare that the boxes do not cover."""
BELT_SEEDS = range(1000, 1010)
BELT_PARTS = 24


@dataclass
class Tiles:
    """Scores of one picture's tiles by what they show."""

    phone: str
    scratched: list[float] = field(default_factory=list)
    clean: list[float] = field(default_factory=list)


def phone_tiles(runner: Any, folder: Path) -> list[Tiles]:
    """Of every phone with scratches.

    A tile is scratched when it reaches more than 16 px into a scratch's box and shows enough of a
    thin bright line there; clean when it is 24 px away from every box.  Others, and tiles whose
    centre is not on the screen, do not count.
    """
    notes = json.loads(folder.joinpath("annotations_derived.json").read_text())
    found = []
    for name, note in sorted(notes.items()):
        if note["class"] != "scratch":
            continue
        pixels = cv2.imread(str(folder / "images" / f"{name}.jpg"))
        tiles = Tiles(str(note["phone_or_series"]))
        lines, boxes = _thin_lines(pixels), note["boxes_xyxy"]
        x0, y0, x1, y1 = note["screen_roi_xyxy"]
        y0 = max(y0, GLARE_PX.get(tiles.phone.split("_")[0], 0))
        for *tile, score in runner.frame(pixels).tiles:
            cx, cy = (tile[0] + tile[2]) / 2, (tile[1] + tile[3]) / 2
            if not (x0 < cx < x1 and y0 < cy < y1):
                continue
            if any(_near(tile, box, -OVERLAP_PX) for box in boxes):
                if sum(_seen_px(lines, tile, box) for box in boxes) >= SEEN_PX:
                    tiles.scratched.append(score)
            elif not any(_near(tile, box, CLEAR_PX) for box in boxes):
                tiles.clean.append(score)
        found.append(tiles)
    return found


def _thin_lines(pixels: np.ndarray) -> np.ndarray:
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (0, 0), 1)
    return cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((31, 31), np.uint8)) > 24


def _near(tile: list[int], box: list[int], margin: int) -> bool:
    return (
        max(tile[0] - margin, box[0]) < min(tile[2] + margin, box[2])
        and max(tile[1] - margin, box[1]) < min(tile[3] + margin, box[3])
    )  # fmt: skip


def _seen_px(lines: np.ndarray, tile: list[int], box: list[int]) -> int:
    rows = slice(max(tile[1], box[1]), max(0, min(tile[3], box[3])))
    columns = slice(max(tile[0], box[0]), max(0, min(tile[2], box[2])))
    return int(lines[rows, columns].sum())


def tile_auc(pictures: list[Tiles]) -> float:
    scratched = np.array([score for tiles in pictures for score in tiles.scratched])
    clean = np.array([score for tiles in pictures for score in tiles.clean])
    return figures.auc(scratched, clean) if len(scratched) and len(clean) else float("nan")


def worst_tiles(runner: Any, video: Path) -> list[tuple[float, bool]]:
    """Each frame's worst tile and whether it is labelled a defect in the CSV beside the video."""
    with video.with_suffix(".csv").open() as file:
        labels = [row["label"] == "defect" for row in csv.DictReader(file)]
    capture = cv2.VideoCapture(str(video))
    found = []
    for label in labels:
        ok, pixels = capture.read()
        assert ok, f"{video}: fewer frames than labels"
        found.append((max(tile[4] for tile in runner.frame(pixels).tiles), label))
    return found


def image_auc(frames: list[tuple[float, bool]]) -> float:
    bad = np.array([score for score, label in frames if label])
    good = np.array([score for score, label in frames if not label])
    return figures.auc(bad, good) if len(bad) and len(good) else float("nan")


def belt_parts(runner: Any, limits: dict[str, float]) -> dict[str, float]:
    """The demo's belt, other seeds than the demo's: how many parts are judged as they were made."""
    scratched, clean = [], []
    for seed in BELT_SEEDS:
        rng = np.random.default_rng(seed)
        for part in range(BELT_PARTS):
            is_bad = part % 3 == 1 or part % 7 == 2
            pixels = belt.draw_part(rng, part, scratched=is_bad).pixels
            _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
            tiles = runner.frame(cv2.imdecode(data, cv2.IMREAD_COLOR)).tiles
            (scratched if is_bad else clean).append(max(tile[4] for tile in tiles))
    return {
        "belt_parts": len(scratched) + len(clean),
        "belt_rejected_of_scratched": float(np.mean(np.array(scratched) >= limits["reject"])),
        "belt_passed_of_clean": float(np.mean(np.array(clean) < limits["review"])),
        "belt_lowest_scratched": min(scratched),
        "belt_highest_clean": max(clean),
    }


def cost(runner: Any) -> dict[str, float]:
    """Milliseconds for a 1280x720 picture on one thread: resize and tiles, and the model."""
    pixels = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    rounds = [runner.frame(pixels) for _ in range(30)]
    return {
        "preprocess_ms_1280x720": round(float(np.median([r.preprocess_ms for r in rounds])), 2),
        "infer_ms_1280x720": round(float(np.median([r.infer_ms for r in rounds])), 2),
    }


def with_model(folder: Path, model: Path, into: Path) -> Path:
    """The bundle with another network in it."""
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    into.mkdir()
    shutil.copy(model, into / manifest["file"])
    shutil.copy(folder / bundle.LABELS, into)
    manifest["sha256"] = bundle.hashes(into / manifest["file"], into / bundle.LABELS)
    bundle.write(into, manifest)
    return into


def examined(folder: Path, data: Path) -> dict[str, Any]:
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    limits = {name: manifest[name]["defect"] for name in ("reject", "review")}
    runner = load_model(folder).runner()
    pictures = phone_tiles(runner, data / PHONES)
    frames = worst_tiles(runner, data / "video" / "ballscrew_wear.mp4")
    phones = sorted({tiles.phone for tiles in pictures})
    return {
        "phone_tile_auc": tile_auc(pictures),
        "phone_tile_auc_95": figures.bootstrap(pictures, tile_auc),
        **{f"auc_{p}": tile_auc([t for t in pictures if t.phone == p]) for p in phones},
        "ballscrew_image_auc": image_auc(frames),
        "ballscrew_image_auc_95": figures.bootstrap(frames, image_auc),
        **belt_parts(runner, limits),
        **cost(runner),
        "bytes": (folder / manifest["file"]).stat().st_size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "surface-defect" / "0.1.0")
    parser.add_argument("--float", type=Path, help="the float model, to compare")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    columns = {"int8": examined(options.bundle, options.data)}
    if options.float:
        with tempfile.TemporaryDirectory() as folder:
            other = with_model(options.bundle, options.float, Path(folder, "float"))
            columns["float"] = examined(other, options.data)
    table = figures.table(columns)
    print(table)
    if options.write:
        bundle.put_figures(options.bundle, table)
        bundle.add_metrics(options.bundle, figures.rounded(columns["int8"]))


if __name__ == "__main__":
    main()
