"""What happens to the demo's station on purpose, and what became of every part of its line."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.demo.station import (
    PART_REGISTER,
    PULSE_MS,
    TRIGGER_COIL,
    WAY_MS,
)
from edge_runtime.sample_station.barrier import LightBarrier
from edge_runtime.sample_station.camera import CameraSettings
from edge_runtime.sample_station.camera_process import CameraProcess
from edge_runtime.sample_station.line import make_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.demo.station import Station

PARTS = 56
FILMED = CameraSettings(fps=20.0, every_ms=700.0, visible_ms=450.0, parts=PARTS, bad_share=0.3)
BARRIER_AFTER_MS = 150.0
"""A part is before the camera so long when it crosses the light barrier."""
_PULSE_WITHIN_S = 12.0
_LOOK_S = 0.01
_INTO_PULSE_S = 0.05


class Line:
    """The demo's belt: its camera and its light barrier.  `close` ends both."""

    def __init__(self) -> None:
        """The camera stands before an empty belt."""
        self._camera = CameraProcess(FILMED)
        self._barrier: LightBarrier | None = None
        self.url = self._camera.url

    def start(self, plc_port: int) -> None:
        """Parts come."""
        started = self._camera.start()
        schedule = make_schedule(
            started["start_ns"],
            every_ms=FILMED.every_ms,
            visible_ms=FILMED.visible_ms,
            parts=FILMED.parts,
        )
        self._barrier = LightBarrier(
            schedule,
            plc_port,
            coil=TRIGGER_COIL,
            register=PART_REGISTER,
            after_ms=BARRIER_AFTER_MS,
        )

    @property
    def has_started(self) -> bool:
        """Parts come, or came."""
        return self._barrier is not None

    def came(self) -> int:
        """So many parts were before the camera."""
        return len(self._camera.parts())

    def has_ended(self) -> bool:
        """The last part has passed the gate."""
        if self._barrier is None or not self._camera.has_ended():
            return False
        return SYSTEM_CLOCK.boottime_ns() > self.at_gate_ns(PARTS - 1) + PULSE_MS * NS_PER_MS

    def bad(self) -> dict[int, bool]:
        """Part number -> whether it should be rejected."""
        return {told["number"]: told["bad"] for told in self._camera.parts()}

    def at_gate_ns(self, number: int) -> int:
        """When a part is before the ejector."""
        assert self._barrier is not None
        return self._barrier.edge_ns(number) + (WAY_MS + PULSE_MS // 2) * NS_PER_MS

    def close(self) -> None:
        """End the barrier and the camera."""
        if self._barrier is not None:
            self._barrier.close()
        self._camera.close()


@dataclass
class Story:
    """What is done on purpose, and when: a share of the parts each."""

    station: Station
    line: Line
    told: list[str] = field(default_factory=list)
    killed_ns: int | None = None
    """When the lane was killed, CLOCK_BOOTTIME."""

    def __post_init__(self) -> None:
        """Nothing has happened."""
        self._steps: list[tuple[float, str, Callable[[dict[str, Any]], None]]] = [
            (0.25, "the collector is killed", self._collector_away),
            (0.45, "lane 'belt' is killed while the gate ejects", self._lane_dies),
            (0.75, "the collector is back", self._collector_back),
        ]

    def advance(self, picture: dict[str, Any]) -> None:
        """Do what is due; `picture`: what ``status`` tells.  Blocks some seconds for a pulse."""
        belt = next((lane for lane in picture["lanes"] if lane["name"] == "belt"), None)
        if belt is None:
            return
        if not self.line.has_started:
            if belt["state"] == "running":
                self.line.start(self.station.plc_port)
            return
        share = self.line.came() / PARTS
        while self._steps and share >= self._steps[0][0]:
            _, text, act = self._steps.pop(0)
            act(belt)
            self.told.append(text)

    def _collector_away(self, _: dict[str, Any]) -> None:
        self.station.kill_collector()

    def _lane_dies(self, belt: dict[str, Any]) -> None:
        """As soon as a pulse has begun."""
        never = threading.Event()
        pulses = len(self.station.record().pulses)
        until_ns = SYSTEM_CLOCK.boottime_ns() + round(_PULSE_WITHIN_S * NS_PER_S)
        while len(self.station.record().pulses) == pulses:
            if SYSTEM_CLOCK.boottime_ns() > until_ns:
                break
            SYSTEM_CLOCK.wait(never, _LOOK_S)
        SYSTEM_CLOCK.wait(never, _INTO_PULSE_S)
        self.killed_ns = SYSTEM_CLOCK.boottime_ns()
        self.station.kill_lane(belt["pid"])

    def _collector_back(self, _: dict[str, Any]) -> None:
        self.station.start_collector()
