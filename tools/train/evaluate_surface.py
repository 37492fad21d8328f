"""Examine surface-defect on pictures it has never seen, through the runtime itself.

    python -m tools.train.evaluate_surface --data DATA [--float FILE] [--folds FOLDER] [--write]

DATA holds phone_screen_MSD_GPL3 and ballscrew_BSData_CC-BY-SA.  Prints the figures; --write puts
them into the bundle's MODEL_CARD.md and model.toml.  Needs nothing but the runtime.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.inference import load_model
from edge_runtime.sample_station import belt
from tools.train import bundle, contact_sheets, examine_screws, figures

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "models" / "surface-defect" / "0.2.0"
TEST_SEQUENCES = ["277500_315"]
"""Of BSData: the shipped model has not seen them."""
FOLDS_MARKS = "<!-- folds: begin -->", "<!-- folds: end -->"
LOGIT_STEP = 0.125
"""Of the shipped model's output."""
PHONES = "phone_screen_MSD_GPL3"
OVERLAP_PX, CLEAR_PX, SEEN_PX = 16, 24, 15
GLARE_PX = {"phoneC": 140}
"""Rows at the top of a phone's pictures that are left out: glare that the boxes do not cover."""
BELT_SEEDS = range(1000, 1005)
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


def cost(runner: Any, of: int = 150) -> dict[str, float]:
    """Milliseconds for a 1280x720 picture on one thread, the answer included.

    The least of many: other work on the machine can only add.  CPU time is this thread's own.
    """
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.integers(0, 255, (720, 1280, 3), np.uint8), (0, 0), 2)
    rounds, cpu = [], []
    for _ in range(of):
        begin = time.thread_time()
        rounds.append(runner.frame(pixels))
        cpu.append((time.thread_time() - begin) * 1000)
    return {
        "preprocess_ms_1280x720": round(min(r.preprocess_ms for r in rounds), 2),
        "infer_ms_1280x720": round(min(r.infer_ms for r in rounds), 2),
        "cpu_ms_1280x720": round(min(cpu), 2),
    }


def with_model(folder: Path, model: Path, into: Path) -> Path:
    """The bundle with another network in it."""
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    into.mkdir()
    manifest["file"] = f"model{model.suffix}"
    shutil.copy(model, into / manifest["file"])
    shutil.copy(folder / bundle.LABELS, into)
    manifest["sha256"] = bundle.hashes(into / manifest["file"], into / bundle.LABELS)
    bundle.write(into, manifest)
    return into


def agreement(folder: Path, data: Path) -> dict[str, float]:
    """model.tflite against model.onnx: steps of the output by which tiles differ."""
    with tempfile.TemporaryDirectory() as made:
        other = with_model(folder, folder / "model.tflite", Path(made, "tflite"))
        runners = [load_model(f).picture_runner() for f in (folder, other)]
        steps = []
        for path in sorted((data / PHONES / "images").glob("*.jpg"))[::6]:
            scores = [
                np.array([t[4] for t in r.frame(cv2.imread(str(path))).tiles]) for r in runners
            ]
            one, two = (np.log(s / (1 - s)) / LOGIT_STEP for s in np.clip(scores, 1e-7, 1 - 1e-7))
            steps.append(np.abs(one - two).max())
    return {"tflite_differs_by_steps": round(float(max(steps)), 3)}


def examined(folder: Path, data: Path, sequences: list[str]) -> dict[str, Any]:
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    limits = {name: manifest[name]["defect"] for name in ("reject", "review")}
    runner = load_model(folder).picture_runner()
    pictures = phone_tiles(runner, data / PHONES)
    phones = sorted({tiles.phone for tiles in pictures})
    screws = examine_screws.judged(runner, data, sequences)
    return {
        "phone_tile_auc": tile_auc(pictures),
        "phone_tile_auc_95": figures.bootstrap(pictures, tile_auc),
        **{f"auc_{p}": tile_auc([t for t in pictures if t.phone == p]) for p in phones},
        **examine_screws.figures_of(screws, limits),
        **belt_parts(runner, limits),
        **cost(runner),
        "bytes": (folder / manifest["file"]).stat().st_size,
    }


def put_folds(folder: Path, text: str) -> None:
    """`text` between its marks in MODEL_CARD.md."""
    card, begin, end = folder / "MODEL_CARD.md", *FOLDS_MARKS
    before, _, rest = card.read_text().partition(begin)
    _, _, after = rest.partition(end)
    card.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--float", type=Path, help="the float model, to compare")
    parser.add_argument(
        "--folds", type=Path, help="nets of the folds: each on its left-out sequence"
    )
    parser.add_argument("--pictures", type=Path, help="write contact sheets with boxes here")
    parser.add_argument("--write", action="store_true", help="into MODEL_CARD.md and model.toml")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    columns = {"int8": examined(options.bundle, options.data, TEST_SEQUENCES)}
    columns["int8"] |= agreement(options.bundle, options.data)
    with tempfile.TemporaryDirectory() as folder:
        if options.float:
            other = with_model(options.bundle, options.float, Path(folder, "float"))
            columns["float"] = examined(other, options.data, TEST_SEQUENCES)
        table = figures.table(columns)
        print(table)
        if options.write:
            bundle.put_figures(options.bundle, table)
            bundle.add_metrics(options.bundle, figures.rounded(columns["int8"]))
        if options.folds:
            table = examine_screws.folds_table(options.bundle, options.folds, options.data)
            print(table)
            if options.write:
                put_folds(options.bundle, table)
    if options.pictures:
        contact_sheets.write(
            load_model(options.bundle).picture_runner(), options.data, options.pictures
        )


if __name__ == "__main__":
    main()
