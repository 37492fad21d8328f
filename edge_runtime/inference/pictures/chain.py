"""One model after another: a detector, whose boxes are cut out and shown to the next.

detector -> its best boxes, each with a margin -> next model on each crop -> ... -> one answer

A chain is a runner like any other, so a region of interest, rules and a lane need not know of it.
What it answers is in pixels of the whole picture.  Whatever a step cannot judge is the whole
chain's failure: a part of which one piece was not looked at is not a good part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.answering import checked_picture
from edge_runtime.types import Inference, Region, Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.protocols import PictureRunner

MOST_CROPS = 16
"""The best boxes of a picture that are looked at."""
MARGIN = 0.1
"""Of a box's width and height, added on each side: detectors cut close."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A box of the first model and what the rest said of its crop."""

    region: Region
    crop: Box
    answer: Inference


class ChainRunner:
    """Satisfies `protocols.PictureRunner`.  Owned by one thread, as its runners are.

    ``model`` and sha256 are the last step's, ``steps`` are all.  ``scores``: of each label the
    highest of all crops.  ``regions``: each box with the best label and score that the next model
    gave to its crop, and that model's own regions; the best first.  No heat and no tiles.
    """

    def __init__(
        self,
        first: PictureRunner,
        *rest: PictureRunner,
        margin: float = MARGIN,
        most_crops: int = MOST_CROPS,
    ) -> None:
        """`rest`: at least one.  `margin`: of a box's sides.  Raises `ValueError` without one."""
        if not rest:
            raise ValueError("a chain has at least two steps")
        self._first = first
        self._next: PictureRunner = rest[0]
        if len(rest) > 1:
            self._next = ChainRunner(*rest, margin=margin, most_crops=most_crops)
        self._margin, self._most_crops = margin, most_crops

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR picture.

        Raises `ItemError`, also when the first model found nothing to look at.
        """
        pixels = checked_picture(pixels)
        found = self._first.frame(pixels)
        best = sorted(found.regions, key=lambda region: -region.score)[: self._most_crops]
        if not best:
            raise ItemError("the detector found nothing to look at")
        return _answer(found, [self._look(pixels, region) for region in best])

    def _look(self, pixels: NDArray[np.uint8], region: Region) -> _Seen:
        height, width = pixels.shape[:2]
        x0, y0, x1, y1 = crop = crop_of(region, width, height, self._margin)
        return _Seen(region, crop, self._next.frame(np.ascontiguousarray(pixels[y0:y1, x0:x1])))


def chain_of(models: Sequence[LoadedModel]) -> ChainRunner:
    """A chain for one thread.

    Raises `ModelError` for a model that takes no pictures, and for one that finds no regions
    anywhere but at the end.
    """
    for model in models[:-1]:
        if not gives_regions(model):
            raise ModelError(
                f"{model.manifest.id}: finds no regions that the next model of a chain could look "
                f"at; only the last one may be of task {model.manifest.task}"
            )
    first, *rest = (model.picture_runner() for model in models)
    return ChainRunner(first, *rest)


def gives_regions(model: LoadedModel) -> bool:
    """Whether its answers have boxes to cut out."""
    return model.manifest.task in ("detection", "segmentation", "tile-classification", "anomaly")


def expected_ms(models: Sequence[LoadedModel]) -> float:
    """How long a chain may take for one picture, in ms: every step but the first on each crop."""
    total_ms, crops = 0.0, 1
    for model in models:
        total_ms += crops * model.expected_ms()
        crops *= MOST_CROPS
    return total_ms


def crop_of(region: Region, width: int, height: int, margin: float) -> Box:
    """The region with its margin, inside a picture of this size in pixels; at least one pixel."""
    aside = round((region.x1 - region.x0) * margin)
    above = round((region.y1 - region.y0) * margin)
    x0 = min(max(0, region.x0 - aside), width - 1)
    y0 = min(max(0, region.y0 - above), height - 1)
    x1, y1 = min(width, region.x1 + aside), min(height, region.y1 + above)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _answer(found: Inference, seen: Sequence[_Seen]) -> Inference:
    last = seen[0].answer
    return Inference(
        model=last.model,
        model_sha256=last.model_sha256,
        scores=_highest(score for one in seen for score in one.answer.scores),
        regions=tuple(sorted(_regions(seen), key=lambda region: -region.score)),
        steps=(found.model, *(last.steps or (last.model,))),
        preprocess_ms=found.preprocess_ms + sum(one.answer.preprocess_ms for one in seen),
        infer_ms=found.infer_ms + sum(one.answer.infer_ms for one in seen),
    )


def _highest(scores: Iterable[Score]) -> tuple[Score, ...]:
    best: dict[str, float] = {}
    for score in scores:
        best[score.label] = max(score.score, best.get(score.label, score.score))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    return tuple(Score(label, value) for label, value in ranked)


def _regions(seen: Sequence[_Seen]) -> list[Region]:
    told = []
    for one in seen:
        if one.answer.scores:
            best = one.answer.scores[0]
            told.append(replace(one.region, label=best.label, score=best.score))
        left, top = one.crop[:2]
        told += [
            replace(
                inner,
                x0=inner.x0 + left,
                y0=inner.y0 + top,
                x1=inner.x1 + left,
                y1=inner.y1 + top,
            )
            for inner in one.answer.regions
        ]
    return told
