"""A video file through OpenCV, which does not say what its decoder reports of damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.capture import opencv

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class OpenCvFile:
    """Satisfies `recording.Recording`."""

    def __init__(self, path: Path) -> None:
        """Open; `is_open` tells whether it is a video."""
        self._capture = opencv.open_file(path)

    @property
    def is_open(self) -> bool:
        """As `recording.Recording`."""
        return bool(self._capture.isOpened())

    @property
    def size_px(self) -> tuple[int, int]:
        """As `recording.Recording`."""
        return opencv.size_px(self._capture)

    @property
    def frame_count(self) -> int:
        """As `recording.Recording`."""
        return opencv.frame_count(self._capture)

    @property
    def frames_per_s(self) -> float | None:
        """As `recording.Recording`."""
        return opencv.frames_per_s(self._capture)

    @property
    def is_at_end(self) -> bool:
        """Not known."""
        return False

    @property
    def hole(self) -> str:
        """Not heard."""
        return ""

    @property
    def is_key(self) -> bool:
        """Not known."""
        return True

    @property
    def is_damaged(self) -> bool:
        """Not heard."""
        return False

    def grab(self) -> bool:
        """As `recording.Recording`."""
        return bool(self._capture.grab())

    def retrieve(self) -> NDArray[np.uint8] | None:
        """As `recording.Recording`."""
        ok, pixels = self._capture.retrieve()
        return np.asarray(pixels) if ok and pixels is not None else None

    def close(self) -> None:
        """As `recording.Recording`."""
        self._capture.release()
