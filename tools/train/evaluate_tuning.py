"""What teaching surface-defect one's own pictures brings, on two makeshift users' folders.

    python -m tools.train.evaluate_tuning --data DATA [--bundle FOLDER]

Evaluation only: nothing that is made here is shipped.  User 1 has a ball-screw position that the
model has never seen; user 2 photographs phones, and wants scratches, not oil and stains, rejected.
Every third picture is held out by `tune` itself.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import cv2

from edge_runtime.tuning import tune
from tools.train.evaluate_surface import BUNDLE, PHONES, TEST_SEQUENCES
from tools.train.examine_screws import FOLDER


def ball_screws(data: Path) -> tuple[list[Path], list[Path]]:
    """(good, bad) pictures of the sequences that the model was not trained on."""
    with (data / FOLDER / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["sequence"] in TEST_SEQUENCES]
    found: dict[str, list[Path]] = {"ok": [], "defect": []}
    for row in rows:
        found[row["label"]].append(data / FOLDER / "images" / row["file"])
    return found["ok"], found["defect"]


def phones(data: Path) -> tuple[list[Path], list[Path]]:
    """(oil and stains, scratches)."""
    files = sorted((data / PHONES / "images").glob("*.jpg"))
    bad = [file for file in files if file.name.startswith("Scr")]
    return [file for file in files if file not in bad], bad


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        "| folder | learnt from | held out | AUC before | after | good passed | bad rejected | s |"
    )
    print("|---" * 8 + "|")
    with tempfile.TemporaryDirectory() as made:
        for name, (ok, ng) in {
            "ball-screw": ball_screws(options.data),
            "phones": phones(options.data),
        }.items():
            r = tune(options.bundle, ok, ng, Path(made, name), name=name)
            print(
                f"| {name} | {r.ok_learnt} + {r.ng_learnt} | {r.ok_held_out} + {r.ng_held_out} | "
                f"{r.auc_before:.3f} | {r.auc_after:.3f} | {r.ok_passed:.2f} | "
                f"{r.ng_rejected:.2f} | {r.seconds:.0f} |"
            )


if __name__ == "__main__":
    main()
