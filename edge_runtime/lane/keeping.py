"""The ``evidence`` thread: pictures and sounds that prove a verdict, encoded and durable.

Of its own so that a row never waits for a disk longer than it may: the row leaves, and the evidence
follows as an entry of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.errors import ItemError, LedgerError, LedgerFull
from edge_runtime.lane import evidence
from edge_runtime.types import Frame, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.config import KeepMedia
    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.progress import Progress
    from edge_runtime.types import Media, Region, Verdict

log = logging.getLogger(__name__)

LOOP = "evidence"
GET_POLL_S = 0.25
WAITING = 8
"""Parts that wait for their evidence: 8 pictures of 1280x720 are 22 MB."""
AHEAD = 12
"""So many of a source that can wait: rejects come in rows, between which the disk catches up."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What one part's evidence is made from."""

    subjects: Sequence[Frame | Segment]
    """Of each view, the deciding one first."""
    verdict: Verdict
    regions: Sequence[Region] = ()
    heat: NDArray[np.float32] | None = None
    """(h, w) 0..1 over the deciding picture."""


class Keeping:
    """`offer`: the ``decide`` thread; the rest is the ``evidence`` thread's."""

    def __init__(
        self,
        media: MediaStore,
        keep: KeepMedia,
        *,
        done: Callable[[int, tuple[Media, ...]], None],
        progress: Progress,
        waits: bool,
    ) -> None:
        """`done` is told of each part's evidence by its row; `waits`: the source can wait."""
        self._media = media
        self._keep = keep
        self._done = done
        self._progress = progress
        self._waits = waits
        self._told = False
        self._queue: Channel[tuple[int, Proof]] = Channel(
            1 << 16 if waits else WAITING, OnFull.BLOCK
        )

    def wants(self, verdict: Verdict) -> bool:
        """Whether the policy keeps evidence of it."""
        return verdict.kind.value in self._keep.keep

    def is_behind(self) -> bool:
        """A source that can wait should."""
        return self._queue.stats().depth >= AHEAD

    def offer(self, row: int, proof: Proof) -> bool:
        """Take this; False when too many wait, and it is lost.  Never blocks."""
        try:
            taken = self._queue.put((row, proof), timeout_s=0)
        except Closed:
            taken = False
        if not taken:
            self._lost("more evidence than the disk can take")
        return taken

    def close(self) -> None:
        """No more; what waits is still written."""
        self._queue.close()

    def run(self) -> None:
        """Until closed and empty."""
        while True:
            self._progress.tick(LOOP)
            try:
                taken = self._queue.get(GET_POLL_S)
            except Closed:
                break
            if taken is not None:
                row, proof = taken
                self._done(row, self._kept(proof))
        self._progress.end(LOOP)

    def _kept(self, proof: Proof) -> tuple[Media, ...]:
        """Durable files; none when the disk is full or fails, counted."""
        try:
            return tuple(
                self._media.put(data, kind=kind, mime=mime)
                for kind, mime, data in self._encoded(proof)
            )
        except (LedgerFull, LedgerError, ItemError) as exc:
            self._lost(str(exc))
            return ()

    def _encoded(self, proof: Proof) -> Iterator[tuple[str, str, bytes]]:
        quality = self._keep.jpeg_quality
        for number, subject in enumerate(proof.subjects):
            if isinstance(subject, Segment):
                flac = evidence.encode_flac(subject.samples, subject.rate_hz)
                yield "segment", "audio/flac", flac
                continue
            yield "frame", "image/jpeg", evidence.encode_jpeg(subject.pixels, quality)
            has_something = bool(proof.regions) or proof.heat is not None
            if number == 0 and self._keep.overlay and has_something:
                drawn = evidence.draw_overlay(
                    subject.pixels, proof.regions, proof.verdict, heat=proof.heat
                )
                yield "overlay", "image/jpeg", evidence.encode_jpeg(drawn, quality)

    def _lost(self, why: str) -> None:
        self._progress.count("media_lost")
        if not self._told:  # once: the counter tells the rest
            log.warning("media_lost reason=%s", why)
        self._told = True
