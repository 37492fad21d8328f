"""What followers of the control socket see of committed entries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from edge_runtime.types import Addition, Event, Result, Tombstone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_runtime.types import EntryBody

FOLLOW_QUEUE = 4096


class Feed:
    """Committed entries to whoever follows.  One that does not read misses some, and is told.

    Owned by the supervisor's loop.
    """

    def __init__(self) -> None:
        self._followers: set[asyncio.Queue[dict[str, Any]]] = set()
        self._missed: dict[int, int] = {}

    def publish(self, entry: dict[str, Any]) -> None:
        """Offer one entry to every follower; never waits."""
        for queue in self._followers:
            try:
                queue.put_nowait(entry)
            except asyncio.QueueFull:
                self._missed[id(queue)] += 1

    async def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Entries as they are committed; ``{"missed": n}`` where some were left out."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(FOLLOW_QUEUE)
        self._followers.add(queue)
        self._missed[id(queue)] = 0
        try:
            yield {"following": True}
            while True:
                entry = await queue.get()
                if missed := self._missed[id(queue)]:
                    self._missed[id(queue)] = 0
                    yield {"missed": missed}
                yield entry
        finally:
            self._followers.discard(queue)
            del self._missed[id(queue)]


def feed_entry(seq: int, body: EntryBody) -> dict[str, Any]:
    """A committed entry in a few words; the ledger has the whole."""
    match body:
        case Tombstone():
            return {
                "seq": seq,
                "lane": body.lane,
                "tombstone": body.reason.value,
                "count": body.count,
                "detail": body.detail,
            }
        case Addition():
            return {
                "seq": seq,
                "lane": body.lane,
                "addition": body.kind.value,
                "about": body.about,
                "media": [media.sha256 for media in body.media],
            }
        case Event():
            return {"seq": seq, "lane": body.lane, "event": body.code, "text": body.text}
    return _of_result(seq, body)


def _of_result(seq: int, result: Result) -> dict[str, Any]:
    verdict = result.verdict
    return {
        "seq": seq,
        "lane": result.lane,
        "verdict": verdict.kind.value,
        "label": verdict.label,
        "score": verdict.score,
        "reason": verdict.reason,
        "decided_by": verdict.decided_by,
        "part": result.part,
        "trigger": result.trigger,
        "item": result.item,
        "text": result.text,
        "latency_ms": result.latency_ms,
        "acknowledged": [actuation.acknowledged for actuation in result.actuations],
        "media": [media.sha256 for media in result.media],
        "wall_ns": result.captured.wall_ns,
    }
