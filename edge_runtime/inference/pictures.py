"""Whole pictures into a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from edge_runtime.errors import ItemError
from edge_runtime.inference.answering import Stopwatch, checked_picture
from edge_runtime.inference.preprocess import Preprocess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.manifest import ImageInput
    from edge_runtime.types import Inference


class PictureRunner:
    """Satisfies `protocols.Runner` for ``image-classification``.  Owned by one thread."""

    def __init__(self, image: ImageInput, answering: Answering) -> None:
        """Make this thread's tables."""
        self._answering = answering
        self._preprocess = Preprocess(image, answering.input)

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR picture.  Raises `ItemError`."""
        watch = Stopwatch()
        tensor = self._preprocess.image(checked_picture(pixels))
        watch.ready()
        return self._answering.inference(self._answering.scores(tensor)[0], watch)

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> NoReturn:
        """Refused with `ItemError`."""
        del samples, rate_hz
        raise ItemError(f"model {self._answering.manifest.id} takes pictures, not sound")
