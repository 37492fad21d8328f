"""Reads what a camera sends over HTTP, all the time, and keeps the newest picture alone.

In a thread of its own, ``http``, so that nothing queues in the socket while a picture is decoded,
and each is stamped as its last byte comes.  Of several that wait in the socket together, as behind
a reader that stood still, only the newest is handed on.  An answer that ends after one picture is a
still picture: it is asked for again, at the pace of the settings.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from edge_runtime.capture.http_words import body_kind, body_problem
from edge_runtime.capture.multipart import MAX_PART_BYTES, BareJpegs, Multipart, Overlong, Part
from edge_runtime.capture.newest import Cadence, Compressed, Newest
from edge_runtime.capture.pace import Rhythm
from edge_runtime.clock import NS_PER_MS
from edge_runtime.errors import SourceUnavailable
from edge_runtime.protocols import LeftOut
from edge_runtime.redaction import hidden

if TYPE_CHECKING:
    from edge_runtime.capture.http_link import Answer, HttpLink
    from edge_runtime.capture.http_words import Body
    from edge_runtime.clock import Clock

log = logging.getLogger(__name__)

STILLS_PER_S = 1.0
"""How often a still picture is asked for where the config does not say."""
FIRST_BYTES = 64
_HELD_AT_MOST_NS = 500 * NS_PER_MS
"""A reader that is slower than its camera would never be done with what waits."""
_JOIN_S = 2.0
_KINDS_MOST = 8
"""A camera may call each of its parts something else."""
_KIND_CHARS = 60


class HttpFeed:
    """One opening.  `start`, `close` and `pictures`: the ``capture`` thread."""

    def __init__(
        self, link: HttpLink, *, stills_per_s: float | None, told_as: str, clock: Clock
    ) -> None:
        """`told_as`: the source without secrets."""
        self._link = link
        self._every_s = 1 / (stills_per_s or STILLS_PER_S)
        self._told_as = told_as
        self._clock = clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._cadence = Cadence()
        self._waited_ns = 0
        self._held: Compressed | None = None
        self._held_since_ns = 0
        self._told_parts = 0
        self.pictures = Newest(clock)
        self.skipped: Counter[str] = Counter()
        """Parts that were no pictures, by what they were; copied before it is gone through."""
        self.still_every_s: float | None = None
        """Set once the address has turned out to be that of a still picture."""
        self.is_container = False
        """Set once it has turned out to be a stream that a demultiplexer has to read."""

    def start(self) -> None:
        """Ask."""
        self._thread.start()

    def close(self) -> None:
        """Break off and wait for the thread, unless it looks up a name.  Idempotent."""
        self._ending.set()
        self._link.cut()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def left_out(self) -> LeftOut:
        """Since the last call."""
        parts = sum(dict(self.skipped).values())
        told, self._told_parts = parts - self._told_parts, parts
        return LeftOut(self.pictures.replaced(), told)

    def _run(self) -> None:
        try:
            if self._read() == 1:
                self._read_stills()
            self.pictures.fail(SourceUnavailable("the stream has ended; the camera hung up"))
        except Overlong as exc:
            self.pictures.fail(SourceUnavailable(f"what comes is no stream of pictures: {exc}"))
        except SourceUnavailable as exc:
            self.pictures.fail(exc)
        except Exception as exc:
            # Its own words may hold what was sent, and that the password.
            told = SourceUnavailable(f"reading it failed: {type(exc).__name__}")
            log.error(  # noqa: TRY400
                "camera_thread_failed source=%s",
                self._told_as,
                exc_info=(type(told), told, exc.__traceback__),
            )
            self.pictures.fail(told)
        finally:
            self._link.close()

    def _read_stills(self) -> None:
        """Ask again and again, until an answer holds no picture.  Raises as `_read`."""
        self.still_every_s = self._every_s
        rhythm = Rhythm(self._clock, self._every_s, self._ending)
        rhythm.is_due()  # the first one is there
        while not self._ending.is_set():
            if rhythm.is_due() and self._read() == 0:
                raise SourceUnavailable("the camera answered without a picture")

    def _read(self) -> int:
        """One answer to its end; how many pictures it held.  Raises `SourceUnavailable`."""
        answer = self._link.get()
        first = self._first(answer)
        body = body_kind(answer.kind, first)
        if body == "container":
            self.is_container = True
            raise SourceUnavailable(f"a stream of type {hidden(answer.kind, answer.secrets)}")
        if problem := body_problem(body, answer.kind, first, answer.secrets):
            raise SourceUnavailable(problem)
        if body == "picture":
            return self._read_whole(answer, first)
        return self._read_parts(answer, body, first)

    def _first(self, answer: Answer) -> bytes:
        """Enough of it to know what it is."""
        first = b""
        while len(first) < FIRST_BYTES and not self._ending.is_set():
            data = self._next(answer)
            first += data
            if not data or first.startswith(b"\xff\xd8"):
                break
        return first

    def _next(self, answer: Answer) -> bytes:
        began_ns = self._clock.boottime_ns()
        data = answer.read()
        self._waited_ns = max(self._waited_ns, self._clock.boottime_ns() - began_ns)
        return data

    def _read_parts(self, answer: Answer, body: Body, first: bytes) -> int:
        parser = BareJpegs() if body == "jpeg" else Multipart(answer.boundary)
        count, data = 0, first
        try:
            while data and not self._ending.is_set():
                for part in parser.feed(data):
                    count += self._take(part)
                self._let_go(is_last=not answer.has_more())
                data = self._next(answer)
            rest = parser.end()
            return count + (self._take(rest) if rest is not None else 0)
        finally:
            self._let_go(is_last=True)

    def _read_whole(self, answer: Answer, first: bytes) -> int:
        """A still picture that is no JPEG: it ends where the answer does."""
        whole, data = bytearray(first), first
        while data and not self._ending.is_set():
            data = answer.read()
            whole += data
            if len(whole) > MAX_PART_BYTES:
                raise Overlong(f"a picture of more than {MAX_PART_BYTES >> 20} MiB")
        count = self._take(Part(bytes(whole), answer.kind))
        self._let_go(is_last=True)
        return count

    def _take(self, part: Part) -> int:
        """1 for a picture, whole or not; 0 for what is none, which is counted and told once."""
        kind = "empty" if not part.data.strip() else part.kind
        if kind != "empty" and (kind.startswith("image/") or part.data.startswith(b"\xff\xd8")):
            stamp = self._clock.stamp()
            waited_ns, self._waited_ns = self._waited_ns, 0
            settle_ns = 0
            if self.still_every_s is None:  # what is asked for one by one does not queue
                settle_ns = self._cadence.settle_ns(stamp.boottime_ns, waited_ns)
            self._keep(Compressed(part.data, stamp, settle_ns, not part.is_whole))
            return 1
        self._skip(hidden(kind, self._link.secrets))
        return 0

    def _skip(self, kind: str) -> None:
        kind = "".join(char if char.isprintable() else "?" for char in kind[:_KIND_CHARS])
        if kind not in self.skipped and len(self.skipped) >= _KINDS_MOST:
            kind = "other"
        if not self.skipped[kind]:
            told = kind or "of no type"
            log.warning("camera_part_skipped source=%s part=%s", self._told_as, told)
        self.skipped[kind] += 1

    def _keep(self, picture: Compressed) -> None:
        """Until it is known whether a newer one waits behind it."""
        if picture.is_cut:
            self.pictures.put(picture)
            return
        if self._held is not None:
            self.pictures.pass_over(self._held.arrived)
        else:
            self._held_since_ns = picture.arrived.boottime_ns
        self._held = picture

    def _let_go(self, *, is_last: bool) -> None:
        """Hand on the newest, once none waits behind it."""
        held_ns = self._clock.boottime_ns() - self._held_since_ns
        if self._held is not None and (is_last or held_ns > _HELD_AT_MOST_NS):
            self.pictures.put(self._held)
            self._held = None
