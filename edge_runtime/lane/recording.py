"""The ``record`` thread: rows to the ledger, at most `ROW_LEAVES_S` after the act, in their order.

A row takes along what is there by then: evidence that is durable, outputs that have answered.  What
is still to come it names (`Result.pending`), and sends as an entry of its own once it is there and
the row has its number.  So what a lane that dies may leave unrecorded is what it decided in the
last tenth of a second, and the page that outlives it says how many that were.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_S
from edge_runtime.link.messages import (
    MessageTooLarge,
    NewAddition,
    NewResult,
    NewResults,
    NewTombstone,
)
from edge_runtime.types import Addition, AdditionKind, Role, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from edge_runtime.clock import Clock
    from edge_runtime.lane.events import Lost
    from edge_runtime.lane.window import Window
    from edge_runtime.link.child_end import Link
    from edge_runtime.link.in_hand import Page
    from edge_runtime.link.messages import AnyMessage
    from edge_runtime.progress import Progress
    from edge_runtime.types import Actuation, Finding, Media, Result

log = logging.getLogger(__name__)

LOOP = "record"
POLL_S = 0.25
ROW_LEAVES_S = 0.1
"""After the act: what a lane that dies may have acted upon without a row."""
IDLE_ROW_LEAVES_S = 5.0
"""Of a replay that drives nothing: its items come again, and one entry is better than two."""
LATE_AT_MOST_S = 20.0
"""At the end: an output answers within its own time-out (at most 10 s), a delayed one later."""
LATE_FINDINGS_KEPT = 256
ROWS_REMEMBERED = 1024
EVIDENCE, ACTUATION, FINDING = "evidence", "actuation", "finding"


@dataclass(slots=True)
class Decided:
    """A part that was acted upon, on its way into the ledger; of a segment its words together."""

    row: int
    """0, 1, 2 ...: what evidence and answers name it by."""
    results: tuple[Result, ...]
    futures: tuple[tuple[Future[Actuation], ...], ...]
    """Of each result, its outputs' answers."""
    leaves_ns: int
    tokens: tuple[int, ...]
    awaits_evidence: bool = False
    awaits_shadows: int = 0
    """Findings that the part did not wait for, and the row does while it may."""
    media: tuple[Media, ...] = ()
    has_left: bool = False
    seqs: dict[int, int] = field(default_factory=dict)
    """Of each result that is stored."""
    told: set[tuple[int, int]] = field(default_factory=set)
    """(result, future) that were told already."""

    @property
    def awaits(self) -> tuple[str, ...]:
        """What is not there yet."""
        open_acts = any(not future.done() for futures in self.futures for future in futures)
        return tuple(
            name
            for name, is_open in (
                (EVIDENCE, self.awaits_evidence),
                (ACTUATION, open_acts),
                (FINDING, self.awaits_shadows > 0),
            )
            if is_open
        )


@dataclass(frozen=True, slots=True)
class EvidenceIs:
    """The ``evidence`` thread: durable now (nothing: lost)."""

    row: int
    media: tuple[Media, ...]


@dataclass(frozen=True, slots=True)
class LateFinding:
    """A finding that came when its part was closed."""

    row: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Answered:
    """Some output answered: look whose turn it is."""


@dataclass(frozen=True, slots=True)
class StoredIs:
    """The supervisor: these tokens are settled."""

    tokens: tuple[int, ...]
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """No more parts."""


@dataclass(frozen=True, slots=True)
class RoomNow:
    """Whether the ledger takes rows; when it does again, what could not be stored is told."""

    full: bool


Notice: TypeAlias = (
    "Decided | EvidenceIs | LateFinding | Answered | StoredIs | Finish | RoomNow | Lost"
)


