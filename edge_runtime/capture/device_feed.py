"""A V4L2 camera, by its path.  Owned by the ``capture`` thread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.capture import opencv
from edge_runtime.capture.exposure import exposure_stamp
from edge_runtime.capture.feed import EARLY, Picture
from edge_runtime.capture.refusal import refusal
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.files.image import decode_image
from edge_runtime.files.pictures.jpeg_structure import SIGNATURE, read_structure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture
    from edge_runtime.types import Stamp

_END = b"\xff\xd9"


class DeviceFeed:
    """Satisfies `feed.Feed`."""

    def __init__(
        self, device: str, settings: Capture, *, clock: Clock, offset_ns: Callable[[], int]
    ) -> None:
        """`offset_ns`: CLOCK_BOOTTIME minus the clock that V4L2 drivers stamp by."""
        self._device = device
        self._settings = settings
        self._clock = clock
        self._offset_ns = offset_ns
        self._exposed_ns: int | None = None
        self._capture: Any = None
        self._has_shown = False
        self.differences: tuple[str, ...] = ()
        """What the camera gives other than what the config asks for, for people."""

    def open(self) -> None:
        """As `feed.Feed`."""
        problem = device_problem(self._device, os.access, _stable_paths)
        problem = problem or refusal(Path(self._device), "video")
        if problem:
            raise SourceUnavailable(problem)
        self._capture, differences = opencv.open_device(self._device, self._settings)
        if not self._capture.isOpened():
            raise SourceUnavailable("it is no camera, or another program has it open")
        if problem := opencv.too_large(self._capture):
            raise SourceUnavailable(problem)
        self.differences = differences
        self._has_shown = False

    def read(self) -> Picture:
        """As `feed.Feed`."""
        if not os.path.exists(self._device):  # noqa: PTH110
            # Some drivers go on giving the last frame of a camera that was pulled out.
            raise SourceUnavailable("the device is gone; is its cable in?")
        began_ns = self._clock.boottime_ns()
        limit_ns = int(self._settings.read_timeout_s * NS_PER_S)
        while True:
            try:
                picture = self._grabbed(began_ns)
            except ItemError:
                # The first pictures of a USB camera that has just begun are often torn.
                if self._has_shown or self._clock.boottime_ns() - began_ns > limit_ns:
                    raise
            else:
                self._has_shown = True
                return picture

    def _grabbed(self, began_ns: int) -> Picture:
        grabbed = self._capture.grab()
        handed = self._clock.stamp()
        exposed = self._exposure(handed) if grabbed else None
        ok, told = self._capture.retrieve() if grabbed else (False, None)
        if not ok or told is None:
            raise SourceUnavailable(self._no_frame((handed.boottime_ns - began_ns) / NS_PER_S))
        pixels, encoded = _decoded(np.asarray(told))
        return Picture(pixels, exposed or handed, handed, exposed is not None, encoded)

    def close(self) -> None:
        """As `feed.Feed`."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _exposure(self, handed: Stamp) -> Stamp | None:
        """As the driver tells of the picture that was grabbed; None where it does not."""
        told_ms = opencv.driver_ms(self._capture)
        stamp = exposure_stamp(told_ms, self._offset_ns(), handed, self._exposed_ns)
        if stamp is not None:
            self._exposed_ns = stamp.boottime_ns
        return stamp

    def _no_frame(self, waited_s: float) -> str:
        limit_s = self._settings.read_timeout_s
        if waited_s < EARLY * limit_s:
            return "no frame"
        return (
            f"no frame within {limit_s:g} s; the camera hangs or the line is cut. Where it is "
            "triggered, or slow, raise capture.read_timeout_s"
        )


def _decoded(told: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bytes | None]:
    """Pixels, and the bytes that they were made of where those came.  Raises `ItemError`."""
    if told.ndim == 3:
        return told, None
    data = told.tobytes()
    # A driver's buffer is larger than the picture in it, and keeps what was there before.
    pixels = decode_image(data, "a picture of the camera")
    return pixels, _picture_bytes(data)


def _picture_bytes(data: bytes) -> bytes | None:
    """A whole JPEG's own bytes; None for another kind."""
    if not data.startswith(SIGNATURE):
        return None
    return data[: read_structure(data).scans[-1].end + len(_END)]


def device_problem(
    device: str, access: Callable[[str, int], bool], there: Callable[[], list[str]]
) -> str:
    """Why `device` cannot be opened, as far as the file system knows; empty when it can.

    `access` is `os.access`, `there` lists stable paths of cameras.
    """
    if not device.startswith("/dev/"):
        return "a camera is named by its path, such as v4l2:/dev/v4l/by-id/usb-…-video-index0"
    if not access(device, os.F_OK):
        found = ", ".join(there()) or "none"
        return f"there is no such device; cameras found: {found}"
    if not access(device, os.R_OK | os.W_OK):
        return "no permission to open it; add this user to the group 'video'"
    return ""


def _stable_paths() -> list[str]:
    return sorted(str(path) for path in Path("/dev/v4l/by-id").glob("*"))
