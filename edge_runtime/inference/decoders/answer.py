"""What a decoder made of a model's outputs: an `Inference` without the model's name and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.types import Region, Score, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Fields as in `types.Inference`."""

    scores: tuple[Score, ...]
    regions: tuple[Region, ...] = ()
    tiles: tuple[tuple[int, int, int, int, float], ...] = ()
    spans: tuple[Span, ...] = ()
    values: tuple[float, ...] = ()
    heat: NDArray[np.float32] | None = None
