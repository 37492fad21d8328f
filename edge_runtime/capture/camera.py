"""Live cameras: V4L2 by path, RTSP and HTTP (MJPEG) by address, with a limit on every wait.

A read that fails ends the opening: the lane opens again, by the same stable name.  How a camera is
reached is its feed's business: `rtsp_feed`, `device_feed`, or FFmpeg's own reader in `url_feed`.
Owned by the ``capture`` thread.  Addresses leave this module only redacted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edge_runtime import codes
from edge_runtime.capture.address import redacted, stream_address
from edge_runtime.capture.decoders import UNHEARD, hears_damage
from edge_runtime.capture.device_feed import DeviceFeed
from edge_runtime.capture.frozen import FrozenPicture
from edge_runtime.capture.rtsp.session import NotReadHere
from edge_runtime.capture.rtsp_feed import RtspFeed
from edge_runtime.capture.url_feed import UrlFeed
from edge_runtime.clock import NS_PER_S, boottime_offset_ns
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.protocols import LeftOut
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from edge_runtime.capture.address import StreamAddress
    from edge_runtime.capture.feed import Feed
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture
    from edge_runtime.types import Stamp

log = logging.getLogger(__name__)

_V4L2 = "v4l2:"


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
        self._settings = settings
        self._clock = clock
        self._offset_ns = offset_ns
        self._frozen = FrozenPicture()
        self._handed_ns: int | None = None
        self._feed: Feed | None = None
        self._seq = 0
        self._differences: tuple[str, ...] = ()
        self._unheard = ""
        self._address: StreamAddress | None = None
        self._lost_packets = 0
        self._left_out: tuple[Stamp, ...] = ()
        self._clock_note = ""
        self._is_clock_told = False

    @property
    def live(self) -> bool:
        """Frames that nobody takes are dropped."""
        return True

    def open(self) -> None:
        """Open within ``open_timeout_s`` (a name's look-up apart).  Raises `SourceUnavailable`."""
        self.close()
        self._seq = 0
        try:
            self._feed = self._opened()
        except SourceUnavailable as exc:
            raise self._away(str(exc)) from exc

    def read(self) -> Frame | None:
        """The next frame within ``read_timeout_s``; None: not yet, and nothing is wrong.

        Raises `SourceUnavailable`, and `ItemError` for a picture that came and cannot be judged.
        """
        assert self._feed is not None
        try:
            picture = self._feed.read()
        except SourceUnavailable as exc:
            raise self._away(str(exc)) from exc
        except ItemError as exc:
            raise ItemError(f"{self._source}: {exc}") from exc
        if picture is None:
            return None
        self._tell_clock()
        pixels, handed_ns = picture.pixels, picture.handed.boottime_ns
        pixels.flags.writeable = False
        self._check_changing(pixels, handed_ns)
        seq, self._seq = self._seq, self._seq + 1
        self._handed_ns = handed_ns
        return Frame(
            self._source,
            seq,
            picture.captured,
            pixels,
            handed_ns=handed_ns,
            is_exposure=picture.is_exposure,
            encoded=picture.encoded,
        )

    def vitals(self) -> dict[str, float]:
        """``picture_age_s``, also while the camera is away; ``lost_packets``.  Any thread."""
        handed_ns, feed = self._handed_ns, self._feed
        if handed_ns is None:
            return {}
        told = {"picture_age_s": (self._clock.boottime_ns() - handed_ns) / NS_PER_S}
        if self._address is not None and self._address.scheme.startswith("rtsp"):
            lost = feed.lost_packets if isinstance(feed, RtspFeed) else 0
            told["lost_packets"] = float(self._lost_packets + lost)
        return told

    def notes(self) -> dict[str, str]:
        """As `protocols.HasNotes`, of the last opening."""
        told = [*self._differences, self._clock_note]
        return {"differs": "; ".join(filter(None, told)), "unheard": self._unheard}

    def left_out(self) -> LeftOut:
        """See `protocols.LeavesOut`."""
        told, self._left_out = self._left_out, ()
        feed = self._feed
        return LeftOut(told + (feed.left_out() if isinstance(feed, RtspFeed) else ()))

    def close(self) -> None:
        """Let go of the camera.  Idempotent."""
        feed, self._feed = self._feed, None
        if isinstance(feed, RtspFeed):
            self._lost_packets += feed.lost_packets
        if feed is not None:
            feed.close()
        if isinstance(feed, RtspFeed):
            self._left_out += feed.left_out()

    def _opened(self) -> Feed:
        if self._raw.startswith(_V4L2):
            return self._opened_device(self._raw.removeprefix(_V4L2))
        address = self._address = stream_address(self._raw)
        if address.scheme.startswith("rtsp"):
            try:
                feed = _open(RtspFeed(self._raw, address, self._settings, clock=self._clock))
            except NotReadHere as exc:
                self._tell(f"{exc} is read by FFmpeg: what gets lost on the way is not seen")
            else:
                self._tell("" if hears_damage() else UNHEARD)
                return feed
        return _open(UrlFeed(self._raw, address, self._settings, clock=self._clock))

    def _opened_device(self, device: str) -> Feed:
        feed = DeviceFeed(device, self._settings, clock=self._clock, offset_ns=self._offset_ns)
        _open(feed)
        if feed.differences != self._differences:
            for difference in feed.differences:
                log.warning("camera_setting source=%s %s", self._source, difference)
        self._differences = feed.differences
        return feed

    def _tell(self, unheard: str) -> None:
        if unheard and unheard != self._unheard:
            log.warning("camera_damage source=%s %s", self._source, unheard)
        self._unheard = unheard

    def _tell_clock(self) -> None:
        note = self._feed.note if isinstance(self._feed, RtspFeed) else ""
        if note and not self._is_clock_told:
            log.warning("camera_clock source=%s %s", self._source, note)
            self._is_clock_told = True
        if not (note and self._clock_note):  # its last digit may change
            self._clock_note = note

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


def _open(feed: Feed) -> Feed:
    """`feed`, open; what was opened half way is closed."""
    try:
        feed.open()
    except BaseException:
        feed.close()
        raise
    return feed
