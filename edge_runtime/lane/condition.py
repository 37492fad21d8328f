"""How the lane is: what it sees, what its outputs answer, whether there is room; and the handle.

Owned by the ``decide`` thread.  Everything that makes a lane one that cannot judge ends here: in
the safe state of its outputs, in its state for people, and in the dead man's handle.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime import codes
from edge_runtime.clock import NS_PER_S
from edge_runtime.lane.safety import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from edge_runtime.lane.events import Away, Back, OutputIs
    from edge_runtime.lane.far import FarSide
    from edge_runtime.lane.safety import Safety
    from edge_runtime.progress import Progress
    from edge_runtime.types import Actuation, Verdict

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"\d+(\.\d+)?")
ALIVE_SHARE = 4
"""The dead man's handle is squeezed so many times in the time that it may be let go for."""


@dataclass(frozen=True, slots=True)
class ConditionSettings:
    """What it depends on."""

    views: Mapping[str, str]
    """View -> its source, without secrets."""
    dead_man_s: float
    patience_s: float
    """A part that has waited longer for its models is one that the lane does not decide."""
    stops_when_full: bool
    """Of a live lane with ``when_full = "stop"``."""
    stopping_outputs: frozenset[str]
    """Outputs with ``on_unacknowledged = "stop the lane"``."""
    holding_outputs: frozenset[str]
    """And with ``hold``."""


class Condition:
    """See the module."""

    def __init__(
        self, settings: ConditionSettings, *, far: FarSide, safety: Safety, progress: Progress
    ) -> None:
        """No view has given anything yet: nobody knows that the lane sees."""
        self._settings = settings
        self._far = far
        self._safety = safety
        self._progress = progress
        self._away: set[str] = set()
        self._unseen = set(settings.views)
        self._squeezed_ns = 0
        self._stops: set[str] = set()
        """Why no parts are taken: ``room``, outputs."""
        self._told: dict[str, Reason] = {}
        """What does not keep the lane from judging, and is not well."""

    @property
    def takes_parts(self) -> bool:
        """Whether anything may be looked at.  Any thread."""
        return not self._stops

    def squeeze(self, now_ns: int, oldest_ns: int | None) -> None:
        """The dead man's handle: the loop turns, and whether it decides and sees.

        `oldest_ns`: since when the open part that has waited longest waits for its models.
        """
        if now_ns - self._squeezed_ns < self._settings.dead_man_s * NS_PER_S / ALIVE_SHARE:
            return
        self._squeezed_ns = now_ns
        waited_s = 0.0 if oldest_ns is None else (now_ns - oldest_ns) / NS_PER_S
        is_in_time = waited_s <= self._settings.patience_s
        sees = not self._away and not self._unseen
        detail = "" if is_in_time else f"a part has waited for its models for {waited_s:.1f} s"
        if is_in_time and self._stops and (reason := self._safety.reason) is not None:
            detail = reason.text
        self._far.alive(decides=is_in_time and not self._stops, sees=sees, detail=detail)
        if is_in_time:
            if self._safety.well("deciding"):
                self._show()
        elif self._safety.fault("deciding", detail, codes.LANE_NOT_DECIDING):
            self._hold()

    def judged(self, verdict: Verdict) -> None:
        """A part was closed: what it says about the lane."""
        drive = self._safety.judged(verdict.kind, verdict.reason or "")
        if drive is True:
            self._hold()
        elif drive is False:
            self._far.free()
            log.info("safe_state_released")
        if drive is not None or self._safety.held is not None:
            self._show()  # also how many parts it is by now

    @property
    def is_blind(self) -> bool:
        """Whether a source is away."""
        return bool(self._away)

    def source_away(self, away: Away) -> tuple[Future[Actuation], ...] | None:
        """A source is away; what the outputs were asked, None when that was known already."""
        self._away.add(away.view)
        text = f"{away.view}: {away.reason}" if away.view else away.reason
        key = f"view:{away.view}"
        before = self._safety.told(key)
        if not self._safety.fault(key, text, away.code or codes.SOURCE_AWAY):
            self._show()
            if _gist(before) != _gist(text):  # it was unplugged, and now refuses the password
                log.warning("source_away reason=%s", text)
                held = self._safety.held
                self._far.hold(text if held is None else held.text)
            return None
        log.warning("source_away reason=%s", text)
        self._squeezed_ns = 0  # the field hears of it now, not a quarter later
        return self._hold()

    def source_back(self, back: Back) -> None:
        """It gives something (again)."""
        self._unseen.discard(back.view)
        if back.view in self._away:
            self._away.discard(back.view)
            self._safety.well(f"view:{back.view}")
            log.info("source_back view=%s", back.view)
            self._show()

    def output_is(self, event: OutputIs) -> None:
        """An output acknowledges, or does not: what the config says."""
        state = event.state
        key = f"output:{state.output}"
        if state.state != "away" and state.unacknowledged_running == 0:
            self._stops.discard(key)
            is_better = self._told.pop(key, None) is not None
            if self._safety.well(key) or is_better:
                self._show()
            return
        text = f"output {state.output}: {state.detail or 'does not acknowledge'}"
        if state.output in self._settings.stopping_outputs:
            self._stops.add(key)
            code = codes.LANE_STOPPED_BY_OUTPUT
        elif state.output in self._settings.holding_outputs:
            code = codes.OUTPUT_UNACKNOWLEDGED
        else:  # the config says go on: told, and nothing else
            code = codes.OUTPUT_AWAY if state.state == "away" else codes.OUTPUT_UNACKNOWLEDGED
            self._told[key] = Reason(text, code)
            self._show()
            return
        if self._safety.fault(key, text, code):
            self._hold()

    def room_is(self, *, full: bool) -> None:
        """The ledger takes rows, or none."""
        if not self._settings.stops_when_full:
            return
        if full:
            self._stops.add("room")
            if self._safety.fault("room", "no room for results", codes.LEDGER_FULL):
                self._hold()
        else:
            self._stops.discard("room")
            self._safety.well("room")
            self._show()

    def _hold(self) -> tuple[Future[Actuation], ...]:
        self._show()
        held = self._safety.held
        if held is None:
            return ()
        log.warning("safe_state_held code=%s reason=%s", held.code, held.text)
        return self._far.hold(held.text)

    def _show(self) -> None:
        told = next(iter(self._told.values()), None)
        reason = self._safety.reason or self._safety.held or told
        if reason is None:
            self._progress.set_state("running")
        else:
            self._progress.set_state("degraded", reason.text, reason.code)


def _gist(reason: str) -> str:
    """Without its numbers: how long it lasts is no news."""
    return _NUMBER.sub("#", reason)
