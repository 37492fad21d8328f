"""A video file as a source: every frame once, in order, by OpenCV's FFmpeg with one thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.capture.pace import Pace
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

DEFAULT_FPS = 25.0
ITEM = "frame:"


class VideoFile:
    """Satisfies `protocols.Source[Frame]`.  Items are ``frame:0``, ``frame:1``, …

    With ``capture.live`` it plays at its own speed and is treated like a camera.
    """

    def __init__(
        self,
        source: str,
        path: str,
        settings: Capture,
        *,
        clock: Clock,
        resume_after: str | None = None,
    ) -> None:
        self._source = source
        self._path = Path(path)
        self._settings = settings
        self._clock = clock
        self._next = 0 if resume_after is None else int(resume_after.removeprefix(ITEM)) + 1
        self._capture: Any = None
        self._promised = 0
        self._fps = DEFAULT_FPS
        self._pace: Pace | None = None

    @property
    def live(self) -> bool:
        """Whether frames that nobody takes are dropped."""
        return self._settings.live

    def open(self) -> None:
        """Open, and go to behind the frame that was done last.  Raises `SourceUnavailable`."""
        import cv2

        if not self._path.is_file():
            raise SourceUnavailable(f"{self._path}: no such file; check source in the config")
        self._capture = cv2.VideoCapture(
            str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]
        )
        if not self._capture.isOpened():
            raise SourceUnavailable(
                f"{self._path}: not a video that FFmpeg can open; play it with ffplay to see why"
            )
        self._promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._fps = self._settings.fps or self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
        # Seeking by frame number is off by some frames in many files; grabbing is exact.
        for _ in range(self._next):
            if not self._capture.grab():
                break
        paced = self._settings.realtime or self._settings.live
        self._pace = Pace(self._clock) if paced else None

    def read(self) -> Frame | None:
        """The next frame.  Raises `SourceEnded`, and before it `ItemError` for a cut-off file."""
        ok, pixels = self._capture.read()
        if not ok:
            return self._end()
        index, self._next = self._next, self._next + 1
        if self._pace is not None:
            self._pace.wait_until(index / self._fps)
        pixels.flags.writeable = False
        return Frame(self._source, index, self._clock.stamp(), np.asarray(pixels), f"{ITEM}{index}")

    def close(self) -> None:
        """Let go of the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _end(self) -> Frame | None:
        missing, self._promised = self._promised - self._next, 0
        if missing > max(2, self._next // 20):  # containers are often off by a frame or two
            raise ItemError(
                f"{self._path}: ends after {self._next} frames, its header promises {missing} more: "
                "the file is cut off or damaged"
            )
        raise SourceEnded
