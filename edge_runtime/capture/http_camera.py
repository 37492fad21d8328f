"""Cameras over HTTP(S): motion JPEG, bare JPEGs and still pictures, each decoded by itself.

A picture that is damaged is one bad item, and not the end of the stream; it is never filled with
what was in the picture before.  Each has its own size.  What the camera answers instead of pictures
is told in its words.  An answer that is another container is left to the camera of streams.  Owned
by the ``capture`` thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.capture.address import redacted, stream_address
from edge_runtime.capture.frozen import FrozenPicture
from edge_runtime.capture.http_feed import HttpFeed
from edge_runtime.capture.http_link import HttpLink, Tls
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.files.image import decode_picture
from edge_runtime.protocols import HasNotes, HasVitals, LeftOut
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.capture.newest import Compressed
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture
    from edge_runtime.protocols import Source

log = logging.getLogger(__name__)

WAIT_AT_MOST_NS = NS_PER_S // 2
"""A wait must not look like a loop that hangs, however long a time-out is."""


class HttpCamera:
    """Satisfies `protocols.Source[Frame]`, live."""

    def __init__(
        self,
        source: str,
        settings: Capture,
        *,
        clock: Clock,
        streams: Callable[[], Source[Frame]],
    ) -> None:
        """`streams` makes the camera for an answer that is a container, such as MPEG-TS."""
        self._raw = source
        self._source = redacted(source)
        self._settings = settings
        self._clock = clock
        self._streams = streams
        self._frozen = FrozenPicture()
        self._feed: HttpFeed | None = None
        self._stream: Source[Frame] | None = None
        self._left_out = LeftOut()
        self._handed_ns: int | None = None
        self._silent_ns = 0
        self._life_ns: int | None = None
        self._advised: tuple[str, ...] = ()
        self._seq = 0

    @property
    def live(self) -> bool:
        """Pictures that nobody takes are dropped."""
        return True

    def open(self) -> None:
        """Open, and see a first picture, within ``open_timeout_s``.  Raises `SourceUnavailable`."""
        self.close()
        self._seq = 0
        limit_s = self._settings.open_timeout_s
        stream_address(self._raw)
        tls = Tls(self._settings.ca_file, self._settings.verify_tls)
        link = HttpLink(
            self._raw, tls, connect_s=limit_s, read_s=limit_s + self._settings.read_timeout_s
        )
        self._feed = HttpFeed(
            link,
            stills_per_s=self._settings.fps,
            told_as=self._source,
            clock=self._clock,
        )
        self._feed.start()
        try:
            is_there = self._feed.pictures.wait(limit_s)
        except SourceUnavailable as exc:
            if self._feed.is_container:
                self._open_stream()
                return
            self.close()
            raise self._away(str(exc)) from exc
        if not is_there:
            told = self._nothing("gives no picture", limit_s, "open_timeout_s")
            self.close()
            raise self._away(told)
        self._silent_ns = 0

    def read(self) -> Frame | None:
        """The newest picture; None when none came in half a second, which is no trouble yet.

        Raises `ItemError` for one that is damaged, `SourceUnavailable` when none came within
        ``read_timeout_s``.
        """
        if self._stream is not None:
            return self._stream.read()
        assert self._feed is not None
        picture = self._next(self._feed)
        if picture is None:
            return None
        self._handed_ns = picture.arrived.boottime_ns
        try:
            decoded = decode_picture(
                picture.data, f"{self._source}: a picture", self._settings.bits
            )
        except ItemError:
            self._frozen.damaged(picture.data)
            raise
        self._advise(decoded.advice)
        pixels = decoded.pixels
        pixels.flags.writeable = False
        self._check_changing(picture, pixels)
        seq, self._seq = self._seq, self._seq + 1
        stamp = picture.arrived
        return Frame(
            self._source,
            seq,
            stamp,
            pixels,
            handed_ns=stamp.boottime_ns,
            encoded=decoded.encoded,
        )

    def vitals(self) -> dict[str, float]:
        """``picture_age_s``, also while the camera is away.  Any thread."""
        stream, handed_ns = self._stream, self._handed_ns
        if isinstance(stream, HasVitals):
            return stream.vitals()
        if handed_ns is None:
            return {}
        return {"picture_age_s": (self._clock.boottime_ns() - handed_ns) / NS_PER_S}

    def notes(self) -> dict[str, str]:
        """As `protocols.HasNotes`."""
        stream = self._stream
        if isinstance(stream, HasNotes):
            return stream.notes()
        return {"differs": "; ".join(self._advised)}

    def left_out(self) -> LeftOut:
        """See `protocols.LeavesOut`."""
        told, self._left_out = self._left_out, LeftOut()
        if self._feed is None:
            return told
        now = self._feed.left_out()
        return LeftOut(told.pictures + now.pictures, told.parts + now.parts)

    def close(self) -> None:
        """Let go of the camera.  Idempotent."""
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()
            last, before = feed.left_out(), self._left_out
            self._left_out = LeftOut(before.pictures + last.pictures, before.parts + last.parts)
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _open_stream(self) -> None:
        self.close()
        if self._raw.lower().startswith("https:") and self._settings.verify_tls:
            raise self._away(
                "it sends a container, which FFmpeg reads, and that checks no certificate; use the "
                "camera's address for MJPEG or still pictures, or set capture.verify_tls = false"
            )
        self._stream = self._streams()
        self._stream.open()

    def _next(self, feed: HttpFeed) -> Compressed | None:
        """Raises `SourceUnavailable` where none came and one was due.

        Only what was waited here counts: a process that stood still has not seen a camera hang.
        """
        limit_s = self._settings.read_timeout_s
        limit_ns = int((limit_s + (feed.still_every_s or 0)) * NS_PER_S)
        began_ns = self._clock.boottime_ns()
        wait_ns = min(WAIT_AT_MOST_NS, max(0, limit_ns - self._silent_ns))
        try:
            picture = feed.pictures.take(wait_ns / NS_PER_S)
        except SourceUnavailable as exc:
            raise self._away(str(exc)) from exc
        life_ns = feed.pictures.last_ns
        if life_ns != self._life_ns:  # also of one that is passed over
            self._life_ns, self._silent_ns = life_ns, 0
        elif picture is None:
            self._silent_ns += min(self._clock.boottime_ns() - began_ns, wait_ns)
            if self._silent_ns >= limit_ns:
                raise self._away(self._nothing("no picture", limit_s, "read_timeout_s"))
        return picture

    def _nothing(self, what: str, limit_s: float, key: str) -> str:
        assert self._feed is not None
        skipped = _listed(self._feed.skipped)
        came = f" What came was no picture: {skipped}." if skipped else ""
        return (
            f"{what} within {limit_s:g} s; the camera hangs or the line is cut.{came} One that is "
            f"slower by itself, as a triggered one is, needs a larger capture.{key}"
        )

    def _check_changing(self, picture: Compressed, pixels: NDArray[np.uint8]) -> None:
        limit_s = self._settings.stale_s
        now_ns = picture.arrived.boottime_ns
        unchanged_s = self._frozen.seconds(pixels, now_ns, picture.data)
        if limit_s and unchanged_s > limit_s:
            raise self._away(
                f"the picture has not changed by one bit for {unchanged_s:.1f} s; it hangs. "
                "If that is right for it, set capture.stale_s = 0",
                codes.SOURCE_FROZEN,
            )

    def _advise(self, advice: str) -> None:
        """Of a picture's range; empty is nothing, each is told once."""
        if advice and advice not in self._advised:
            self._advised = (*self._advised, advice)
            log.warning("picture_range source=%s %s", self._source, advice)

    def _away(self, reason: str, code: str = codes.SOURCE_AWAY) -> SourceUnavailable:
        return SourceUnavailable(f"{self._source}: {reason}", code=code)


def why_no_pictures(source: str, settings: Capture, clock: Clock) -> str:
    """Ask the camera once: why it gives no picture now; empty where it does.

    It opens within ``open_timeout_s``.  A container counts as pictures: nobody decodes it here.
    """
    camera = HttpCamera(source, settings, clock=clock, streams=_Unread)
    try:
        camera.open()
    except SourceUnavailable as exc:
        return str(exc).removeprefix(f"{redacted(source)}: ")
    finally:
        camera.close()
    return ""


class _Unread:
    """A stream that is there, and that nobody reads."""

    live = True

    def open(self) -> None:
        pass

    def read(self) -> None:
        pass

    def close(self) -> None:
        pass


def _listed(skipped: Counter[str]) -> str:
    now = dict(skipped)  # the thread that reads goes on counting
    return ", ".join(f"{count} x {kind or 'of no type'}" for kind, count in now.items())
