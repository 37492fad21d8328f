"""Between capture and the models: which pictures are looked at, and for which part.

Two ways, one of them by the lane's config.  `FirstQueue`: each picture is a part; a live source's
newest replaces the one that waits, and a burst of those is told as one.  `Shelf`: triggers, or
several views; a picture that was placed waits its turn and is never replaced by a newer one.

`offer`: the view's ``capture`` thread; `trigger`: the link's threads; `take`: the workers; `tick`:
the ``decide`` thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_MS
from edge_runtime.lane.drops import Drops
from edge_runtime.lane.matching import Matching, Placed
from edge_runtime.parts import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.clock import Clock
    from edge_runtime.config import Lane as LaneConfig
    from edge_runtime.lane.drops import Burst
    from edge_runtime.parts import Key
    from edge_runtime.types import Frame, Stamp, Trigger

LIVE_FRAMES = 1
"""A newest-wins mailbox: a fresh frame replaces the one that waits (PERF: 1.06-1.35 x service)."""
REPLAY_FRAMES = 4
PLACED_AT_MOST = 64
"""Pictures that were placed and wait for a model; what comes on top makes its part a no_read."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that could not be decoded: its part is judged as ``no_read``."""

    captured: Stamp
    why: str
    source: str
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to be looked at."""

    part: Part
    view: str
    frame: int
    picture: Frame | Unreadable
    begins: bool = False
    """The part begins with it; whoever takes it says so."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What each part of this lane waits for."""

    serving: frozenset[Key]
    shadow: frozenset[Key]
    deadline_ms: int | None

    def part(
        self,
        number: int,
        captured: Stamp,
        trigger: Trigger | None = None,
        wait_ns: int = 0,
        duration_ns: int = 0,
    ) -> Part:
        """A part that begins.

        Its deadline counts from its trigger, else from its picture or its last sample.  `wait_ns`:
        so long its pictures may take to come; `duration_ns`: of a segment.
        """
        since_ns = captured.boottime_ns + duration_ns
        due_ns = None if self.deadline_ms is None else since_ns + self.deadline_ms * NS_PER_MS
        return Part(
            number, captured, self.serving, self.shadow, trigger, due_ns, since_ns + wait_ns
        )


class Begins(Protocol):
    """Who is told that a part began, and of places that no picture came for."""

    def begun(self, part: Part, picture: Frame | Unreadable | None = None) -> None:
        """Before any of its pictures can be looked at; `picture`: the one that made it begin."""
        ...

    def missed(self, part: Part, view: str, frame: int, why: str) -> None:
        """This place of the part stays empty."""
        ...


class Intake(Protocol):
    """What both ways do."""

    def offer(self, view: str, picture: Frame | Unreadable, timeout_s: float) -> bool:
        """A picture; False when it was not taken in that time (a source that can wait).

        Raises `Closed`.
        """
        ...

    def leave_out(self, picture: Frame) -> None:
        """The lane takes no parts now: this picture makes none, and is told as what is dropped."""
        ...

    def passed_over(self, view: str, captured: Stamp) -> None:
        """The camera had a newer picture: this one is told and counted as dropped."""
        ...

    def trigger(self, trigger: Trigger) -> str:
        """A part is there; why not, when this lane does not take it."""
        ...

    def take(self, timeout_s: float) -> Job | None:
        """The next picture to look at; its part has begun, or begins with it.  Raises `Closed`."""
        ...

    def tick(self) -> list[Burst]:
        """Time has passed; bursts of drops that are over."""
        ...

    def stats(self) -> dict[str, int]:
        """Counters for status."""
        ...

    def passed(self) -> tuple[int, int, int]:
        """(pictures offered, those of them that wait no more, parts begun)."""
        ...

    def close(self) -> None:
        """No more pictures; what is inside can still be taken."""
        ...

    def drain(self) -> list[Burst]:
        """The last bursts, at the end."""
        ...


