"""Teaching the keyword network: batches of the bank, changed once more, averaged weights."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from tools.train import keywords_bank
from tools.train.speech_data import SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tools.train.keywords_network import Net

BATCH = 64
WEIGHT_DECAY = 1e-2
AVERAGED = 0.9985
"""Of the running mean of the weights, which is what is kept."""
EXPLAINING = 0.3
"""Weight of the teacher's embedding beside its answer."""
NEPER_DB = 8.686
MIXED = 0.25
"""Share of the batch that is two sounds at once."""


@dataclass(frozen=True)
class Round:
    """Steps under one rate that rises, then falls to nothing."""

    steps: int
    rate: float
    gentle: float
    """Share of the steps, at the start, without gaps and mixtures: the words first."""
    seed: int
    noisier: float = 0.0
    """Share of the sounds that get more noise, level with the speech in every mel."""
    in_a_room: bool = False
    """On the shards from `keywords_bank.FIRST_IN_A_ROOM` on, and from the mean of the other rounds.

    The other rounds are on the shards before, one after the other.
    """


ROUNDS = (
    Round(7000, 2.5e-3, 0.2, SEED),
    Round(2800, 1.5e-3, 0.0, SEED + 1, noisier=0.5),
    Round(3000, 1.5e-3, 0.0, SEED + 2, noisier=0.5, in_a_room=True),
)


@dataclass
class Lessons:
    """The bank in memory."""

    features: torch.Tensor
    """(n, hearings, 49, 40) float16."""
    target: torch.Tensor
    embedding: torch.Tensor
    taught: torch.Tensor
    noise: torch.Tensor
    """(m, 49, 40) float16: what was heard where nobody spoke."""

    def __len__(self) -> int:
        return len(self.target)


def lessons(files: Iterable[Path]) -> Lessons:
    """All shards; the embedding brought to a mean of 0 and a deviation of 1."""
    shards = [keywords_bank.load(file) for file in files]
    features = np.concatenate([shard.features for shard in shards])
    features = features.reshape(-1, keywords_bank.HEARD_EACH, *features.shape[1:])
    embedding = np.concatenate([shard.embedding for shard in shards]).astype(np.float32)
    taught = np.concatenate([shard.taught for shard in shards])
    mean, deviation = embedding[taught].mean(0), embedding[taught].std(0) + 1e-3
    return Lessons(
        torch.from_numpy(features),
        torch.from_numpy(np.concatenate([shard.target for shard in shards])),
        torch.from_numpy(((embedding - mean) / deviation).astype(np.float16)),
        torch.from_numpy(taught),
        torch.from_numpy(features[~taught].reshape(-1, *features.shape[2:])),
    )


def changed(x: torch.Tensor, rng: torch.Generator, *, gaps: bool = True) -> torch.Tensor:
    """(n, 49, 40) as heard through other microphones, by higher and lower voices, with gaps.

    Another microphone is a smooth curve over the mels; a higher voice a shift by up to two mels.
    """
    n, frames, mels = x.shape

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=rng)

    place = torch.arange(mels) / mels * math.pi
    for wave in range(1, 4):
        curve = torch.cos(wave * place + draw(n, 1) * 2 * math.pi) * (draw(n, 1) * 0.6)
        x = x + (curve * (draw(n, 1) < 0.6))[:, None, :]
    x = x + (draw(n, 1, 1) - 0.5) * 1.0
    shift = (draw(n, 1) * 5).floor().long() - 2
    shift = torch.where(draw(n, 1) < 0.4, shift, torch.zeros_like(shift))
    source = (torch.arange(mels)[None] + shift).clamp(0, mels - 1)
    x = torch.gather(x, 2, source[:, None, :].expand(n, frames, mels))
    return with_gaps(x, rng) if gaps else x


def in_more_noise(
    x: torch.Tensor, noise: torch.Tensor, rng: torch.Generator, share: float
) -> torch.Tensor:
    """Some of (n, 49, 40) in more noise, of any colour, 18 dB under the speech to 3 dB over it.

    The decibels are between the means over all mels, of the noise and of the loudest quarter of a
    second: told by power alone, noise that rumbles would hardly reach the mels that tell words.
    """
    n, _, mels = x.shape

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=rng)

    other = noise[torch.randint(len(noise), (n,), generator=rng)].float()
    place = torch.arange(mels)[None] / mels
    colour = (draw(n, 1) * 5 - 1.5) * place
    for wave in range(1, 5):
        colour = colour + torch.cos((wave * place + draw(n, 1) * 2) * math.pi) * draw(n, 1)
    other = other + colour[:, None, :]
    loudest = x.mean(2).topk(12, 1).values.mean(1)
    under = (draw(n) * 21 - 3) / NEPER_DB
    other = other + (loudest - other.mean((1, 2)) - under)[:, None, None]
    both = 0.5 * torch.logaddexp(2 * x, 2 * other)
    return torch.where(draw(n, 1, 1) < share, both, x)


