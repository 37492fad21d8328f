"""A picture as a point: numbers to compare with others'.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edge_runtime.inference.decoders.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.pictures.placement import Placement

LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class Embedding:
    """The first output as `Answer.values`; no label has a score."""

    unit_length: bool = True
    reads_input: ClassVar[bool] = False

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """As in `PictureDecoder`."""
        count = int(np.prod(shapes[0]))
        return "" if len(shapes) == 1 and 1 < count <= LONGEST else "one output [1, n]"

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """As in `PictureDecoder`."""
        del placement
        values = outputs[0].ravel().astype(np.float64)
        length = float(np.sqrt(values @ values))
        if self.unit_length and length > 0.0:
            values = values / length
        return Answer(scores=(), values=tuple(values.tolist()))
