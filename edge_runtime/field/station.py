"""What the field process knows: far sides, the lanes' handles, bypasses; and what follows of it.

Called by the lanes' link threads, the supervisor's link thread, the far sides' threads (triggers)
and the main thread, which looks at the time.  One lock; nothing in here waits for a far side, but
for `close` and a change of far sides.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.config import ModbusTrigger
from edge_runtime.field import acts_on
from edge_runtime.field.bypasses import Bypasses
from edge_runtime.field.far_sides import plans
from edge_runtime.field.far_sides.together import FarSides
from edge_runtime.field.holding import Handles, uses
from edge_runtime.field.lingering import AWAY, NOT_SHOWN, Lingering, is_shown
from edge_runtime.field.telling import answer_all, gist, is_stale, not_done, told_state
from edge_runtime.field.triggers import origin
from edge_runtime.link.messages import OutputState, Triggered
from edge_runtime.types import Event, Stamp, Tombstone, TombstoneReason, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.field.telling import LinkOut
    from edge_runtime.link.messages import Alive, Drive, LaneIs
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Output

log = logging.getLogger(__name__)

NOBODY = "no lane is left that judges"


class Station:
    """See the module."""

    def __init__(self, config: Config, *, clock: Clock, progress: Progress) -> None:
        """Nothing is connected before `start`."""
        self._config = config
        self._clock = clock
        self._lock = threading.RLock()
        self._handles = Handles(uses(config), config.supervisor.dead_man_s)
        self._bypasses = Bypasses()
        self._far_sides = FarSides(self._triggered, clock=clock, progress=progress)
        self._links: dict[str, LinkOut] = {}
        self._held: dict[str, bool] = {}
        """What each output was told last."""
        self._lingers = Lingering()
        self._told: dict[str, OutputState] = {}
        """What the lanes were told last of each."""
        self._triggers: Counter[str] = Counter()
        self._lost_triggers: Counter[str] = Counter()
        self.changed = threading.Event()
        """Some output is another way than it was told last; whoever tells of it clears it."""
        self.admitted = threading.Condition()
        """Notified when a lane is announced: a link may wait for that."""
        self._untaken: dict[str, deque[Trigger]] = {}
        """Of each lane: triggers that were sent, and that it has not said to have taken."""
        self.events: deque[Event | Tombstone] = deque(maxlen=256)
        """For the ledger; whoever sends them takes them out."""

    def start(self) -> None:
        """Open the far sides; every output is safe from its first connection."""
        self._far_sides.exchange(plans(self._config), self._forget)

    # What the lanes say.

    def greet(self, lane: str, token: str, link: LinkOut) -> int | None:
        """The number of the lane's link; None where the token is not the lane's."""
        with self._lock:
            number = self._handles.greet(lane, token)
            if number is None:
                return None
            before = self._links.get(lane)
            if before is not None and before is not link:
                before.close()
            self._links[lane] = link
            for state in self._states(self._handles.outputs_of(lane)):
                link.put(state)
        return number

    def closed(self, lane: str, number: int) -> None:
        """A lane's link has closed; told at once to its outputs."""
        with self._lock:
            if self._handles.is_current(lane, number):
                del self._links[lane]
                self._handles.closed(lane, number)
                self._tell_untaken(lane)
                self._apply()

    def alive(self, lane: str, number: int, message: Alive) -> None:
        """The lane's decide loop has turned.  `number`: by which link, here as below."""
        with self._lock:
            if not self._handles.is_current(lane, number):
                return
            self._handles.alive(lane, message, self._clock.boottime_ns())
            untaken = self._untaken.get(lane)
            while untaken and untaken[0].id <= message.trigger:
                untaken.popleft()
            self._apply()

    def bye(self, lane: str, number: int) -> None:
        """The lane has drained."""
        with self._lock:
            if self._handles.is_current(lane, number):
                self._handles.bye(lane)
                self._apply()

    def drive(self, lane: str, message: Drive, link: LinkOut) -> None:
        """Act on a verdict; the answer goes to `link`, where it is still there by then."""
        name = message.output
        with self._lock:
            bypass = self._bypasses.of(name, self._clock.boottime_ns())
            output = self._outputs.get(name)
            settings = self._config.outputs.get(name)
            trouble = None
            if output is None or settings is None or name not in self._handles.outputs_of(lane):
                trouble = "no output of this lane now"
            elif not acts_on(settings, message.verdict):
                trouble = f"is not for {message.verdict.kind.value}"
            elif is_stale(settings, message, self._clock.boottime_ns()):
                trouble = "waited too long on its way here: not made any more"
            if trouble is not None or bypass is not None or output is None:
                action = "bypass" if bypass is not None else "pulse"
                why = f"bypassed: {bypass.why}" if bypass is not None else trouble
                future = not_done(name, action, why)
            else:
                future = output.drive(message.verdict, part=message.part, at_ns=message.at_ns)
        answer_all(link, message.token, [future])

    def ask(self, lane: str, number: int, token: int, reason: str | None, link: LinkOut) -> None:
        """The lane wants its outputs held (`reason`), or (None) held no longer."""
        with self._lock:
            if not self._handles.is_current(lane, number):
                return
            self._handles.ask(lane, reason)
            now = self._clock.boottime_ns()
            futures = []
            for name in self._handles.outputs_of(lane):
                bypass = self._bypasses.of(name, now)
                if bypass is not None:
                    futures.append(not_done(name, "bypass", f"bypassed: {bypass.why}"))
                elif name in self._outputs:
                    holds = self._holds(name, now)
                    self._held[name] = bool(holds)
                    futures.append(self._outputs[name].hold(active=bool(holds)))
        answer_all(link, token, futures)

    # What the supervisor says.

    def admit(self, lane: str, token: str) -> None:
        """A lane is about to start."""
        with self._lock:
            self._handles.admit(lane, token)
            before = self._links.pop(lane, None)
            if before is not None:  # of the process that was there before
                before.close()
                self._tell_untaken(lane)
            self._apply()
        with self.admitted:
            self.admitted.notify_all()

    def lane_is(self, message: LaneIs) -> None:
        """What the supervisor sees of a lane."""
        with self._lock:
            self._handles.lane_is(message)
            self._apply()

    def bypass(self, output: str, seconds: float, why: str) -> OutputState:
        """Put an output out of use for a while.  Raises `ValueError` that says what is wrong."""
        with self._lock:
            self._known(output)
            self._bypasses.begin(output, seconds, why, self._clock.boottime_ns())
            self._tell(output, f"bypassed for {seconds / 60:g} min: {' '.join(why.split())}")
            self._apply()
            return self._states([output])[0]

    def unbypass(self, output: str) -> OutputState:
        """Use it again.  Raises `ValueError`."""
        with self._lock:
            self._known(output)
            if self._bypasses.end(output):
                self._tell(output, "in use again: the bypass was ended")
            self._apply()
            return self._states([output])[0]

    def reconfigure(self, config: Config) -> list[str]:
        """Another config; the names of outputs whose far side was made anew, safe meanwhile.

        Those that the change does not concern are not touched.
        """
        with self._lock:
            self._config = config
            self._handles.change(uses(config), config.supervisor.dead_man_s)
        changed = self._far_sides.exchange(plans(config), self._forget)
        self.turn()
        return changed

    def turn(self) -> int | None:
        """Look at the time; when to look again at the latest, where that is known.

        Called by the main thread, many times in `dead_man_s`.
        """
        with self._lock:
            for output in self._bypasses.ended(self._clock.boottime_ns()):
                self._tell(output, "in use again: the time of the bypass is over")
            self._apply()
            return self._handles.next_ns(self._clock.boottime_ns())

    def states(self) -> list[OutputState]:
        """Of all outputs, in the config's order."""
        with self._lock:
            return self._states(self._outputs)

    def counters(self) -> dict[str, int]:
        """Of all triggers."""
        counters = self._far_sides.counters()
        for lane, lost in list(self._lost_triggers.items()):
            name = f"trigger.{lane}.undelivered"
            counters[name] = counters.get(name, 0) + lost
        return counters

    def close(self, *, orderly: bool) -> None:
        """Finish pulses (5 s at most), leave outputs as `on_stop` says, or safe, and disconnect."""
        tables = self._config.outputs
        released = {name for name, table in tables.items() if table.on_stop == "release"}
        self._far_sides.close(released if orderly else ())

    # From here on: with the lock.

    @property
    def _outputs(self) -> dict[str, Output]:
        return self._far_sides.outputs

    def _forget(self, outputs: list[str]) -> None:
        with self._lock:
            for name in outputs:
                self._held.pop(name, None)
                self._told.pop(name, None)

    def _holds(self, name: str, now_ns: int) -> list[str]:
        """Why an output is to be held; with no lane left it is as on a stop, whichever comes first.

        Else parts would pass unjudged between the last lane's `Bye` and the end.
        """
        holds = self._handles.holds(name, now_ns)
        table = self._config.outputs.get(name)
        if table is None:
            return holds
        if not holds and self._handles.is_left_alone(name):
            return [NOBODY] if table.on_stop == "safe" else []
        if holds or name not in self._outputs:
            return holds
        report = self._outputs[name].state()
        lingers = self._lingers.after(name, table, now_ns, is_away=not report.connected)
        if lingers or is_shown(report.safe_shown_ns, now_ns):
            return lingers
        return [NOT_SHOWN if report.connected else AWAY]

    def _apply(self) -> None:
        """Tell outputs what follows, and lanes what has changed."""
        now = self._clock.boottime_ns()
        for name, output in self._outputs.items():
            is_bypassed = self._bypasses.of(name, now) is not None
            holds = self._handles.holds(name, now)
            if holds or is_bypassed:
                self._lingers.held(name, now)
            active = bool(self._holds(name, now)) and not is_bypassed
            output.bypass(active=is_bypassed)
            # While bypassed it beats: a PLC that watches would close the gate all the same.
            output.beat(alive=is_bypassed or self._handles.may_beat(name, now))
            if self._held.get(name, True) is not active:
                self._held[name] = active
                output.hold(active=active)
                log.info(
                    "output_%s name=%s why=%s", "held" if active else "released", name,
                    "; ".join(self._holds(name, now)) or "its lanes serve",
                )  # fmt: skip
        self._tell_lanes()

    def _tell_lanes(self) -> None:
        for state in self._states(self._outputs):
            before = self._told.get(state.output)
            if before is not None and gist(before) == gist(state):
                continue
            self._told[state.output] = state
            self.changed.set()
            for lane, link in self._links.items():
                if state.output in self._handles.outputs_of(lane):
                    link.put(state)

    def _states(self, names: Iterable[str]) -> list[OutputState]:
        now = self._clock.boottime_ns()
        return [self._state(name, now) for name in names if name in self._outputs]

    def _state(self, name: str, now_ns: int) -> OutputState:
        return told_state(
            name,
            self._outputs[name].state(),
            self._holds(name, now_ns),
            self._bypasses.of(name, now_ns),
        )

    def _known(self, output: str) -> None:
        if output not in self._outputs:
            known = ", ".join(self._outputs) or "none"
            raise ValueError(f"there is no output '{output}' that a lane uses; known: {known}")

    def _tell(self, output: str, text: str) -> None:
        log.warning("output_bypass name=%s %s", output, text)
        self.events.append(
            Event(
                code=codes.OUTPUT_BYPASSED,
                at=self._clock.stamp(),
                text=f"output {output} {text}",
                output=output,
            )
        )

    def _triggered(self, lane: str, at_ns: int, part: str | None) -> bool:
        """By a far side's thread: a part is there.  False where nobody is told."""
        with self._lock:
            self._triggers[lane] += 1
            settings = self._config.lanes[lane].trigger if lane in self._config.lanes else None
            link = self._links.get(lane)
            trigger = Trigger(
                id=self._triggers[lane],
                at=_stamp(self._clock, at_ns),
                part_name=part,
                origin=_origin(settings),
            )
            if link is None or self._handles.takes_triggers(lane) is None:
                return False
            if not link.put(Triggered(trigger)):
                return False
            self._untaken.setdefault(lane, deque()).append(trigger)
            return True

    def _tell_untaken(self, lane: str) -> None:
        """The lane's link has closed: what it was sent and never took, nobody will look at."""
        lost = self._untaken.pop(lane, None)
        if not lost:
            return
        log.warning("triggers_not_taken lane=%s count=%d", lane, len(lost))
        self._lost_triggers[lane] += len(lost)
        self.events.append(
            Tombstone(
                lane=lane,
                reason=TombstoneReason.CAPTURE_GAP,
                first=lost[0].at,
                last=lost[-1].at,
                count=len(lost),
                detail="triggers that the lane was sent and never took",
            )
        )


def _stamp(clock: Clock, at_ns: int) -> Stamp:
    """A time of CLOCK_BOOTTIME a little ago, in every clock we record."""
    now = clock.stamp()
    return Stamp(now.wall_ns - (now.boottime_ns - at_ns), at_ns, now.boot_id)


def _origin(settings: object) -> str:
    return origin(settings) if isinstance(settings, ModbusTrigger) else ""
