"""Output tensors into answers.  Pure: no engine, no thread; one module a kind of output."""

from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.inference.decoders.choosing import picture_decoder
from edge_runtime.inference.decoders.classification import Classification, activated, ranked
from edge_runtime.inference.decoders.decoder import PictureDecoder
from edge_runtime.inference.decoders.numbers import number_decoder

__all__ = [
    "Answer",
    "Classification",
    "PictureDecoder",
    "activated",
    "number_decoder",
    "picture_decoder",
    "ranked",
]