class Recording:
    """`tell`: any thread; the rest is the ``record`` thread's."""

    def __init__(
        self,
        *,
        lane: str,
        link: Link,
        window: Window,
        page: Page,
        progress: Progress,
        clock: Clock,
    ) -> None:
        """Rows go over `link`; `window` counts what is on its way."""
        self._lane = lane
        self._link = link
        self._window = window
        self._page = page
        self._progress = progress
        self._clock = clock
        self._notices: Channel[Notice] = Channel(1 << 16, OnFull.BLOCK)
        self._waiting: deque[Decided] = deque()
        """Rows that have not left, in their order."""
        self._late: dict[int, Decided] = {}
        """Rows that have, and of which something is still to come."""
        self._by_token: dict[int, tuple[Decided, int]] = {}
        self._late_findings: deque[LateFinding] = deque(maxlen=LATE_FINDINGS_KEPT)
        self._seq_of_row: dict[int, int] = {}
        """Of the last rows: for findings that come late."""
        self._rows: dict[int, Decided] = {}
        self._is_full = False
        self._unstored_told: tuple[int, int] | None = None
        """(token, count) of the tombstone that is on its way."""

    def tell(self, notice: Notice) -> None:
        """Something has come.  Never blocks: the channel is far larger than the window."""
        try:
            if not self._notices.put(notice, timeout_s=0):
                self._progress.count("notices_lost")
                log.error("record_overflow notice=%s", type(notice).__name__)
        except Closed:
            log.warning("record_closed notice=%s", type(notice).__name__)

    def stored(self, tokens: Sequence[int], seqs: Sequence[int]) -> None:
        """The link's thread: the supervisor has settled these."""
        self._window.settled(tokens)
        self.tell(StoredIs(tuple(tokens), tuple(seqs)))

    def finish(self) -> None:
        """No more parts: what was told is still done, then `run` ends."""
        self.tell(Finish())

    def run(self) -> None:
        """Until `finish`, and then until everything is settled."""
        end_ns: int | None = None
        while end_ns is None or not self._is_done(end_ns):
            self._tick()
            notice = self._notices.get(self._pause_s())
            if isinstance(notice, Finish):
                end_ns = self._clock.boottime_ns() + int(LATE_AT_MOST_S * NS_PER_S)
            elif notice is not None:
                self._take(notice)
            self._send_what_is_due()
            if not self._is_full and not len(self._window):
                self._account_for_unstored()
        self._notices.close()
        self._progress.end(LOOP)

    def _is_done(self, end_ns: int) -> bool:
        """Nothing waits, nothing is on its way; what is still to come has had its time.

        With a full ledger nobody waits for what was handed over: the supervisor has it, and counts
        what the ledger could not take.
        """
        if self._waiting:
            return False
        if self._is_full:
            return True
        if len(self._window):
            return False
        return not self._late or self._clock.boottime_ns() > end_ns

    def _pause_s(self) -> float:
        if not self._waiting:
            return POLL_S
        left_ns = self._waiting[0].leaves_ns - self._clock.boottime_ns()
        return min(POLL_S, max(0.0, left_ns / NS_PER_S))

    def _take(self, notice: Notice) -> None:
        match notice:
            case Decided():
                self._expect(notice)
            case EvidenceIs():
                self._evidence_is(notice)
            case LateFinding():
                self._tell_late_finding(notice)
            case StoredIs():
                self._settle(notice)
            case RoomNow():
                self._room_is(full=notice.full)
            case Answered() | Finish():
                pass  # looked at below, with everything else that is due
            case _:
                self._bury(notice)

    def _expect(self, decided: Decided) -> None:
        self._waiting.append(decided)
        self._rows[decided.row] = decided
        for futures in decided.futures:
            for future in futures:
                future.add_done_callback(lambda _: self.tell(Answered()))

    def _evidence_is(self, notice: EvidenceIs) -> None:
        if (there := self._rows.get(notice.row)) is not None:
            there.awaits_evidence = False
            there.media = notice.media
            self._tell_late_evidence(there)

    def _room_is(self, *, full: bool) -> None:
        self._is_full = full
        if not full:
            self._account_for_unstored()

    def _send_what_is_due(self) -> None:
        now_ns = self._clock.boottime_ns()
        while self._waiting:
            first = self._waiting[0]
            if first.awaits and now_ns < first.leaves_ns:
                break
            self._waiting.popleft()
            self._send_row(first)
        for row in list(self._late.values()):
            self._tell_late_acts(row)

    def _send_row(self, row: Decided) -> None:
        pending = row.awaits
        results = tuple(
            replace(
                result,
                media=row.media,
                actuations=self._answers(row, number),
                pending=pending,
            )
            for number, result in enumerate(row.results)
        )
        row.has_left = True
        row.media = ()
        if pending:
            self._late[row.row] = row
        else:
            del self._rows[row.row]
        for number, token in enumerate(row.tokens):
            self._by_token[token] = (row, number)
        if len(results) == 1:
            self._send(NewResult(row.tokens[0], results[0]), row.tokens, results)
        else:
            self._send(NewResults(list(row.tokens), list(results)), row.tokens, results)
        self._progress.count("recorded", len(results))

    def _send(self, message: AnyMessage, tokens: Sequence[int], results: Sequence[Result]) -> None:
        try:
            self._link.send(message)
        except MessageTooLarge as exc:  # what is left out is told; the verdicts are not lost
            log.error("row_too_large lane=%s error=%s", self._lane, exc)  # noqa: TRY400
            for token, result in zip(tokens, results, strict=True):
                cut = len(result.findings)
                bare = replace(
                    result, findings=(), findings_cut=cut, regions=(), scores=(), text=None
                )
                self._link.send(NewResult(token, bare))

    def _answers(self, row: Decided, number: int) -> tuple[Actuation, ...]:
        """What this result's outputs have answered by now."""
        answers = []
        for place, future in enumerate(row.futures[number]):
            if future.done():
                row.told.add((number, place))
                answers.append(future.result(timeout=0))
        return tuple(answers)

    def _settle(self, stored: StoredIs) -> None:
        for token, seq in zip(stored.tokens, stored.seqs, strict=True):
            if self._unstored_told is not None and token == self._unstored_told[0]:
                self._page.accounted(self._unstored_told[1])
                self._unstored_told = None
                self._account_for_unstored()
            found = self._by_token.pop(token, None)
            if found is None:
                continue
            row, number = found
            row.seqs[number] = seq
            if number == 0:
                self._remember(row.row, seq)
            if seq == 0:  # refused for good: nothing can be said about it
                self._forget(row)
        for row in list(self._late.values()):
            self._tell_late_evidence(row)
        waiting = list(self._late_findings)
        self._late_findings.clear()
        for late in waiting:
            self._tell_late_finding(late)

    def _tell_late_evidence(self, row: Decided) -> None:
        if not row.has_left or row.row not in self._late or not self._is_stored(row):
            return
        if row.awaits_evidence or not row.media:
            self._forget_if_done(row)
            return
        media, row.media = row.media, ()
        for seq in row.seqs.values():
            self._add(Addition(
                lane=self._lane, about=seq, kind=AdditionKind.EVIDENCE, at=self._clock.stamp(),
                media=media,
            ))  # fmt: skip
        self._forget_if_done(row)

    def _tell_late_acts(self, row: Decided) -> None:
        if not self._is_stored(row):
            return
        for number, futures in enumerate(row.futures):
            for place, future in enumerate(futures):
                if future.done() and (number, place) not in row.told:
                    row.told.add((number, place))
                    self._add(Addition(
                        lane=self._lane, about=row.seqs[number], kind=AdditionKind.ACTUATION,
                        at=self._clock.stamp(), actuation=future.result(timeout=0),
                    ))  # fmt: skip
        self._forget_if_done(row)

    def _tell_late_finding(self, late: LateFinding) -> None:
        """Kept, and harmless: it changes no verdict.

        A shadow's stands in its row while that has not left; else it waits until the row has a
        number, as that of a model that was late does, whose row says so.
        """
        row = self._rows.get(late.row)
        is_shadow = late.finding.role is Role.SHADOW
        if row is not None and not row.has_left and is_shadow and row.results[0].findings:
            row.awaits_shadows = max(0, row.awaits_shadows - 1)
            row.results = tuple(
                replace(result, findings=(*result.findings, late.finding)) for result in row.results
            )
            return
        seq = self._seq_of_row.get(late.row)
        if seq is None:
            self._late_findings.append(late)
            return
        if seq == 0:
            return
        self._add(Addition(
            lane=self._lane, about=seq, kind=AdditionKind.FINDING, at=self._clock.stamp(),
            finding=late.finding,
        ))  # fmt: skip

    def _remember(self, row: int, seq: int) -> None:
        self._seq_of_row[row] = seq
        if len(self._seq_of_row) > ROWS_REMEMBERED:
            del self._seq_of_row[next(iter(self._seq_of_row))]

    def _is_stored(self, row: Decided) -> bool:
        return len(row.seqs) == len(row.tokens) and all(row.seqs.values())

    def _forget_if_done(self, row: Decided) -> None:
        told = sum(map(len, row.futures)) == len(row.told)
        if told and not row.awaits_evidence and not row.media:
            self._forget(row)

    def _forget(self, row: Decided) -> None:
        self._late.pop(row.row, None)
        self._rows.pop(row.row, None)

    def _add(self, addition: Addition) -> None:
        self._link.send(NewAddition(self._window.take(), addition))

    def _bury(self, lost: Lost) -> None:
        tombstone = Tombstone(
            lane=self._lane,
            reason=lost.reason,
            first=lost.first,
            last=lost.last,
            count=lost.count,
            detail=lost.detail,
            item=lost.item,
        )
        once = f"{self._lane} {lost.once}" if lost.once else ""
        self._link.send(NewTombstone(self._window.take(), tombstone, once))

    def _account_for_unstored(self) -> None:
        """One tombstone for all parts that could not be stored; never twice for the same."""
        if self._unstored_told is not None:
            return
        told = self._page.tell_unstored()
        if told is None:
            return
        count, first_ns, last_ns, generation = told
        now = self._clock.stamp()
        token = self._window.take()
        self._unstored_told = (token, count)
        tombstone = Tombstone(
            lane=self._lane,
            reason=TombstoneReason.STORE_FULL,
            first=replace(now, wall_ns=first_ns),
            last=replace(now, wall_ns=last_ns),
            count=count,
            detail="judged and acted upon; the ledger could not take them in time",
        )
        once = f"unstored:{self._lane}:{generation}"
        self._link.send(NewTombstone(token, tombstone, once))

    def _tick(self) -> None:
        self._progress.tick(LOOP)
