"""The ``decide`` thread: findings -> one verdict a part -> the line -> the record.

It is the single owner of rules, open parts, the safe state and time: somebody has to act on the
*absence* of a picture.  It waits for nobody: not for the disk, not for a far side, not for a model.
Parts are judged, acted upon and recorded in their order, and so is what says that the lane cannot
see.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime import failpoint
from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.lane.events import (
    Away,
    Back,
    Begun,
    Found,
    Looked,
    Lost,
    Missed,
    OutputIs,
    RoomIs,
    Unseen,
)
from edge_runtime.lane.handing import Acted, Handing
from edge_runtime.lane.judging import Judging, Looks
from edge_runtime.lane.looking import failure
from edge_runtime.lane.recording import LateFinding, RoomNow
from edge_runtime.lane.results import Row
from edge_runtime.parts import PartTable
from edge_runtime.types import Role, TombstoneReason, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from edge_runtime.clock import Clock
    from edge_runtime.config import Lane as LaneConfig
    from edge_runtime.lane.condition import Condition
    from edge_runtime.lane.drops import Burst
    from edge_runtime.lane.events import AnyEvent
    from edge_runtime.lane.far import FarSide
    from edge_runtime.lane.handing import Store
    from edge_runtime.lane.intake import Unreadable
    from edge_runtime.lane.judging import Rulebook
    from edge_runtime.parts import Closed as ClosedPart
    from edge_runtime.parts import Part
    from edge_runtime.progress import Progress
    from edge_runtime.types import Actuation, Frame, Inference, Result, Span, Stamp

    Words = Callable[[Inference, Mapping[str, float]], Sequence[Span]]

log = logging.getLogger(__name__)

LOOP = "decide"
POLL_S = 0.1
EVENTS = 1 << 22
"""As good as endless.  What is large in it waits elsewhere (jobs, segments); triggers cannot be
asked to wait, and whoever tells of them holds the shelf, which this thread needs for the time."""
TIME_S = 0.005
"""While one event comes behind the other, a look at the time this often."""


@dataclass(slots=True)
class _BlindRow:
    """A ``no_read`` of the lane itself, that waits for the parts before it."""

    result: Result
    futures: tuple[Future[Actuation], ...]
    offered: int
    limit: int | None = None
    """Once what was offered before is taken: so many parts come first."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deciding of one lane depends on."""

    lane: str
    config: LaneConfig
    source: str
    """The first view's, without secrets: of a part that nothing was seen of."""
    is_live: bool
    turn_s: float
    """The loop turns at least so often: it holds the dead man's handle."""
    row_leaves_s: float
    """A row waits no longer for its evidence and its outputs' answers."""


@dataclass(frozen=True, slots=True)
class Front:
    """What ``decide`` asks of the stages before it."""

    passed: Callable[[], tuple[int, int, int]]
    """See `Intake.passed`."""
    tick: Callable[[], Sequence[Burst]]
    """Time has passed; bursts of drops that are over."""


