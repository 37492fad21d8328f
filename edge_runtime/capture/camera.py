"""Cameras: V4L2 by path, RTSP and HTTP-MJPEG by URL, through OpenCV with time-outs on everything.

A read that fails ends the opening: the lane opens again, by the same stable name.  FFmpeg is given a
list of protocols, so that a URL cannot make it read files or other hosts' tricks.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import SourceUnavailable
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

_FFMPEG_OPTIONS = "protocol_whitelist;rtp,udp,tcp,tls,rtsp,rtsps,http,https|rtsp_transport;tcp"
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


class Camera:
    """Satisfies `protocols.Source[Frame]`, live."""

    def __init__(self, source: str, settings: Capture, *, clock: Clock) -> None:
        self._url = source
        self._source = redacted(source)
        self._settings = settings
        self._clock = clock
        self._capture: Any = None
        self._seq = 0
        self._last_crc = 0
        self._changed_ns = 0

    @property
    def live(self) -> bool:
        """Frames that nobody takes are dropped."""
        return True

    def open(self) -> None:
        """Open within ``open_timeout_s``.  Raises `SourceUnavailable`."""
        self._capture = self._open_v4l2() if self._is_v4l2 else self._open_url()
        if not self._capture.isOpened():
            self.close()
            raise SourceUnavailable(f"{self._source}: {self._why()}")
        self._changed_ns = self._clock.boottime_ns()

    def read(self) -> Frame | None:
        """The next frame within ``read_timeout_s``.  Raises `SourceUnavailable`."""
        ok, pixels = self._capture.read()
        if not ok or pixels is None:
            raise SourceUnavailable(
                f"{self._source}: no frame within {self._settings.read_timeout_s:g} s"
            )
        stamp = self._clock.stamp()
        self._check_fresh(pixels, stamp.boottime_ns)
        seq, self._seq = self._seq, self._seq + 1
        pixels.flags.writeable = False
        return Frame(self._source, seq, stamp, np.asarray(pixels))

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    @property
    def _is_v4l2(self) -> bool:
        return self._url.startswith("v4l2:")

    def _open_v4l2(self) -> Any:  # noqa: ANN401 - cv2
        # Read once, at the process's first capture, so set before it.
        seconds = str(max(1, round(self._settings.read_timeout_s)))
        os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = seconds
        os.environ["OPENCV_VIDEOIO_V4L_READ_ATTEMPTS"] = "1"
        import cv2

        device = self._url.removeprefix("v4l2:")
        if not os.path.exists(device):  # noqa: PTH110 - a device node, asked for by name
            raise SourceUnavailable(f"{self._source}: {self._why()}")
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        wanted = (
            (cv2.CAP_PROP_FRAME_WIDTH, self._settings.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, self._settings.height),
            (cv2.CAP_PROP_FPS, self._settings.fps),
        )
        for prop, value in wanted:
            if value is not None:
                capture.set(prop, value)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a driver's queue is a queue of stale frames
        return capture

    def _open_url(self) -> Any:  # noqa: ANN401 - cv2
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _FFMPEG_OPTIONS
        import cv2

        return cv2.VideoCapture(
            self._url,
            cv2.CAP_FFMPEG,
            [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                int(self._settings.open_timeout_s * 1000),
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                int(self._settings.read_timeout_s * 1000),
                cv2.CAP_PROP_N_THREADS,
                1,
            ],
        )

    def _check_fresh(self, pixels: Any, now_ns: int) -> None:  # noqa: ANN401 - cv2
        """A sensor is never bit-identical twice; a driver that repeats its last frame is."""
        if not self._settings.stale_s:
            return
        crc = zlib.crc32(np.ascontiguousarray(pixels[::8, ::8]))
        if crc != self._last_crc:
            self._last_crc, self._changed_ns = crc, now_ns
        elif now_ns - self._changed_ns > self._settings.stale_s * NS_PER_S:
            raise SourceUnavailable(
                f"{self._source}: the picture has not changed by one bit for "
                f"{self._settings.stale_s:g} s; the camera or its driver hangs"
            )

    def _why(self) -> str:
        if not self._is_v4l2:
            return f"cannot be opened within {self._settings.open_timeout_s:g} s"
        from edge_runtime.capture.listing import cameras

        there = ", ".join(camera.path for camera in cameras()) or "none"
        return f"no such camera, or it is busy; found: {there} (edge-runtime devices lists them)"


def redacted(url: str) -> str:
    """A URL without user and password, fit for logs and results."""
    return _CREDENTIALS.sub("//", url)
