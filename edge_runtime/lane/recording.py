"""The ``record`` thread: evidence to disk, then the result to the ledger; and the way back."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import wait
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_runtime.channel import Closed
from edge_runtime.errors import ItemError, LedgerFull
from edge_runtime.lane import evidence
from edge_runtime.lane.deciding import Buried, Decided
from edge_runtime.link.messages import Bury, Record
from edge_runtime.types import Tombstone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from edge_runtime.channel import Channel
    from edge_runtime.config import KeepMedia
    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.link.child_end import Link
    from edge_runtime.progress import Progress
    from edge_runtime.types import Actuation, Media

log = logging.getLogger(__name__)

LOOP = "record"
POLL_S = 0.25
ACTUATION_TIMEOUT_S = 15.0
"""An output resolves within its own time-out (at most 10 s); more is a defect of the output."""


class Unstored:
    """Counts results that are on their way to the ledger; bounded.  Any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tokens: set[int] = set()
        self._next = 1
        self._changed = threading.Condition()

    def take(self, tick: Callable[[], None]) -> int:
        """A token, once there is room; `tick` is called while waiting."""
        with self._changed:
            while not self._changed.wait_for(lambda: len(self._tokens) < self._limit, POLL_S):
                tick()
            token = self._next
            self._next += 1
            self._tokens.add(token)
            return token

    def stored(self, tokens: Sequence[int]) -> None:
        """These are durable."""
        with self._changed:
            self._tokens.difference_update(tokens)
            self._changed.notify_all()

    def wait_empty(self, tick: Callable[[], None]) -> None:
        """Until everything sent is durable."""
        with self._changed:
            while not self._changed.wait_for(lambda: not self._tokens, POLL_S):
                tick()

    def __len__(self) -> int:
        with self._changed:
            return len(self._tokens)


class Recording:
    """Owned by the ``record`` thread."""

    def __init__(
        self,
        *,
        lane: str,
        record: Channel[Decided | Buried],
        media: MediaStore,
        keep: KeepMedia,
        link: Link,
        unstored: Unstored,
        progress: Progress,
    ) -> None:
        self._lane = lane
        self._record = record
        self._media = media
        self._keep = keep
        self._link = link
        self._unstored = unstored
        self._progress = progress
        self._media_lost = False

    def run(self) -> None:
        """Until the channel is closed and empty and everything is in the ledger."""
        while True:
            self._tick()
            try:
                item = self._record.get(POLL_S)
            except Closed:
                break
            if isinstance(item, Decided):
                self._record_result(item)
            elif item is not None:
                self._bury(item)
        self._unstored.wait_empty(self._tick)
        self._progress.end(LOOP)

    def _record_result(self, decided: Decided) -> None:
        media = self._evidence(decided)
        result = replace(
            decided.result, media=media, actuations=self._acknowledged(decided.actuations)
        )
        token = self._unstored.take(self._tick)
        self._link.send(Record(token, result))
        self._progress.count("recorded")

    def _bury(self, buried: Buried) -> None:
        tombstone = Tombstone(
            lane=self._lane,
            reason=buried.reason,
            first=buried.captured,
            last=buried.captured,
            count=buried.count,
            detail=buried.detail,
        )
        token = self._unstored.take(self._tick)
        self._link.send(Bury(token, tombstone))

    def _acknowledged(self, futures: Sequence[Future[Actuation]]) -> tuple[Actuation, ...]:
        waited_s = 0.0
        while wait(futures, timeout=POLL_S).not_done and waited_s < ACTUATION_TIMEOUT_S:
            waited_s += POLL_S
            self._tick()
        actuations = tuple(future.result(timeout=0) for future in futures)
        for actuation in actuations:
            self._progress.count("acknowledged" if actuation.acknowledged else "unacknowledged")
        return actuations

    def _evidence(self, decided: Decided) -> tuple[Media, ...]:
        """The media that the policy keeps, durable; none when the disk is full, and counted."""
        if decided.result.verdict.kind.value not in self._keep.keep:
            return ()
        try:
            return tuple(
                self._media.put(data, kind=kind, mime=mime)
                for kind, mime, data in self._encoded(decided)
            )
        except (LedgerFull, ItemError) as exc:  # no room, or a picture that cannot be encoded
            self._progress.count("media_lost")
            if not self._media_lost:  # once: the counter tells the rest
                log.warning("media_lost reason=%s", exc)
            self._media_lost = True
            return ()

    def _encoded(self, decided: Decided) -> Sequence[tuple[str, str, bytes]]:
        if decided.segment is not None:
            flac = evidence.encode_flac(decided.segment.samples, decided.segment.rate_hz)
            return [("segment", "audio/flac", flac)]
        if decided.pixels is None:
            return []
        quality = self._keep.jpeg_quality
        files = [("frame", "image/jpeg", evidence.encode_jpeg(decided.pixels, quality))]
        if self._keep.overlay and (decided.result.regions or decided.heat is not None):
            drawn = evidence.draw_overlay(
                decided.pixels, decided.result.regions, decided.result.verdict, heat=decided.heat
            )
            files.append(("overlay", "image/jpeg", evidence.encode_jpeg(drawn, quality)))
        return files

    def _tick(self) -> None:
        self._progress.tick(LOOP)
