"""Whole pictures into any network that answers for the whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.inference.answering import Stopwatch, checked_picture
from edge_runtime.inference.decoders import picture_decoder
from edge_runtime.inference.engines.tensors import to_real
from edge_runtime.inference.pictures.fitting import picture_tensor_shape
from edge_runtime.inference.pictures.preprocess import Preprocess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.answering import Answering
    from edge_runtime.manifest import ImageInput
    from edge_runtime.types import Inference


class WholeRunner:
    """Satisfies `protocols.PictureRunner` for tasks on whole pictures.  Owned by one thread."""

    def __init__(self, image: ImageInput, answering: Answering) -> None:
        """Make this thread's tables."""
        self._answering = answering
        self._network = answering.network
        self._preprocess = Preprocess(image, self._network.input)
        self._shape = picture_tensor_shape(answering.manifest, self._network.input)
        self._decoder = picture_decoder(answering.manifest, self._network.outputs)

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR picture.  Raises `ItemError`."""
        watch = Stopwatch()
        pixels = checked_picture(pixels)
        tensor = self._preprocess.image(pixels)
        placement = self._preprocess.placement(pixels.shape[1], pixels.shape[0])
        watch.ready()
        outputs = self._network.run(tensor if self._shape is None else tensor.reshape(self._shape))
        if self._decoder.reads_input:
            outputs = [*outputs, to_real(tensor, self._network.input)]
        answer = self._decoder.decode(outputs, placement)
        return self._answering.inference(answer, watch)
