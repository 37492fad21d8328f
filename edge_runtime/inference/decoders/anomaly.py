"""How unlike the good ones a picture is, and where.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.decoders.maps import MapRules
    from edge_runtime.inference.pictures.placement import Placement


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Raw numbers to 0..1, the threshold to 0.5.  Without thresholds they stay as they are.

    n = clip((x - threshold) / (maximum - minimum) + 0.5, 0, 1), the min-max formula of Anomalib.
    A map may have a range of its own.
    """

    image_threshold: float | None = None
    pixel_threshold: float | None = None
    minimum: float = 0.0
    maximum: float = 1.0
    map_minimum: float | None = None
    map_maximum: float | None = None

    def image(self, raw: float) -> float:
        """A picture's score."""
        if self.image_threshold is None:
            return raw
        shifted = (raw - self.image_threshold) / (self.maximum - self.minimum) + 0.5
        return min(1.0, max(0.0, shifted))

    def pixels(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map, any shape."""
        threshold = self.image_threshold if self.pixel_threshold is None else self.pixel_threshold
        if threshold is None:
            return raw
        low = self.minimum if self.map_minimum is None else self.map_minimum
        high = self.maximum if self.map_maximum is None else self.map_maximum
        span = np.float32(high - low)
        with np.errstate(over="ignore"):  # a damaged model's: infinity is 1
            shifted = (raw - np.float32(threshold)) / span + np.float32(0.5)
        return np.asarray(np.clip(shifted, 0.0, 1.0), np.float32)


@dataclass(frozen=True, slots=True)
class AnomalyRules:
    """What both decoders share."""

    labels: tuple[str, ...]
    """The anomaly's; or the good ones', then the anomaly's."""
    normalisation: Normalisation
    maps: MapRules
    image_score: str
    """``max`` or ``mean`` of the raw map, where the model gives no score."""

    def answer(
        self, raw_score: float | None, raw_map: NDArray[np.float32] | None, placement: Placement
    ) -> Answer:
        """The model's score and (h, w) map, one of which may be missing."""
        if raw_score is None:
            assert raw_map is not None
            raw_score = float(raw_map.max() if self.image_score == "max" else raw_map.mean())
        score = self.normalisation.image(raw_score)
        scores = [Score(self.labels[-1], score)]
        if len(self.labels) == 2:
            scores.append(Score(self.labels[0], 1.0 - score))
        scores.sort(key=lambda one: -one.score)
        if raw_map is None:
            return Answer(scores=tuple(scores))
        values = self.normalisation.pixels(raw_map)
        mask = values >= np.float32(self.maps.mask_min)
        found = self.maps.regions(mask, values, self.labels[-1], placement)
        return Answer(
            scores=tuple(scores),
            regions=self.maps.best(found),
            heat=self.maps.heat(values, placement),
        )


@dataclass(frozen=True, slots=True)
class AnomalyMap:
    """A score and a map, in any order, or one of them; Anomalib's exports.

    Outputs of booleans, or named ``pred_label`` and ``pred_mask``, repeat the others cut at the
    model's own threshold and are not read: the thresholds of the rules are what decides here.
    """

    rules: AnomalyRules
    read: tuple[bool, ...]
    """Which of the outputs may be the score or the map."""
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        read = [shape for shape, is_read in zip(shapes, self.read, strict=True) if is_read]
        numbers = sum(int(np.prod(shape)) == 1 for shape in read)
        maps = sum(_map_size(shape) is not None for shape in read)
        if len(read) in (1, 2) and numbers <= 1 and maps <= 1 and numbers + maps == len(read):
            return ""
        return "a score [1], a map [1, 1, h, w], or both"

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        score, values = None, None
        for output, is_read in zip(outputs, self.read, strict=True):
            if not is_read:
                continue
            if output.size == 1:
                score = float(output.ravel()[0])
            elif (size := _map_size(output.shape)) is not None:
                values = output.reshape(size)
        if score is None and values is None:
            raise ItemError("the model gave neither a score nor a map")
        return self.rules.answer(score, values, placement)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """An autoencoder's picture against its input: mean squared difference of each pixel."""

    rules: AnomalyRules
    is_channels_last: bool
    reads_input: ClassVar[bool] = True

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`: `shapes` without the input's."""
        width, height = self.rules.maps.input_size
        want = [1, height, width] if self.is_channels_last else [1, width]
        given = list(shapes[0])
        fits = given == [1, height, width] or (
            len(given) == 4
            and (
                given[:3] == want
                if self.is_channels_last
                else given[0] == 1 and given[2:] == [height, width]
            )
        )
        return "" if len(shapes) == 1 and fits else "one output of the input's shape"

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`: the last of `outputs` is the input."""
        made, given = outputs
        if made.ndim == 3 and made.size == given.size:
            made = made.reshape(given.shape)
        if made.shape != given.shape:
            raise ItemError(f"the model made {list(made.shape)} of {list(given.shape)}")
        axis = 3 if self.is_channels_last else 1
        with np.errstate(over="ignore"):
            difference = np.clip(made, -1e9, 1e9) - given
            error = np.asarray((difference * difference).mean(axis=axis)[0], np.float32)
        return self.rules.answer(None, error, placement)


def _map_size(shape: Sequence[int]) -> tuple[int, int] | None:
    """(h, w) of a map with axes of 1 around it."""
    sides = [size for size in shape if size != 1]
    return (sides[0], sides[1]) if len(sides) == 2 else None
