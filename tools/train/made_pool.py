"""Made pictures kept on disk, so that trainings share them: a hundred for each seed.

python -m tools.train.made_pool --out FOLDER --first SEED --hundreds 50
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tools.train import surfaces

TRAIN, VALIDATION, TEST = 20_261_127, 21_261_127, 22_261_127
"""First seeds: training, validation (thresholds) and test pictures come from different ones."""


def hundred(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(100, 320, 320) uint8 pictures and their masks (255 plain, 128 faint, 0 no defect)."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    made = [surfaces.make(rng) for _ in range(100)]
    return np.stack([picture for picture, _ in made]), np.stack([mask for _, mask in made])


def pool(folder: Path, first: int, hundreds: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and masks of `hundreds` seeds; drawn where the folder does not have them.

    They are left on disk and looked at through memory, so that trainings share them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = [folder / f"{kind}_{first}_{hundreds}.npy" for kind in ("pictures", "masks")]
    if not all(path.exists() for path in kept):
        made = [hundred(seed) for seed in range(first, first + hundreds)]
        for index, path in enumerate(kept):
            part = path.with_suffix(".part.npy")
            np.save(part, np.concatenate([pair[index] for pair in made]))
            part.rename(path)
    return np.load(kept[0], mmap_mode="r"), np.load(kept[1], mmap_mode="r")
