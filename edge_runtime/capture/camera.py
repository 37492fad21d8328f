"""Live cameras: V4L2 by path, RTSP and HTTP (MJPEG) by address, with a limit on every wait.

A read that fails ends the opening: the lane opens again, by the same stable name.  Owned by the
``capture`` thread.  Addresses leave this module only redacted.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime import codes
from edge_runtime.capture import opencv
from edge_runtime.capture.address import reach, redacted, stream_address
from edge_runtime.capture.exposure import exposure_stamp
from edge_runtime.capture.frozen import FrozenPicture
from edge_runtime.capture.refusal import refusal
from edge_runtime.clock import NS_PER_S, boottime_offset_ns
from edge_runtime.errors import SourceUnavailable
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture
    from edge_runtime.types import Stamp

log = logging.getLogger(__name__)

_V4L2 = "v4l2:"
_EARLY = 0.8
"""A read that fails in less than this share of its time-out was not a stall."""


class Camera:
    """Satisfies `protocols.Source[Frame]`, live."""

    def __init__(
        self,
        source: str,
        settings: Capture,
        *,
        clock: Clock,
        offset_ns: Callable[[], int] = boottime_offset_ns,
    ) -> None:
        """`source` as in the config: ``v4l2:/dev/…`` or an address.

        `offset_ns`: CLOCK_BOOTTIME minus the clock that V4L2 drivers stamp by.
        """
        self._raw = source
        self._source = redacted(source)
        self._device = source.removeprefix(_V4L2) if source.startswith(_V4L2) else None
        self._settings = settings
        self._clock = clock
        self._offset_ns = offset_ns
        self._frozen = FrozenPicture()
        self._exposed_ns: int | None = None
        self._handed_ns: int | None = None
        self._capture: Any = None
        self._seq = 0

    @property
    def live(self) -> bool:
        """Frames that nobody takes are dropped."""
        return True

    def open(self) -> None:
        """Open within ``open_timeout_s`` (a name's look-up apart).  Raises `SourceUnavailable`."""
        self.close()
        self._seq = 0
        try:
            self._capture = self._open_url() if self._device is None else self._open_device()
        except SourceUnavailable as exc:
            raise self._away(str(exc)) from exc
        problem = opencv.too_large(self._capture)
        if problem:
            self.close()
            raise self._away(problem)

    def read(self) -> Frame:
        """The next frame within ``read_timeout_s``.  Raises `SourceUnavailable`."""
        if self._device is not None and not os.path.exists(self._device):  # noqa: PTH110
            # Some drivers go on giving the last frame of a camera that was pulled out.
            raise self._away("the device is gone; is its cable in?")
        began_ns = self._clock.boottime_ns()
        grabbed = self._capture.grab()
        handed = self._clock.stamp()
        exposed = self._exposure(handed) if grabbed else None
        ok, pixels = self._capture.retrieve() if grabbed else (False, None)
        if not ok or pixels is None:
            raise self._away(self._no_frame((handed.boottime_ns - began_ns) / NS_PER_S))
        pixels = np.asarray(pixels)
        pixels.flags.writeable = False
        self._check_changing(pixels, handed.boottime_ns)
        seq, self._seq = self._seq, self._seq + 1
        self._handed_ns = handed.boottime_ns
        return Frame(
            self._source,
            seq,
            exposed or handed,
            pixels,
            handed_ns=handed.boottime_ns,
            is_exposure=exposed is not None,
        )

    def vitals(self) -> dict[str, float]:
        """``picture_age_s``, also while the camera is away.  Any thread."""
        handed_ns = self._handed_ns
        if handed_ns is None:
            return {}
        return {"picture_age_s": (self._clock.boottime_ns() - handed_ns) / NS_PER_S}

    def close(self) -> None:
        """Let go of the camera.  Idempotent."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _exposure(self, handed: Stamp) -> Stamp | None:
        """As the driver tells of the picture that was grabbed; None where it does not."""
        if self._device is None:
            return None
        told_ms = opencv.driver_ms(self._capture)
        stamp = exposure_stamp(told_ms, self._offset_ns(), handed, self._exposed_ns)
        if stamp is not None:
            self._exposed_ns = stamp.boottime_ns
        return stamp

    def _open_url(self) -> Any:  # noqa: ANN401 - cv2 has no types
        began_ns = self._clock.boottime_ns()
        limit_s = self._settings.open_timeout_s
        address = stream_address(self._raw)
        reach(address, limit_s)
        spent_s = (self._clock.boottime_ns() - began_ns) / NS_PER_S
        capture = opencv.open_url(
            self._raw,
            address.scheme,
            open_s=max(0.1, limit_s - spent_s),
            read_s=self._settings.read_timeout_s,
        )
        if not capture.isOpened():
            capture.release()
            raise SourceUnavailable(
                f"it answers, but gives no picture within {limit_s:g} s; "
                "check the path, the user and the password"
            )
        return capture

    def _open_device(self) -> Any:  # noqa: ANN401
        assert self._device is not None
        problem = device_problem(self._device, os.access, _stable_paths)
        problem = problem or refusal(Path(self._device), "video")
        if problem:
            raise SourceUnavailable(problem)
        capture, differences = opencv.open_device(self._device, self._settings)
        if not capture.isOpened():
            capture.release()
            raise SourceUnavailable("it is no camera, or another program has it open")
        for difference in differences:
            log.warning("camera_setting source=%s %s", self._source, difference)
        return capture

    def _no_frame(self, waited_s: float) -> str:
        limit_s = self._settings.read_timeout_s
        if waited_s < _EARLY * limit_s:
            return (
                "the stream has ended; the camera hung up" if self._device is None else "no frame"
            )
        return f"no frame within {limit_s:g} s; the camera hangs or the line is cut"

    def _check_changing(self, pixels: np.ndarray[Any, np.dtype[np.uint8]], now_ns: int) -> None:
        limit_s = self._settings.stale_s
        if limit_s and (unchanged_s := self._frozen.seconds(pixels, now_ns)) > limit_s:
            raise self._away(
                f"the picture has not changed by one bit for {unchanged_s:.1f} s; it hangs. "
                "If that is right for it, set capture.stale_s = 0",
                codes.SOURCE_FROZEN,
            )

    def _away(self, reason: str, code: str = codes.SOURCE_AWAY) -> SourceUnavailable:
        return SourceUnavailable(f"{self._source}: {reason}", code=code)


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
