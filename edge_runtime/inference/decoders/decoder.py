"""What every decoder of pictures promises, and checks that several share.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.decoders.answer import Answer
    from edge_runtime.inference.pictures.placement import Placement

HIGHEST_SCORE = 1.5
"""Above it a score is no rounding error of a quantised probability, but something else."""


class PictureDecoder(Protocol):
    """Outputs of one picture into an answer.  Pure; any thread."""

    @property
    def reads_input(self) -> bool:
        """Whether the input tensor, as real numbers, is wanted behind the outputs."""
        ...

    def mismatch(self, shapes: Sequence[Sequence[int]]) -> str:
        """What the decoder wants, when the outputs of a real run do not have it; else empty."""
        ...

    def decode(self, outputs: Sequence[NDArray[np.float32]], placement: Placement) -> Answer:
        """`outputs` as the manifest orders them; raises `ItemError` for what cannot be read."""
        ...


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """`scores` cut to 0..1.  Raises `ItemError` for numbers that cannot be probabilities."""
    if scores.size and (scores.max() > HIGHEST_SCORE or scores.min() < 1.0 - HIGHEST_SCORE):
        raise ItemError(
            f"the model's scores reach from {scores.min():.3g} to {scores.max():.3g} and are no "
            "probabilities; correct output.activation in model.toml"
        )
    return np.clip(scores, 0.0, 1.0)


def label_indices(ids: NDArray[np.float32], first: int, labels: int) -> NDArray[np.intp]:
    """Class ids into indices of labels.  Raises `ItemError` for one that no label has."""
    indices = np.rint(ids).astype(np.intp) - first
    wrong = (indices < 0) | (indices >= labels) | (np.abs(ids - np.rint(ids)) > 1e-3)
    if wrong.any():
        raise ItemError(
            f"the model named class {ids[wrong][0]:g}; the manifest's {labels} labels are classes "
            f"{first} to {first + labels - 1}"
        )
    return indices
