"""A video file into frames, by OpenCV's FFmpeg with one thread.

For those who want every frame of a file at once; a lane's source is in `capture`.  One thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".gif", ".webm", ".m4v"})


def read_video(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame in order, (height, width, 3) BGR.

    Raises `ItemError` when FFmpeg cannot open the file; and, after the last frame that there is,
    when the header promises many more.
    """
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise ItemError(f"{path}: not a video that FFmpeg can open")
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        count = 0
        while True:
            ok, pixels = capture.read()
            if not ok:
                break
            count += 1
            yield pixels  # type: ignore[misc]
        missing = promised - count
        if count == 0 or missing > max(2, count // 20):  # containers are often off by one or two
            raise ItemError(
                f"{path}: ends after {count} frames, its header promises {max(0, missing)} more: "
                "the file is cut off or damaged"
            )
    finally:
        capture.release()