class Deciding:
    """`tell`, `begun`, `missed`: any thread; the rest is the ``decide`` thread's."""

    def __init__(
        self,
        settings: Settings,
        *,
        rulebook: Rulebook,
        far: FarSide,
        condition: Condition,
        store: Store,
        front: Front,
        progress: Progress,
        clock: Clock,
    ) -> None:
        """Nothing has begun."""
        self._settings = settings
        self._row = Row(settings.lane, settings.config.recipe)
        self._judging = Judging(rulebook)
        self._handing = Handing(
            store,
            is_live=settings.is_live,
            row_leaves_s=settings.row_leaves_s,
            progress=progress,
            clock=clock,
        )
        self._far = far
        self._condition = condition
        self._recording, self._page = store.recording, store.page
        self._front = front
        self._progress = progress
        self._clock = clock
        self._events: Channel[AnyEvent] = Channel(EVENTS, OnFull.BLOCK)
        self._table = PartTable()
        self._looks: dict[int, Looks] = {}
        """Of the open parts."""
        self._blind: list[_BlindRow | Lost] = []
        self._blind_since: tuple[Stamp, str] | None = None
        """Since when a source is away, and why; of several, the first."""
        self._blind_now = ""
        """Why it is away by now, where that is something else."""
        self._looked_ns = 0

    # Any thread.

    def tell(self, event: AnyEvent) -> None:
        """Something has come.  Never blocks."""
        if isinstance(event, Begun) or (
            isinstance(event, (Looked, Unseen)) and event.begins is not None
        ):
            self._page.begun()
        try:
            self._events.put(event, timeout_s=0)
        except Closed:
            log.debug("decide_closed event=%s", type(event).__name__)

    def begun(self, part: Part, picture: Frame | Unreadable | None = None) -> None:
        """See `intake.Begins`."""
        known = None if picture is None else Unseen(part.number, picture.source, picture.item)
        self.tell(Begun(part, known))

    def missed(self, part: Part, view: str, frame: int, why: str) -> None:
        """See `intake.Begins`: this place of the part stays empty."""
        self.tell(Missed(part, view, frame, why))

    @property
    def takes_parts(self) -> bool:
        """Whether anything may be looked at: not while the config says stop."""
        return self._condition.takes_parts

    def close(self) -> None:
        """Nothing more is told; what is inside is still decided."""
        self._events.close()

    # The ``decide`` thread.

    def run(self) -> None:
        """Until closed and empty; what is open then is closed as late."""
        while True:
            self._progress.tick(LOOP)
            try:
                event = self._events.get(self._pause_s())
            except Closed:
                break
            if event is not None:
                self._handle(event)
            self._keep_time()
        self._close_parts(now_ns=1 << 62)
        self._end_blindness("the lane was stopped")
        self._record_blind(at_end=True)
        self._progress.end(LOOP)

    def _pause_s(self) -> float:
        now_ns = self._clock.boottime_ns()
        pause_s = min(POLL_S, self._settings.turn_s)
        due_ns = self._table.next_due_ns()
        if due_ns is not None:
            pause_s = min(pause_s, max(0.0, (due_ns - now_ns) / NS_PER_S))
        return pause_s

    def _keep_time(self) -> None:
        now_ns = self._clock.boottime_ns()
        self._close_parts(now_ns)
        if self._events.stats().depth and now_ns - self._looked_ns < TIME_S * NS_PER_S:
            return  # a look costs as much as there are open parts: not one for each event
        self._looked_ns = now_ns
        for burst in self._front.tick():
            self._handle(dropped(burst))
        self._record_blind()
        self._condition.squeeze(now_ns, self._table.oldest_ns())

    def _handle(self, event: AnyEvent) -> None:
        match event:
            case Begun() | Looked() | Unseen() | Found():
                self._of_part(event)
            case Missed():
                self._missed(event)
            case Away():
                self._source_away(event)
            case Back():
                self._condition.source_back(event)
                if not self._condition.is_blind:
                    self._end_blindness("it is back")
            case Lost():
                self._progress.count(f"tombstones_{event.reason.value}")
                self._recording.tell(event)
            case OutputIs():
                self._condition.output_is(event)
            case RoomIs():
                self._condition.room_is(full=event.full)
                self._recording.tell(RoomNow(event.full))

    def _of_part(self, event: Begun | Looked | Unseen | Found) -> None:
        if isinstance(event, Begun):
            self._begin(event.part, event.known)
            return
        if isinstance(event, Found):
            self._found(event)
            return
        if event.begins is not None:
            self._begin(event.begins)
        if (there := self._looks.get(event.number)) is None:
            return  # it was closed at its deadline
        if isinstance(event, Looked):
            there.subjects.setdefault(event.view, event.subject)
        else:
            there.unseen = event

    def _begin(self, part: Part, known: Unseen | None = None) -> None:
        self._table.begin(part)
        self._looks[part.number] = Looks(unseen=known)

    def _missed(self, missed: Missed) -> None:
        part, place = missed.part, (missed.view, missed.frame)
        for key in sorted(part.wanted | part.shadow):
            if key[:2] == place:
                role = Role.SERVING if key in part.wanted else Role.SHADOW
                self._found(failure(part.number, key, role, missed.why))

    def _found(self, found: Found) -> None:
        if self._table.add(found.number, found.key, found.finding):
            if found.inference is not None:
                self._looks[found.number].answers[found.key] = found.inference
            return
        row = self._handing.row_of(found.number)
        if row is None:
            return
        self._progress.count("late_findings")
        finding = self._judging.late(found.finding, found.inference, self._clock.stamp())
        self._recording.tell(LateFinding(row, finding))

    # Parts.

    def _close_parts(self, now_ns: int) -> None:
        for closed in self._table.due(now_ns):
            self._decide(closed, self._looks.pop(closed.part.number))
            self._page.closed()

    def _decide(self, closed: ClosedPart, looks: Looks) -> None:
        """Judge, act, record: in this order, and never twice."""
        part = closed.part
        origin = looks.origin(part.captured, self._settings.source)
        if closed.is_late:
            self._progress.count("late_parts")
        findings, told = self._judging.judge(closed, looks, origin)
        name = part.name or f"{self._settings.lane}-{part.number}"
        at_ns = part.trigger.at.boottime_ns if part.trigger else origin.captured.boottime_ns
        results, futures = [], []
        for verdict, span in told:  # a segment's words are parts of their own, stored together
            now = self._clock.stamp()
            self._page.acted(now.wall_ns, now.boottime_ns)  # before: a kill between is counted
            futures.append(self._far.drive(verdict, part=name, at_ns=at_ns))
            failpoint.reached("act", origin.item)
            latency_ms = max(0.0, (now.boottime_ns - origin.end_ns) / NS_PER_MS)
            result = self._row.of_part(closed, findings, verdict, origin, latency_ms)
            results.append(result if span is None else self._row.of_word(result, span, verdict))
            self._progress.decided(latency_ms, result.infer_ms or 0.0)
            self._progress.count(verdict.kind.value)
            self._condition.judged(verdict)
        is_words = told[0][1] is not None  # their rows hold no findings
        here = sum(finding.role is Role.SHADOW for finding in findings)
        shadows = 0 if is_words else len(part.shadow) - here
        proof = self._handing.proof(findings, looks, told)
        self._handing.hand_over(part, Acted(results, futures, proof, shadows))

    def _source_away(self, away: Away) -> None:
        """One row when it begins; its end is told when there is one, see `_end_blindness`."""
        futures = self._condition.source_away(away)
        if futures is not None:
            now = self._clock.stamp()
            if self._blind_since is None:
                self._blind_since, self._blind_now = (now, away.reason), ""
            result = self._row.no_read(away.source, away.reason, now)
            self._blind.append(_BlindRow(result, futures, away.offered))
        elif self._blind_since is not None:
            self._blind_now = "" if away.reason == self._blind_since[1] else away.reason

    def _end_blindness(self, how: str) -> None:
        since, self._blind_since = self._blind_since, None
        if since is not None:
            first, why = since
            later = f"; later: {self._blind_now}" if self._blind_now else ""
            detail = f"{why}{later}; {how}"
            gap = Lost(TombstoneReason.SOURCE_GAP, first, self._clock.stamp(), None, detail)
            self._blind.append(gap)

    def _record_blind(self, *, at_end: bool = False) -> None:
        """What was captured before comes first."""
        while self._blind:
            first = self._blind[0]
            if isinstance(first, Lost):
                self._blind.pop(0)
                self._handle(first)
                continue
            offered, gone, begun = self._front.passed()
            if first.limit is None and gone >= min(first.offered, offered):
                first.limit = begun
            if not at_end and (first.limit is None or self._table.closed < first.limit):
                return
            self._blind.pop(0)
            self._progress.count(VerdictKind.NO_READ.value)
            self._page.acted(first.result.captured.wall_ns, first.result.captured.boottime_ns)
            self._handing.hand_over(None, Acted([first.result], [first.futures]))


def dropped(burst: Burst) -> Lost:
    """A burst of drops as what the ledger is told."""
    return Lost(
        TombstoneReason.CAPTURE_GAP,
        burst.first,
        burst.last,
        burst.count,
        "left out at the first queue: nobody was free to take them",
    )
