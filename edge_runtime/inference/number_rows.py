"""Rows of numbers into a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.answering import Stopwatch
from edge_runtime.inference.decoders import number_decoder
from edge_runtime.inference.engines.tensors import to_dtype
from edge_runtime.inference.pictures.fitting import feature_tensor_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.manifest import NumbersInput
    from edge_runtime.types import Inference


class RowRunner:
    """Satisfies `protocols.NumbersRunner` for ``[numbers]``.  Owned by one thread."""

    def __init__(self, numbers: NumbersInput, answering: Answering) -> None:
        """`answering` is this runner's own."""
        self._spec = numbers
        self._answering = answering
        self._network = answering.network
        self._decoder = number_decoder(answering.manifest)
        self._shape = feature_tensor_shape(answering.manifest, self._network.input)

    def numbers(self, rows: NDArray[np.float32]) -> Inference:
        """Infer on (n, columns) numbers: a window every `hop` rows.  Raises `ItemError`.

        A model that remembers begins anew with each call.
        """
        watch = Stopwatch()
        spec = self._spec
        if rows.ndim != 2 or rows.shape[1] != spec.columns or len(rows) < spec.rows:
            raise ItemError(
                f"{list(rows.shape)} numbers; the model takes rows of {spec.columns}, "
                f"at least {spec.rows}"
            )
        if not np.isfinite(rows).all():
            raise ItemError("a number is NaN or infinity")
        real = rows.astype(np.float32, copy=False)
        starts = range(0, len(real) - spec.rows + 1, spec.hop)
        given = [real[at : at + spec.rows] for at in starts]
        tensors = [to_dtype(one, self._network.input).reshape(self._shape) for one in given]
        watch.ready()
        self._network.reset()
        made = [self._network.run(tensor)[0] for tensor in tensors]
        return self._answering.inference(self._decoder.answer(given, made), watch)
