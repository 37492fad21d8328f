"""What the supervisor does for a lane: its results into the ledger, its death into a tombstone."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from edge_runtime.ledger.writer import PutResult, PutTombstone
from edge_runtime.link.messages import AnyMessage, Bury, Record, Start, Stop, Stored
from edge_runtime.supervisor.child import Child, ChildSpec
from edge_runtime.types import Result, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.supervisor.bridge import Bridge
    from edge_runtime.supervisor.control import Feed

MODULE = "edge_runtime.lane"


class LaneKeeper:
    """One lane as the supervisor sees it.  Loop only."""

    def __init__(
        self,
        name: str,
        config: Config,
        *,
        bridge: Bridge,
        feed: Feed,
        on_stored: Callable[[], None],
        clock: Clock,
    ) -> None:
        """`on_stored` is called after each commit, so that sync may look."""
        self.name = name
        self.verdicts: Counter[str] = Counter()
        """Stored by this run."""
        self.tombstones: Counter[str] = Counter()
        self.last: Result | None = None
        self._config = config
        self._bridge = bridge
        self._feed = feed
        self._on_stored = on_stored
        self._clock = clock
        self._last_item: str | None = None
        self._alive_at = clock.stamp()
        self._unsaid: list[int] = []
        self._last_seq = 0
        self.child = Child(
            ChildSpec(name, MODULE),
            make_start=self._start,
            on_message=self._on_message,
            on_crash=self._on_crash,
            settings=config.supervisor,
            clock=clock,
        )

    def stop(self) -> None:
        """End of input: drain what is in hand."""
        self.child.stop(Stop())

    async def _start(self) -> Start:
        """Where the lane goes on: behind what it had already handed over."""
        await self._bridge.settled(self.name)
        lane = self._config.lanes[self.name]
        is_watched = lane.source.startswith("folder:") and lane.capture.watch
        return Start(
            name=self.name,
            config=self._config,
            resume_after=None if is_watched else self._last_item,
            done_before=is_watched,
        )

    def _on_message(self, message: AnyMessage) -> None:
        self._alive_at = self._clock.stamp()
        if isinstance(message, Record):
            self._last_item = message.result.item or self._last_item
            self._put(message.token, PutResult(message.result), message.result)
        elif isinstance(message, Bury):
            self._put(message.token, PutTombstone(message.tombstone), message.tombstone)

    def _put(self, token: int, op: PutResult | PutTombstone, entry: Result | Tombstone) -> None:
        def stored(seq: int) -> None:
            self._count(entry)
            self._feed.publish(feed_entry(seq, entry))
            self._say_stored(token, seq)

        self._bridge.submit(self.name, op, stored)

    def _count(self, entry: Result | Tombstone) -> None:
        if isinstance(entry, Result):
            self.last = entry
            self.verdicts[entry.verdict.kind.value] += 1
        else:
            self.tombstones[entry.reason.value] += 1

    def _say_stored(self, token: int, seq: int) -> None:
        """One message for all that came out of the same commit."""
        if not self._unsaid:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsaid.append(token)
        self._last_seq = seq

    def _flush(self) -> None:
        tokens, self._unsaid = self._unsaid, []
        self.child.send(Stored(tokens, self._last_seq))
        self._on_stored()

    def _on_crash(self, reason: str) -> None:
        """Whatever the lane had in hand is gone, unless its source is a replay and repeats it."""
        replays = self._last_item is not None
        where = f"; goes on behind {self._last_item}" if replays else ""
        tombstone = Tombstone(
            lane=self.name,
            reason=TombstoneReason.LANE_CRASH,
            first=self._alive_at,
            last=self._clock.stamp(),
            count=0 if replays else None,
            detail=f"{reason}{where}",
        )

        def stored(seq: int) -> None:
            self._count(tombstone)
            self._feed.publish(feed_entry(seq, tombstone))
            self._on_stored()

        self._bridge.submit(self.name, PutTombstone(tombstone), stored)


def feed_entry(seq: int, entry: Result | Tombstone) -> dict[str, Any]:
    """What followers of the control socket see of a committed entry."""
    if isinstance(entry, Tombstone):
        return {
            "seq": seq,
            "lane": entry.lane,
            "tombstone": entry.reason.value,
            "count": entry.count,
            "detail": entry.detail,
        }
    verdict = entry.verdict
    return {
        "seq": seq,
        "lane": entry.lane,
        "verdict": verdict.kind.value,
        "label": verdict.label,
        "score": verdict.score,
        "reason": verdict.reason,
        "item": entry.item,
        "text": entry.text,
        "latency_ms": entry.latency_ms,
        "acknowledged": [actuation.acknowledged for actuation in entry.actuations],
        "media": [media.sha256 for media in entry.media],
        "wall_ns": entry.captured.wall_ns,
    }
