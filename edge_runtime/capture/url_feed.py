"""A camera on the network that FFmpeg reads through OpenCV, stamped as it hands pictures over.

Owned by the ``capture`` thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.capture import opencv
from edge_runtime.capture.address import reach
from edge_runtime.capture.feed import EARLY, Picture
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge_runtime.capture.address import StreamAddress
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture


class UrlFeed:
    """Satisfies `feed.Feed`."""

    def __init__(
        self, url: str, address: StreamAddress, settings: Capture, *, clock: Clock
    ) -> None:
        """`url` with user and password; `address`: where it leads."""
        self._url = url
        self._address = address
        self._settings = settings
        self._clock = clock
        self._capture: Any = None

    def open(self) -> None:
        """As `feed.Feed`."""
        began_ns = self._clock.boottime_ns()
        limit_s = self._settings.open_timeout_s
        reach(self._address, limit_s)
        spent_s = (self._clock.boottime_ns() - began_ns) / NS_PER_S
        self._capture = opencv.open_url(
            self._url,
            self._address.scheme,
            transport=self._settings.transport,
            open_s=max(0.1, limit_s - spent_s),
            read_s=self._settings.read_timeout_s,
        )
        if not self._capture.isOpened():
            raise SourceUnavailable(
                f"it answers, but gives no picture within {limit_s:g} s; "
                "check the path, the user and the password"
            )
        if problem := opencv.too_large(self._capture):
            raise SourceUnavailable(problem)

    def read(self) -> Picture:
        """As `feed.Feed`."""
        began_ns = self._clock.boottime_ns()
        ok, pixels = self._capture.read()
        handed = self._clock.stamp()
        if not ok or pixels is None:
            raise SourceUnavailable(self._no_frame((handed.boottime_ns - began_ns) / NS_PER_S))
        return Picture(np.asarray(pixels), handed, handed)

    def close(self) -> None:
        """As `feed.Feed`."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _no_frame(self, waited_s: float) -> str:
        limit_s = self._settings.read_timeout_s
        if waited_s < EARLY * limit_s:
            return "the stream has ended; the camera hung up"
        return (
            f"no frame within {limit_s:g} s; the camera hangs or the line is cut. Where it is "
            "triggered, or slow, raise capture.read_timeout_s"
        )