def with_gaps(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Stripes of time and of mels at the sound's own mean, half of the time each."""
    n, frames, mels = x.shape

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=rng)

    middle = x.mean((1, 2), keepdim=True)
    for axis, size, widest in ((1, frames, 8), (1, frames, 8), (2, mels, 7), (2, mels, 7)):
        width = (draw(n, 1) * (widest + 1)).floor()
        start = (draw(n, 1) * (size - width)).floor()
        at = torch.arange(size)[None]
        stripe = (at >= start) & (at < start + width) & (draw(n, 1) < 0.5)
        stripe = stripe[:, :, None] if axis == 1 else stripe[:, None, :]
        x = torch.where(stripe, middle, x)
    return x


def batch(
    all_of: Lessons, index: torch.Tensor, rng: torch.Generator, *, gentle: bool, noisier: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features, target, embedding and its weight, for the clean sounds at `index`."""
    which = torch.randint(keywords_bank.HEARD_EACH, (len(index),), generator=rng)
    x = all_of.features[index, which].float()
    if noisier:
        x = in_more_noise(x, all_of.noise, rng, noisier)
    x = changed(x, rng, gaps=not gentle)
    target, embedding = all_of.target[index], all_of.embedding[index].float()
    weight = all_of.taught[index].float()
    if gentle:
        return x, target, embedding, weight
    other = torch.randperm(len(index), generator=rng)
    share = torch.rand(len(index), generator=rng) * 0.4
    share = torch.where(torch.rand(len(index), generator=rng) < MIXED, share, torch.zeros(1))
    louder, quieter = torch.log1p(-share)[:, None, None], torch.log(share + 1e-9)[:, None, None]
    x = torch.logaddexp(x + louder, x[other] + quieter)
    target = target + share[:, None] * (target[other] - target)
    embedding = embedding + share[:, None] * (embedding[other] - embedding)
    return x, target, embedding, weight * torch.where(share > 0, weight[other], torch.ones(1))


def learn(
    net: Net,
    all_of: Lessons,
    *,
    plan: Round,
    told: Callable[[int, Net], None],
    tell_every: int,
) -> Net:
    """The averaged network after one round.  `told` is shown the average now and then."""
    rng = torch.Generator().manual_seed(plan.seed)
    torch.manual_seed(plan.seed)
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=WEIGHT_DECAY)
    net.train()
    order = torch.randperm(len(all_of), generator=rng)
    at = 0
    for step in range(plan.steps):
        if at + BATCH > len(order):
            order, at = torch.randperm(len(all_of), generator=rng), 0
        gentle = step < plan.gentle * plan.steps
        x, target, embedding, weight = batch(
            all_of, order[at : at + BATCH], rng, gentle=gentle, noisier=plan.noisier
        )
        at += BATCH
        rise = min(1.0, (step + 1) / 300)
        fall = 0.5 + 0.5 * math.cos(math.pi * step / plan.steps)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * rise * fall
        logits, explained = net(x)
        wrong = -(target * functional.log_softmax(logits, 1)).sum(1).mean()
        apart = ((explained - embedding) ** 2).mean(1)
        loss = wrong + EXPLAINING * (apart * weight).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        keep = min(AVERAGED, (step + 1) / (step + 10))
        with torch.no_grad():
            mine, theirs = average.state_dict(), net.state_dict()
            for name, value in mine.items():
                if value.dtype.is_floating_point:
                    value.lerp_(theirs[name], 1 - keep)
        if step % tell_every == tell_every - 1:
            print(f"step {step + 1}: loss {float(loss.detach()):.3f}", end=" ", flush=True)
            told(step + 1, average)
    return average


def mean_of(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of several networks' weights; what is not a real number is the first's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(0)
        if value.dtype.is_floating_point
        else value
        for name, value in states[0].items()
    }
