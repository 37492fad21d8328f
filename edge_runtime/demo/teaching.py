"""The demo's first step: the shipped model is taught the demo's parts, as a user would do it.

Good and bad pictures of other parts than those on the belt, drawn from another seed, go through
``edge-runtime models tune``: in seconds, on this box, without any training package.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import NoInput

if TYPE_CHECKING:
    from pathlib import Path

BASE, NAME = "surface-defect", "belt-parts"
PICTURES, SEED = 96, 11
BAD_EVERY = 3
AT_MOST_S = 120


def draw_pictures(folder: Path) -> None:
    """``ok/`` and ``ng/`` in `folder`: `PICTURES` JPEGs, every third part scratched."""
    import cv2
    import numpy as np

    from edge_runtime.sample_station.belt import draw_part

    rng = np.random.default_rng(SEED)
    for name in ("ok", "ng"):
        (folder / name).mkdir(parents=True)
    for part in range(PICTURES):
        drawn = draw_part(rng, part, scratched=part % BAD_EVERY == 1)
        name = "ng" if drawn.scratches else "ok"
        path = folder / name / f"part_{part:02}.jpg"
        if not cv2.imwrite(str(path), drawn.pixels):
            raise NoInput(f"{path}: cannot be written")


def teach(folder: Path) -> dict[str, Any]:
    """The bundle `NAME` in ``folder/models``; what ``models tune --json`` told.

    Raises `NoInput` with what it said instead.
    """
    pictures = folder / "pictures"
    draw_pictures(pictures)
    options = ["--ok", pictures / "ok", "--ng", pictures / "ng", "--as", NAME]
    command = ["models", "tune", BASE, *options, "--models-dir", folder / "models", "--json"]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "edge_runtime", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=AT_MOST_S,
        check=False,
    )
    if done.returncode != 0:
        raise NoInput(f"the model could not be taught: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
