"""Decoders for a stream's pictures, one picture at a time; which one is there.

PyAV hears what the decoder says of damage; OpenCV does not.  Either is owned by the ``capture``
thread.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    More = Callable[[], "tuple[bytes, int] | None"]
    """The next picture's data and its key, for a decoder that cannot show one without; None where
    none may follow without `begin`."""

UNHEARD = (
    "what the decoder says of damaged pictures is not heard without the extra 'video' "
    "(pip install edge-runtime[video])"
)


class Decoded(NamedTuple):
    """A picture, and what the decoder says of it."""

    key: int
    """The number that its data were given with."""
    pixels: NDArray[np.uint8] | None
    """(height, width, 3) BGR; None where nothing can be shown."""
    damage: str = ""
    """What is wrong with it; empty when nothing is."""


class Decoder(Protocol):
    """Compressed pictures in, pixels out."""

    def decode(self, data: bytes, key: int, more: More) -> list[Decoded]:
        """A whole picture's data; gives what can be shown by now: usually this one.

        `key`: rises in the order in which pictures are shown.  What `more` raises passes through.
        Raises `SourceUnavailable` for pictures that are too large.
        """
        ...

    def begin(self) -> None:
        """Forget all that was before: a key picture follows."""
        ...

    def close(self) -> None:
        """Let go of it.  Idempotent."""
        ...


def hears_damage() -> bool:
    """Whether PyAV is installed.  Imports nothing."""
    return find_spec("av") is not None


def open_decoder(codec: str) -> Decoder:
    """`codec`: ``h264`` or ``hevc``."""
    if hears_damage():
        from edge_runtime.capture.pyav import PyAvDecoder

        return PyAvDecoder(codec)
    from edge_runtime.capture.opencv_stream import OpenCvDecoder

    return OpenCvDecoder(codec)
