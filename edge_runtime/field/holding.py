"""The dead man's handle: which outputs are held safe, for whom and why.  Pure; time comes in.

An output is held while any lane that uses it (and whose `rules.on_fault` is not ``none``) has not
shown that it judges: a link, the supervisor's word that it serves, and an `Alive` from its decide
loop younger than the limit that says it decides and sees.  A lane that is over holds nothing.
What a lane asks for itself (`Hold`) is held for any lane.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.config import Config
    from edge_runtime.link.messages import Alive, LaneIs


@dataclass(frozen=True, slots=True)
class LaneUse:
    """What of a lane's table matters here."""

    outputs: tuple[str, ...]
    is_guarded: bool
    """Its outputs are held while it does not judge."""


@dataclass(slots=True)
class _Lane:
    use: LaneUse
    token: str | None = None
    """None: the supervisor has not announced it."""
    link: int | None = None
    """Number of its link, while there is one."""
    is_serving: bool = False
    is_over: bool = False
    said_bye: bool = False
    """Its link may close now."""
    gone: str | None = None
    """The supervisor says that it is not there, and why."""
    alive: Alive | None = None
    alive_ns: int = 0
    asked: str | None = None
    """Why the lane itself wants its outputs held."""
    was_linked: bool = False


class Handles:
    """Not thread-safe; its owner has the lock."""

    def __init__(self, lanes: Mapping[str, LaneUse], dead_man_s: float) -> None:
        """Everything is held until its lanes serve."""
        self._lanes = {name: _Lane(use) for name, use in lanes.items()}
        self._dead_man_ns = int(dead_man_s * NS_PER_S)
        self._links = 0

    def change(self, lanes: Mapping[str, LaneUse], dead_man_s: float) -> None:
        """Another config: what is known of lanes that stay is kept."""
        before = self._lanes
        self._lanes = {name: _Lane(use) for name, use in lanes.items()}
        for name, use in lanes.items():
            if name in before:
                self._lanes[name] = before[name]
                self._lanes[name].use = use
        self._dead_man_ns = int(dead_man_s * NS_PER_S)

    def outputs_of(self, lane: str) -> tuple[str, ...]:
        """Those that a lane uses; empty for a lane that is not known."""
        known = self._lanes.get(lane)
        return () if known is None else known.use.outputs

    def admit(self, lane: str, token: str) -> None:
        """A lane is about to start: nothing that an earlier process of it said counts any more."""
        known = self._lanes.get(lane)
        if known is not None:
            self._lanes[lane] = _Lane(known.use, token)

    def greet(self, lane: str, token: str) -> int | None:
        """A lane's link is there; its number, or None where the token is not (yet) the lane's.

        It takes the place of an earlier link of the same lane.
        """
        known = self._lanes.get(lane)
        if known is None or known.token is None:
            return None
        if not hmac.compare_digest(known.token.encode(), token.encode()):
            return None
        self._links += 1
        known.link, known.was_linked, known.said_bye, known.alive = self._links, True, False, None
        return self._links

    def closed(self, lane: str, link: int) -> None:
        """A link has closed."""
        known = self._lanes.get(lane)
        if known is not None and known.link == link:
            known.link, known.alive = None, None

    def is_current(self, lane: str, link: int) -> bool:
        """Whether this is the lane's link now."""
        known = self._lanes.get(lane)
        return known is not None and known.link == link

    def alive(self, lane: str, message: Alive, now_ns: int) -> None:
        """The lane's decide loop has turned."""
        known = self._lanes[lane]
        known.alive, known.alive_ns = message, now_ns

    def ask(self, lane: str, reason: str | None) -> None:
        """The lane itself wants its outputs held, or (None) held no longer."""
        self._lanes[lane].asked = reason

    def bye(self, lane: str) -> None:
        """The lane has drained in order."""
        known = self._lanes[lane]
        known.said_bye, known.asked = True, None

    def lane_is(self, message: LaneIs) -> None:
        """What the supervisor says of a lane."""
        known = self._lanes.get(message.lane)
        if known is None:
            return
        known.is_serving = message.state == "serving"
        known.is_over = message.state == "over"
        known.gone = (message.reason or "gone") if message.state == "gone" else None
        if message.state != "serving":
            known.asked = None
        if message.state == "gone":
            known.said_bye = False

    def takes_triggers(self, lane: str) -> int | None:
        """The link that a trigger goes to; None where nobody looks at parts."""
        known = self._lanes.get(lane)
        return known.link if known is not None and known.is_serving else None

    def holds(self, output: str, now_ns: int) -> list[str]:
        """Why it is held: ``lane: reason`` each; empty when it is not."""
        return [
            f"{name}: {why}"
            for name, lane in self._lanes.items()
            if output in lane.use.outputs and (why := self._why(lane, now_ns)) is not None
        ]

    def may_beat(self, output: str, now_ns: int) -> bool:
        """Whether its heartbeat may count: each lane that can decide does, and there is one.

        Where no lane guards it, it counts while there is a lane that is not over.
        """
        using = [lane for lane in self._lanes.values() if output in lane.use.outputs]
        guarding = [lane for lane in using if lane.use.is_guarded]
        left = [lane for lane in guarding or using if not (lane.is_over or lane.said_bye)]
        return bool(left) and all(
            self._unable(lane, now_ns) is None for lane in left if lane.use.is_guarded
        )

    def is_left_alone(self, output: str) -> bool:
        """Whether lanes guarded it, and all of them are over."""
        using = [lane for lane in self._lanes.values() if output in lane.use.outputs]
        guarding = [lane for lane in using if lane.use.is_guarded]
        return bool(guarding) and all(
            lane.is_over or (lane.said_bye and lane.gone is None) for lane in guarding
        )

    def next_ns(self, now_ns: int) -> int | None:
        """When the next lane's time is over, if it says nothing more."""
        times = [
            lane.alive_ns + self._dead_man_ns
            for lane in self._lanes.values()
            if lane.link is not None and lane.alive is not None
        ]
        return min((at_ns for at_ns in times if at_ns > now_ns), default=None)

    def _why(self, lane: _Lane, now_ns: int) -> str | None:
        if lane.is_over:
            return None
        if lane.asked is not None:
            return lane.asked
        if not lane.use.is_guarded or (lane.said_bye and lane.gone is None):
            return None
        return self._unable(lane, now_ns)

    def _unable(self, lane: _Lane, now_ns: int) -> str | None:  # noqa: PLR0911 - a list of cases
        """Why it cannot decide; None when it can."""
        if lane.gone is not None:
            return lane.gone
        if lane.token is None:
            return "not started"
        if lane.link is None:
            return "its link has closed" if lane.was_linked else "starting"
        if not lane.is_serving:
            return "starting"
        if lane.alive is None:
            return "has not decided yet"
        if now_ns - lane.alive_ns >= self._dead_man_ns:
            return f"has not decided for {self._dead_man_ns / NS_PER_S:g} s"
        if not lane.alive.decides:
            return lane.alive.detail or "does not decide"
        if not lane.alive.sees:
            return lane.alive.detail or "does not see"
        return None


def uses(config: Config) -> dict[str, LaneUse]:
    """The lanes of a config, as far as they matter to outputs."""
    return {
        name: LaneUse(tuple(lane.outputs), lane.rules.on_fault != "none")
        for name, lane in config.lanes.items()
    }
