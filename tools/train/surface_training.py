"""How surface-defect is trained: made pictures; ball screws as well; then with int8 in the loop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tools.train.surface_batches import Made, Real, made_batch, real_batch, targets
from tools.train.surface_net import CELL, Folded, Net

if TYPE_CHECKING:
    from pathlib import Path

    from tools.train.ballscrews import Photograph


@dataclass(frozen=True)
class Course:
    """One run of batches, the learning rate up to `rate` and down to nothing."""

    steps: int
    rate: float
    made: int
    """Made crops in a batch."""
    real: tuple[int, int, int]
    """Crops of ball screws: with a pit, with one laid in, clean."""
    side: int
    """Of a crop, in pixels."""
    average: float = 0.0
    """What comes out is the mean of the weights, each step's counting this much less."""


MADE = Course(2000, 3e-3, 24, (0, 0, 0), 192)
MIXED = Course(900, 1.5e-3, 10, (5, 4, 7), 192)
LONG = Course(2800, 1.5e-3, 6, (2, 2, 3), 160)
SHORT = Course(1200, 1.5e-3, 4, (3, 2, 3), 160)
"""For the folds, in place of MIXED and LONG."""
PLAIN = Course(1400, 1.5e-3, 9, (2, 1, 2), 160)
"""More of made pictures."""
LAST = Course(1800, 1.5e-3, 8, (2, 1, 3), 160)
PRINT = Course(1700, 1.5e-3, 10, (2, 1, 3), 160)
FINAL = Course(1800, 1e-3, 8, (3, 2, 5), 160, average=0.998)
METAL = Course(1500, 1.2e-3, 14, (2, 2, 4), 160, average=0.998)
CLOSING = Course(2000, 1e-3, 12, (3, 2, 4), 160, average=0.9985)
ROUNDED = Course(0, 1e-4, 6, (2, 2, 3), 160)
"""Steps 0: 80 of them cost 3 points of image AUC, rounding after training none."""
HARD_SHARE, HARD_WEIGHT = 0.02, 0.25
"""Of the clean cells the worst ones count once more: the worst cell decides on a picture."""
MEASURED = 24
"""Batches to measure the norms of a mean of nets on."""
REFRESH, LOOKED_AT, MADE_LOOKED_AT = 400, 60, 200
"""Every so many steps that many clean pictures are searched for what the net takes for defects."""


def cell_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    positive, clean = target > 0.5, (target < 0.5) & (weight > 0)
    loss = logits.new_zeros(())
    if positive.any():
        loss = loss + each[positive].mean()
    weighted = each[clean] * weight[clean]
    hard = torch.topk(weighted, max(1, int(weighted.numel() * HARD_SHARE))).values
    return loss + weighted.mean() * 3 + HARD_WEIGHT * hard.mean()


def fit(
    net: nn.Module,
    rng: np.random.Generator,
    made: Made,
    real: Real,
    course: Course,
) -> None:
    """Train by one course."""
    net.train()
    steps, rate = course.steps, course.rate
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.2
    )
    total, begin = 0.0, time.monotonic()
    mean = {k: v.detach().clone() for k, v in net.state_dict().items()} if course.average else {}
    for step in range(steps):
        if any(course.real) and step % REFRESH == 0:
            chosen = rng.permutation(len(real.clean))[:LOOKED_AT]
            real.hard |= hard_spots(net, [real.clean[i] for i in chosen])
            made.hard = hard_made(net, rng, made)
            net.train()
        pairs = made_batch(rng, made, course.made, course.side)
        pairs += real_batch(rng, real, course.real, course.side)
        pixels = torch.from_numpy(np.stack([p for p, _ in pairs])[:, None].astype(np.float32))
        target, weight = (
            torch.from_numpy(a)[:, None] for a in targets(np.stack([m for _, m in pairs]))
        )
        loss = cell_loss(net(pixels), target, weight)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        for key, value in net.state_dict().items() if mean else ():
            if value.is_floating_point():
                mean[key].lerp_(value.detach(), 1 - course.average)
        total += loss.item()
        if step % 100 == 99:
            took = time.monotonic() - begin
            print(f"step {step + 1}/{steps}: loss {total / 100:.4f}, {took:.0f} s", flush=True)
            total = 0.0
    if mean:
        net.load_state_dict(mean)


@torch.no_grad()
def cells_of(net: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """(h, w) uint8 to the logits of its cells, its border repeated up to whole cells."""
    height, width = pixels.shape
    grown = np.pad(pixels, ((0, -height % CELL), (0, -width % CELL)), mode="edge")
    return net(torch.from_numpy(grown[None, None].astype(np.float32)))[0, 0].numpy()


def hard_spots(net: nn.Module, photos: list[Photograph]) -> dict[str, np.ndarray]:
    """The three worst cells of each clean picture."""
    net.eval()
    found = {}
    for photo in photos:
        cells = cells_of(net, photo.pixels)
        open_ = photo.mask[CELL // 2 :: CELL, CELL // 2 :: CELL] > 0
        cells = cells.copy()
        cells[: open_.shape[0], : open_.shape[1]][open_] = -99
        worst = np.argsort(cells.ravel())[-3:]
        y, x = np.unravel_index(worst, cells.shape)
        found[photo.file] = np.stack([x, y], 1) * CELL + CELL / 2.0
    return found


@torch.no_grad()
def hard_made(net: nn.Module, rng: np.random.Generator, made: Made) -> np.ndarray:
    """The two worst clean cells of some made pictures, where they are over a half."""
    net.eval()
    found = []
    for index in rng.permutation(len(made.pictures))[:MADE_LOOKED_AT]:
        cells = cells_of(net, made.pictures[index])
        _, weight = targets(made.masks[index][None])
        positive = np.where(weight[0] == 1, cells, -99.0)
        positive[targets(made.masks[index][None])[0][0] > 0] = -99
        for at in np.argsort(positive.ravel())[-2:]:
            if positive.ravel()[at] > 0:
                y, x = divmod(int(at), cells.shape[1])
                found.append((index, y * CELL + CELL // 2, x * CELL + CELL // 2))
    return np.array(found, int).reshape(-1, 3)


@torch.no_grad()
def mean_of(
    paths: list[Path], rng: np.random.Generator, made: Made, real: Real, course: Course
) -> Net:
    """The net whose weights are the mean of those that are kept there; its norms measured anew."""
    kept = [torch.load(path) for path in paths]
    net = fresh(0)
    net.load_state_dict({key: sum(k[key] for k in kept) / len(kept) for key in kept[0]})
    for norm in net.norms:
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
    net.train()
    for _ in range(MEASURED):
        pairs = made_batch(rng, made, course.made, course.side)
        pairs += real_batch(rng, real, course.real, course.side)
        net(torch.from_numpy(np.stack([p for p, _ in pairs])[:, None].astype(np.float32)))
    for norm in net.norms:
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 0.1
    return net


def fresh(seed: int) -> Net:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    return Net().to(memory_format=torch.channels_last)


def quantised(
    net: Net,
    rng: np.random.Generator,
    made: Made,
    real: Real,
    course: Course,
) -> Folded:
    """The net on integers: ranges fixed, then trained on with the rounding in the loop."""
    folded = Folded(net.eval())
    pairs = made_batch(rng, made, 64, 192) + real_batch(rng, real, (16, 8, 24), 192)
    pictures = np.stack([p for p, _ in pairs])[:, None].astype(np.float32)
    folded.calibrate([torch.from_numpy(pictures[i : i + 16]) for i in range(0, len(pictures), 16)])
    if course.steps:
        fit(folded, rng, made, real, course)
    return folded.eval()
