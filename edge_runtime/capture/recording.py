"""What a video file gives, whichever library reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_runtime.capture.decoders import hears_damage

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Recording(Protocol):
    """An open video file.  Owned by the ``capture`` thread."""

    @property
    def is_open(self) -> bool:
        """False for what is no video."""
        ...

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) as the container tells."""
        ...

    @property
    def frame_count(self) -> int:
        """How many frames the container tells of; 0 when it does not."""
        ...

    @property
    def frames_per_s(self) -> float | None:
        """The recording's rate; None when it tells none that can be."""
        ...

    @property
    def is_at_end(self) -> bool:
        """Nothing more will come; False where that is not known."""
        ...

    @property
    def hole(self) -> str:
        """What the container's reader reported as missing before the frame that was grabbed last.

        Empty where that is not heard, or nothing was.
        """
        ...

    @property
    def is_key(self) -> bool:
        """The frame that was grabbed last needs no other; True where that is not known."""
        ...

    @property
    def is_damaged(self) -> bool:
        """The decoder reports damage in the frame that was grabbed last, if it can be heard."""
        ...

    def grab(self) -> bool:
        """Decode the next frame; False where something cannot be decoded, and at the end."""
        ...

    def retrieve(self) -> NDArray[np.uint8] | None:
        """The frame that was grabbed last, (height, width, 3) BGR; None where there is none."""
        ...

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        ...


def open_recording(path: Path) -> Recording:
    """By PyAV where it is installed, else by OpenCV; ask its `is_open`."""
    if hears_damage():
        from edge_runtime.capture.pyav import PyAvFile

        return PyAvFile(path)
    from edge_runtime.capture.opencv_recording import OpenCvFile

    return OpenCvFile(path)
