"""What ``capture`` hands its items to: a view of the intake, or a microphone's first queue."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
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
SAY_EACH_S = 60.0
"""Live pictures that are bad for one reason stand in the log this often; all of them are rows."""
REASONS = 16
_NUMBER = re.compile(r"\d+")


def bad_item(error: ItemError, clock: Clock) -> Lost:
    """Something that could not be read and is no part: a hole in a recording."""
    now = clock.stamp()
    return Lost(TombstoneReason.BAD_ITEM, now, now, 1, str(error), error.item, error.once)


@dataclass(slots=True)
class _Said:
    """When a reason was logged, and how often it was not since."""

    at_ns: int
    since: int = 0


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
        self._said: dict[str, _Said] = {}

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
        self._say(error)
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

    def _say(self, error: ItemError) -> None:
        """Each one that has a name; of a live camera's, 25 a second, one a reason in a while."""
        if error.item is not None or not self._live:
            log.warning("bad_item reason=%s", error)
            return
        now_ns, reason = self._clock.boottime_ns(), _NUMBER.sub("#", str(error))
        said = self._said.pop(reason, None)
        if said is not None and now_ns - said.at_ns < SAY_EACH_S * NS_PER_S:
            said.since += 1
            self._said[reason] = said
            return
        more = f" and {said.since} like it since the last line" if said and said.since else ""
        log.warning("bad_item reason=%s%s", error, more)
        self._said[reason] = _Said(now_ns)
        if len(self._said) > REASONS:
            del self._said[next(iter(self._said))]

    def offered(self) -> int:
        """See `capturing.Sink`."""
        return self._intake.passed()[0]


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
