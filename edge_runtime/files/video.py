"""A video file into frames, by OpenCV's FFmpeg with one thread.

For those who want every frame of a file at once; a lane's source is in `capture`.  One thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.files.naming import as_text, printable
from edge_runtime.files.regular import not_a_file, other_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".gif", ".webm", ".m4v"})


def read_video(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame in order, (height, width, 3) BGR.

    Raises `ItemError` when it is no file or cannot be opened; and, after the last frame that there
    is, when the header promises many more.
    """
    import cv2

    name = printable(path)
    if problem := why_unopenable(path):
        raise ItemError(problem)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise ItemError(f"{name}: not a video that FFmpeg can open")
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
                f"{name}: ends after {count} frames, its header promises {max(0, missing)} more: "
                "the file is cut off or damaged"
            )
    finally:
        capture.release()


def why_unopenable(path: Path) -> str:
    """Why OpenCV must not be given `path`, one line with its name; empty when it may.

    It crashes the process over a name that is not UTF-8, and waits for ever for a pipe.
    """
    if as_text(path) != str(path):
        return f"{printable(path)}: its name is not UTF-8; rename it"
    try:
        kind = other_kind(path.stat().st_mode)
    except (OSError, ValueError):
        return ""  # not there: told by who opens it
    return not_a_file(path, kind) if kind else ""