class FirstQueue:
    """Each picture is a part.  The one place where such a lane may lose something."""

    def __init__(self, *, live: bool, wanted: Wanted, clock: Clock) -> None:
        """`live`: the newest wins; else the source waits."""
        self._wanted = wanted
        self._clock = clock
        self._lock = threading.Lock()
        self._drops = Drops()
        self._passed_over = 0
        self._channel: Channel[tuple[str, Frame | Unreadable]] = Channel(
            LIVE_FRAMES if live else REPLAY_FRAMES,
            OnFull.DROP_OLDEST if live else OnFull.BLOCK,
            on_drop=self._dropped,
        )

    def offer(self, view: str, picture: Frame | Unreadable, timeout_s: float) -> bool:
        """See `Intake`."""
        return self._channel.put((view, picture), timeout_s=timeout_s)

    def leave_out(self, picture: Frame) -> None:
        """See `Intake`."""
        with self._lock:
            self._drops.add(picture.captured)

    def passed_over(self, view: str, captured: Stamp) -> None:
        """See `Intake`."""
        del view
        with self._lock:
            self._passed_over += 1
            self._drops.add(captured)

    def trigger(self, _trigger: Trigger) -> str:
        """Not in this lane."""
        return "this lane has no [trigger]: each picture is a part"

    def take(self, timeout_s: float) -> Job | None:
        """See `Intake`."""
        taken = self._channel.get_numbered(timeout_s)
        if taken is None:
            return None
        number, (view, picture) = taken
        part = self._wanted.part(number, picture.captured)
        return Job(part, view, 0, picture, begins=True)

    def tick(self) -> list[Burst]:
        """See `Intake`."""
        return self._bursts(at_once=False)

    def drain(self) -> list[Burst]:
        """See `Intake`."""
        return self._bursts(at_once=True)

    def stats(self) -> dict[str, int]:
        """See `Intake`."""
        stats = self._channel.stats()
        return {"dropped": stats.dropped + self._passed_over, "waiting": stats.depth}

    def passed(self) -> tuple[int, int, int]:
        """See `Intake`."""
        stats = self._channel.stats()
        return stats.accepted, stats.delivered + stats.dropped, stats.delivered

    def close(self) -> None:
        """See `Intake`."""
        self._channel.close()

    def _dropped(self, item: tuple[str, Frame | Unreadable]) -> None:
        with self._lock:
            self._drops.add(item[1].captured)

    def _bursts(self, *, at_once: bool) -> list[Burst]:
        with self._lock:
            burst = self._drops.take(self._clock.boottime_ns(), at_once=at_once)
        return [burst] if burst else []


