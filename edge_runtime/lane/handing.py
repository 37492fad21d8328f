"""What was decided, handed to those who store it; or counted, where there is no room for it.

Owned by the ``decide`` thread, which waits for none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.lane.keeping import Proof
from edge_runtime.lane.recording import Decided, EvidenceIs
from edge_runtime.parts import deciding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from edge_runtime.clock import Clock
    from edge_runtime.lane.judging import Looks, Told
    from edge_runtime.lane.keeping import Keeping
    from edge_runtime.lane.recording import Recording
    from edge_runtime.lane.window import Window
    from edge_runtime.link.in_hand import Page
    from edge_runtime.parts import Part
    from edge_runtime.progress import Progress
    from edge_runtime.types import Actuation, Finding, Result

REMEMBERED = 1024
"""Parts whose row is remembered, for what comes late."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where parts go when they are decided."""

    recording: Recording
    keeping: Keeping
    window: Window
    page: Page


@dataclass(frozen=True, slots=True)
class Acted:
    """A part's rows, and what its outputs were asked."""

    results: Sequence[Result]
    futures: Sequence[tuple[Future[Actuation], ...]]
    proof: Proof | None = None
    awaits_shadows: int = 0


class Handing:
    """See the module."""

    def __init__(
        self,
        store: Store,
        *,
        is_live: bool,
        row_leaves_s: float,
        progress: Progress,
        clock: Clock,
    ) -> None:
        """`row_leaves_s`: a row waits no longer for its evidence and its outputs' answers."""
        self._store = store
        self._is_live = is_live
        self._leaves_ns = int(row_leaves_s * NS_PER_S)
        self._progress = progress
        self._clock = clock
        self._rows = 0
        self._row_of: dict[int, int] = {}

    def row_of(self, part: int) -> int | None:
        """The row of a part that was closed lately."""
        return self._row_of.get(part)

    def hand_over(self, part: Part | None, acted: Acted) -> None:
        """Into the record; live and without room it is counted instead."""
        window = self._store.window
        # Live: only while the window has room; what can wait waited before it was looked at.
        tokens = [window.try_take() if self._is_live else window.take() for _ in acted.results]
        if part is not None and not self._is_live:
            window.arrived()
        taken = tuple(token for token in tokens if token is not None)
        if len(taken) < len(tokens):
            self._unstored(acted.results, taken)
            return
        row, self._rows = self._rows, self._rows + 1
        if part is not None:
            self._row_of[part.number] = row
            self._row_of.pop(part.number - REMEMBERED, None)
        decided = Decided(
            row=row,
            results=tuple(acted.results),
            futures=tuple(acted.futures),
            leaves_ns=self._clock.boottime_ns() + self._leaves_ns,
            tokens=taken,
            awaits_evidence=acted.proof is not None,
            awaits_shadows=acted.awaits_shadows,
        )
        self._store.recording.tell(decided)
        if acted.proof is not None and not self._store.keeping.offer(row, acted.proof):
            self._store.recording.tell(EvidenceIs(row, ()))

    def proof(
        self, findings: Sequence[Finding], looks: Looks, told: Sequence[Told]
    ) -> Proof | None:
        """What the policy keeps of this part; None where it keeps nothing, or nothing was seen."""
        wanted = [verdict for verdict, _ in told if self._store.keeping.wants(verdict)]
        if not wanted or not looks.subjects:
            return None
        shown = deciding(findings, wanted[0])
        subjects = looks.subjects
        view = shown.view if shown and shown.view in subjects else next(iter(subjects))
        others = [subject for name, subject in subjects.items() if name != view]
        answer = looks.answers.get((shown.view, shown.frame, shown.model or "")) if shown else None
        return Proof(
            subjects=[subjects[view], *others],
            verdict=wanted[0],
            regions=shown.regions if shown else (),
            heat=answer.heat if answer else None,
        )

    def _unstored(self, results: Sequence[Result], tokens: Sequence[int]) -> None:
        """Acted upon, and there is no room to say so: it is counted where a kill cannot reach."""
        self._store.window.settled(tokens)
        for result in results:
            self._store.page.unstored(result.captured.wall_ns)
            self._progress.count("unstored_parts")
