"""What a live camera gives, whichever way it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.types import Stamp

EARLY = 0.8
"""A read that fails in less than this share of its time-out was not a stall."""


class Picture(NamedTuple):
    """One picture as it was handed over."""

    pixels: NDArray[np.uint8]
    """(height, width, 3) BGR, in its own size."""
    captured: Stamp
    """When it was taken, as far as the source tells; else when it was handed over."""
    handed: Stamp
    is_exposure: bool = False
    """`captured` is the exposure's own time."""
    encoded: bytes | None = None
    """The compressed picture as the camera gave it; None where there was none."""


class Feed(Protocol):
    """One way to a camera.  Owned by the ``capture`` thread; no message has an address in it."""

    def open(self) -> None:
        """Open within ``open_timeout_s``.  Raises `SourceUnavailable`."""
        ...

    def read(self) -> Picture | None:
        """The next picture within ``read_timeout_s``; None: not yet, and nothing is wrong.

        Raises `SourceUnavailable`, and `ItemError` for a picture that cannot be judged.
        """
        ...

    def close(self) -> None:
        """Let go of the camera.  Idempotent."""
        ...