class Shelf:
    """Triggers, or several views: pictures are kept, and placed by their exposure."""

    def __init__(
        self,
        config: LaneConfig,
        *,
        wanted: Wanted,
        begins: Begins,
        clock: Clock,
        delays_ms: Mapping[str, int],
    ) -> None:
        """`delays_ms`: view -> how much later than its exposure a picture may be handed over."""
        self._trigger_settings = config.trigger
        self._primary = next(iter(delays_ms)) if config.trigger is None else None
        self._others = [view for view in delays_ms if view != self._primary]
        self._frames = config.part.frames
        self._wanted = wanted
        self._begins = begins
        self._clock = clock
        self._lock = threading.Lock()
        self._matching = Matching(
            delays_ms, frames=config.part.frames, match_ms=config.part.match_ms
        )
        self._match_ns = config.part.match_ms * NS_PER_MS
        self._parts: dict[int, tuple[Part, int]] = {}
        """Those with places that are not filled, and how many."""
        self._next = 0
        self._last_at_ns: int | None = None
        self._counters: Counter[str] = Counter()
        self._drops = Drops()
        self._jobs: Channel[Job] = Channel(PLACED_AT_MOST, OnFull.BLOCK)
        self._offered = 0

    def offer(self, view: str, picture: Frame | Unreadable, timeout_s: float) -> bool:
        """See `Intake`."""
        del timeout_s  # live sources only: nobody waits
        if self._jobs.closed:
            raise Closed
        with self._lock:
            self._offered += 1
            if isinstance(picture, Unreadable):
                self._counters["unreadable"] += 1
                return True  # its trigger finds no picture, and says so
            if view == self._primary:
                if self._jobs.stats().depth > 0:
                    self._drops.add(picture.captured)
                    self._counters["dropped"] += 1
                    return True
                self._begin(picture.captured, picture.captured.boottime_ns, None)
            self._place(self._matching.offer(view, picture))
        return True

    def leave_out(self, picture: Frame) -> None:
        """See `Intake`.  Of a triggered lane no part is left out: its trigger finds no picture."""
        if self._primary is not None:
            with self._lock:
                self._drops.add(picture.captured)

    def passed_over(self, view: str, captured: Stamp) -> None:
        """See `Intake`.  Only the first view's pictures make parts."""
        if view == self._primary:
            with self._lock:
                self._drops.add(captured)
                self._counters["dropped"] += 1

    def trigger(self, trigger: Trigger) -> str:
        """See `Intake`."""
        if self._trigger_settings is None:
            return "this lane has no [trigger]: its first view's pictures make the parts"
        at_ns = trigger.at.boottime_ns
        with self._lock:
            debounce_ns = self._trigger_settings.debounce_ms * NS_PER_MS
            last_ns = self._last_at_ns
            if last_ns is not None and 0 <= at_ns - last_ns < debounce_ns:
                self._counters["triggers_double"] += 1
                return ""
            self._last_at_ns = at_ns
            self._counters["triggers"] += 1
            delay_ns = self._trigger_settings.delay_ms * NS_PER_MS
            self._begin(trigger.at, at_ns + delay_ns, trigger)
        return ""

    def take(self, timeout_s: float) -> Job | None:
        """See `Intake`."""
        return self._jobs.get(timeout_s)

    def tick(self) -> list[Burst]:
        """See `Intake`."""
        now_ns = self._clock.boottime_ns()
        with self._lock:
            self._place(self._matching.due(now_ns))
            burst = self._drops.take(now_ns)
        return [burst] if burst else []

    def drain(self) -> list[Burst]:
        """Also fills what waits for pictures that will not come any more."""
        with self._lock:
            self._place(self._matching.due(1 << 62))
            burst = self._drops.take(self._clock.boottime_ns(), at_once=True)
        return [burst] if burst else []

    def stats(self) -> dict[str, int]:
        """See `Intake`."""
        with self._lock:
            return {"dropped": 0, **self._counters, "waiting": self._jobs.stats().depth}

    def passed(self) -> tuple[int, int, int]:
        """See `Intake`."""
        stats = self._jobs.stats()
        with self._lock:
            return self._offered, self._offered - stats.depth, self._next

    def close(self) -> None:
        """See `Intake`."""
        self._jobs.close()

    def _begin(self, captured: Stamp, at_ns: int, trigger: Trigger | None) -> None:
        number, self._next = self._next, self._next + 1
        wait_ns = at_ns - captured.boottime_ns + self._match_ns * (1 + self._frames)
        part = self._wanted.part(number, captured, trigger, wait_ns)
        places = self._frames * (len(self._others) + (self._primary is not None))
        self._parts[number] = (part, places)
        self._begins.begun(part)
        self._place(self._matching.begin(number, at_ns))

    def _place(self, placed: list[Placed]) -> None:
        for place in placed:
            part, left = self._parts.pop(place.part)
            if left > 1:
                self._parts[place.part] = (part, left - 1)
            if place.picture is None:
                self._counters["triggers_missed"] += 1
                self._begins.missed(part, place.view, place.frame, place.why)
                continue
            job = Job(part, place.view, place.frame, place.picture)
            try:
                taken = self._jobs.put(job, timeout_s=0)
            except Closed:
                taken = False
            if not taken:
                why = f"{PLACED_AT_MOST} pictures wait already: the models are behind"
                self._begins.missed(part, place.view, place.frame, why)
