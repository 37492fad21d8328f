"""The ``capture`` threads, one a view: source -> frame gate -> intake; and when it is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from edge_runtime.channel import Closed
from edge_runtime.errors import ItemError, NoInput, SourceEnded, SourceUnavailable
from edge_runtime.lane.events import Away, Back
from edge_runtime.lane.steadiness import Steadiness
from edge_runtime.protocols import LeavesOut

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.lane.events import AnyEvent
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Source
    from edge_runtime.types import Stamp

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

LOOP = "capture"
REOPEN_MIN_S = 0.25
REOPEN_MAX_S = 4.0
"""A camera that comes back is seen again within this and its open time-out: under 10 s."""
PUT_POLL_S = 0.25
LOOK_UP_S = 20.0
"""A source's look-up of a name, which has no limit of its own, and its closing."""
OPENINGS = 2
"""What one way cannot read is opened anew by another, each within the open time-out."""


def loop_of(view: str) -> str:
    """The name of a view's capture thread."""
    return f"{LOOP}-{view}" if view else LOOP


class Sink(Protocol[T_contra]):
    """Where items go: an intake's view, or the first queue of blocks."""

    @property
    def address(self) -> str:
        """The source, without secrets."""
        ...

    def takes(self) -> bool:
        """Whether the lane takes parts now."""
        ...

    def offer(self, item: T_contra, timeout_s: float) -> bool:
        """False when it was not taken in that time.  Raises `Closed`."""
        ...

    def leave_out(self, item: T_contra) -> None:
        """Nobody looks at this one: told as what is dropped is."""
        ...

    def passed_over(self, captured: Stamp) -> None:
        """The source had a newer one: told as what is dropped is."""
        ...

    def bad(self, error: ItemError) -> None:
        """One item could not be read."""
        ...

    def offered(self) -> int:
        """How many were offered so far."""
        ...


class Capturing(Generic[T]):
    """Owned by one ``capture`` thread."""

    def __init__(
        self,
        view: str,
        source: Source[T],
        sink: Sink[T],
        *,
        tell: Callable[[AnyEvent], None],
        progress: Progress,
        clock: Clock,
        stop: threading.Event,
        wanted: Callable[[Any], bool],
        retry: bool,
        is_gated: bool = False,
    ) -> None:
        """`wanted`: the frame gate, asked with the stamp of a picture that could not be decoded.

        `is_gated`: it leaves out some.  `retry`: a source that is away will come back.
        """
        self.loop = loop_of(view)
        self._view = view
        self._source = source
        self._sink = sink
        self._tell = tell
        self._progress = progress
        self._clock = clock
        self._stop = stop
        self._wanted = wanted
        self._retry = retry
        self._is_gated = is_gated
        self._open_s = self._read_s = 0.0
        self._failures = 0
        self._is_well = False
        self._steadiness = Steadiness()

    def allow(self, *, open_s: float, read_s: float) -> None:
        """The source's time-outs: a loop that waits no longer than these does not hang.

        Before `run`.
        """
        self._open_s, self._read_s = OPENINGS * open_s + LOOK_UP_S, read_s

    def run(self) -> None:
        """Until the source ends or `stop` is set.

        Raises `NoInput` when a source that cannot come back is not there.
        """
        try:
            while not self._stop.is_set():
                try:
                    self._progress.busy(self.loop, self._open_s)
                    self._source.open()
                    self._progress.tick(self.loop)
                    self._progress.count("opened")
                    if not self._source.live:
                        self._well()  # a folder may be empty for hours and is watched all the same
                    self._pump()
                except SourceEnded:
                    return
                except SourceUnavailable as exc:
                    if not self._retry:
                        raise NoInput(str(exc)) from exc
                    self._away(exc)
                finally:
                    self._source.close()
        except Closed:
            return  # the workers have failed and say so themselves
        finally:
            self._progress.end(self.loop)

    def _pump(self) -> None:
        """Read until `stop`.  Raises as `Source.read`."""
        while not self._stop.is_set():
            self._progress.busy(self.loop, self._read_s)
            try:
                item = self._source.read()
            except ItemError as exc:
                self._bad(exc)
                continue
            finally:
                self._progress.tick(self.loop)
                self._tell_left_out()
            if item is None:
                continue
            if self._steadiness.seen(self._clock.boottime_ns()):
                self._failures = 0
                self._well()
            self._progress.count("captured")
            if not self._sink.takes() and self._leaves_out(item):
                continue
            if not self._wanted(item):
                self._progress.count("skipped")
            else:
                self._hand_over(item)

    def _bad(self, error: ItemError) -> None:
        """Where one picture in an interval is looked at, a damaged one between is as any other."""
        is_between = self._is_gated and self._source.live and error.item is None
        if is_between and not self._wanted(self._clock.stamp()):
            self._progress.count("skipped")
            return
        self._sink.bad(error)

    def _tell_left_out(self) -> None:
        """What the source left out by itself."""
        if not isinstance(self._source, LeavesOut):
            return
        left_out = self._source.left_out()
        if left_out.parts:
            self._progress.count("parts_skipped", left_out.parts)
        if self._is_gated and left_out.pictures:  # the one that came instead is as good
            self._progress.count("skipped", len(left_out.pictures))
            return
        for captured in left_out.pictures:
            self._sink.passed_over(captured)

    def _leaves_out(self, item: T) -> bool:
        """The lane takes no parts now: what is live goes by, counted; what can wait does."""
        if self._source.live:
            self._progress.count("not_taken")
            self._sink.leave_out(item)
            return True
        while not self._sink.takes() and not self._stop.is_set():
            self._progress.tick(self.loop)
            self._clock.wait(self._stop, PUT_POLL_S)
        return self._stop.is_set()

    def _hand_over(self, item: T) -> None:
        while not self._sink.offer(item, PUT_POLL_S):
            self._progress.tick(self.loop)
            if self._stop.is_set():
                return  # a replay: the item was not taken and will come again

    def _well(self) -> None:
        if not self._is_well:
            self._is_well = True
            self._tell(Back(self._view))

    def _away(self, why: SourceUnavailable) -> None:
        self._is_well = False
        self._steadiness.lost()
        self._progress.count("source_failures")
        offered = self._sink.offered()
        self._tell(Away(self._view, self._sink.address, str(why), why.code, offered))
        delay_s = min(REOPEN_MAX_S, REOPEN_MIN_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._progress.busy(self.loop, delay_s)
        self._clock.wait(self._stop, delay_s)
