"""What ``capture`` hands its items to: a view of the intake, or a microphone's first queue."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from edge_runtime.channel import Channel, OnFull
from edge_runtime.clock import NS_PER_S
from edge_runtime.lane.capturing import loop_of
from edge_runtime.lane.drops import Drops
from edge_runtime.lane.events import Lost
from edge_runtime.lane.intake import Unreadable
from edge_runtime.types import TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture
    from edge_runtime.errors import ItemError
    from edge_runtime.lane.drops import Burst
    from edge_runtime.lane.events import AnyEvent
    from edge_runtime.lane.intake import Intake
    from edge_runtime.progress import Progress
    from edge_runtime.types import AudioBlock, Frame, Stamp

log = logging.getLogger(__name__)

REPLAY_BLOCKS = 16
OFFER_S = 0.25
REASONS = 16
AGAIN_S = 60.0
"""A live camera's pictures that are bad for one reason are logged so often; all are rows."""


def bad_item(error: ItemError, clock: Clock) -> Lost:
    """Something that could not be read and is no part: a hole in a recording."""
    now = clock.stamp()
    return Lost(TombstoneReason.BAD_ITEM, now, now, 1, str(error), error.item)


class ViewSink:
    """Pictures of one view.  Its ``capture`` thread's."""

    def __init__(
        self,
        view: str,
        intake: Intake,
        *,
        address: str,
        live: bool,
        takes: Callable[[], bool],
        tell: Callable[[AnyEvent], None],
        progress: Progress,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        """`address`: the source without secrets; `takes`: whether the lane takes parts now."""
        self.address = address
        self.takes = takes
        self._loop = loop_of(view)
        self._view = view
        self._intake = intake
        self._live = live
        self._tell = tell
        self._progress = progress
        self._clock = clock
        self._stop = stop
        self._logged_ns: dict[str, int] = {}

    def offer(self, item: Frame, timeout_s: float) -> bool:
        """See `capturing.Sink`."""
        return self._intake.offer(self._view, item, timeout_s)

    def leave_out(self, item: Frame) -> None:
        """See `capturing.Sink`."""
        self._intake.leave_out(item)

    def passed_over(self, captured: Stamp) -> None:
        """See `capturing.Sink`."""
        self._intake.passed_over(self._view, captured)

    def bad(self, error: ItemError) -> None:
        """A picture that cannot be decoded is a part that cannot be judged; a hole is none."""
        self._log(str(error))
        item = error.item
        if item is None and not self._live:
            self._progress.count("bad_items")
            self._tell(bad_item(error, self._clock))
            return
        picture = Unreadable(self._clock.stamp(), str(error), self.address, item)
        while not self._intake.offer(self._view, picture, OFFER_S):
            if self._stop.is_set():
                return
            self._progress.tick(self._loop)

    def offered(self) -> int:
        """See `capturing.Sink`."""
        return self._intake.passed()[0]

    def _log(self, reason: str) -> None:
        """Each, but of a live camera the same thing only now and then: it may be 25 a second."""
        now_ns = self._clock.boottime_ns()
        logged_ns = self._logged_ns.pop(reason, None)
        if self._live and logged_ns is not None and now_ns - logged_ns < AGAIN_S * NS_PER_S:
            self._logged_ns[reason] = logged_ns
            return
        log.warning("bad_item reason=%s", reason)
        self._logged_ns[reason] = now_ns
        if len(self._logged_ns) > REASONS:
            del self._logged_ns[next(iter(self._logged_ns))]


class BlockSink:
    """A microphone's first queue: the one place where such a lane may lose sound."""

    def __init__(
        self,
        capture: Capture,
        *,
        address: str,
        takes: Callable[[], bool],
        live: bool,
        tell: Callable[[AnyEvent], None],
        progress: Progress,
        clock: Clock,
    ) -> None:
        """A live source's oldest blocks go; a replay waits."""
        self.address = address
        self.takes = takes
        blocks = max(2, round(capture.queue_s * 1000 / capture.block_ms))
        self._tell = tell
        self._progress = progress
        self._clock = clock
        self._lock = threading.Lock()
        self._drops = Drops()
        self.channel: Channel[AudioBlock] = Channel(
            blocks if live else REPLAY_BLOCKS,
            OnFull.DROP_OLDEST if live else OnFull.BLOCK,
            on_drop=self._dropped,
        )

    def offer(self, item: AudioBlock, timeout_s: float) -> bool:
        """See `capturing.Sink`."""
        return self.channel.put(item, timeout_s=timeout_s)

    def leave_out(self, item: AudioBlock) -> None:
        """See `capturing.Sink`."""
        self._dropped(item)

    def passed_over(self, captured: Stamp) -> None:
        """See `capturing.Sink`."""
        with self._lock:
            self._drops.add(captured)

    def bad(self, error: ItemError) -> None:
        """A hole in a recording."""
        log.warning("bad_item reason=%s", error)
        self._progress.count("bad_items")
        self._tell(bad_item(error, self._clock))

    def offered(self) -> int:
        """Blocks are not parts: nothing waits for them."""
        return 0

    def lost_before(self, block: AudioBlock) -> None:
        """The device lost sound before this block."""
        with self._lock:
            if block.has_gap:
                self._drops.add(block.captured)

    def bursts(self, *, at_once: bool = False) -> list[Burst]:
        """Gaps that are over."""
        with self._lock:
            burst = self._drops.take(self._clock.boottime_ns(), at_once=at_once)
        return [burst] if burst else []

    def _dropped(self, block: AudioBlock) -> None:
        with self._lock:
            self._drops.add(block.captured)
