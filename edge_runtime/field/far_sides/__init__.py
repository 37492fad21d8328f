"""PLCs, brokers, pins and services: one file for each kind, with its case in the contract suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from edge_runtime.config import ModbusOutput, ModbusTrigger, WebhookOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.config import Output as OutputTable
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Output

    Tell: TypeAlias = Callable[[str, int, str | None], bool]
    """A trigger was seen: lane, CLOCK_BOOTTIME in ns, part; False: nobody listens."""


class FarSide(Protocol):
    """One connection, held once, and the outputs that share it."""

    @property
    def address(self) -> str:
        """For people."""
        ...

    @property
    def outputs(self) -> Mapping[str, Output]:
        """By name."""
        ...

    def start(self) -> None:
        """Begin to connect; never raises for a far side that is away."""
        ...

    def counters(self) -> dict[str, int]:
        """Of its triggers."""
        ...

    def close(self) -> None:
        """After its outputs: returns when its thread has ended.  Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What one far side is for; two that are equal need not be made anew."""

    key: tuple[object, ...]
    outputs: tuple[tuple[str, OutputTable], ...]
    triggers: tuple[tuple[str, ModbusTrigger], ...]


def plans(config: Config) -> list[Plan]:
    """The far sides that a config's lanes need.  What no lane uses is left alone."""
    used = {name for lane in config.lanes.values() for name in lane.outputs}
    outputs: dict[tuple[object, ...], list[tuple[str, OutputTable]]] = {}
    triggers: dict[tuple[object, ...], list[tuple[str, ModbusTrigger]]] = {}
    for name, table in config.outputs.items():
        if name in used:
            outputs.setdefault(key_of(name, table), []).append((name, table))
    for name, lane in config.lanes.items():
        if isinstance(lane.trigger, ModbusTrigger):
            triggers.setdefault(key_of(name, lane.trigger), []).append((name, lane.trigger))
    return [
        Plan(key, tuple(outputs.get(key, ())), tuple(triggers.get(key, ())))
        for key in dict.fromkeys([*outputs, *triggers])
    ]


def open_far_side(
    plan: Plan, *, tell: Tell | None, clock: Clock, progress: Progress | None = None
) -> FarSide:
    """The far side of a plan; not started yet."""
    kind = plan.key[0]
    if kind == "webhook":
        from edge_runtime.field.far_sides.webhook import WebhookFarSide

        name, table = plan.outputs[0]
        assert isinstance(table, WebhookOutput)
        return WebhookFarSide(name, table, clock=clock, progress=progress)
    from edge_runtime.field.far_sides.modbus import ModbusWire
    from edge_runtime.field.far_sides.pulsed import PulsedFarSide
    from edge_runtime.field.triggers import Watch

    first = (plan.outputs or plan.triggers)[0][1]
    assert isinstance(first, ModbusOutput | ModbusTrigger)
    return PulsedFarSide(
        ModbusWire(first.host, first.port, first.unit),
        {name: table for name, table in plan.outputs if isinstance(table, ModbusOutput)},
        [Watch(lane, settings, tell) for lane, settings in plan.triggers] if tell else [],
        clock=clock,
        progress=progress,
    )


def key_of(name: str, table: OutputTable | ModbusTrigger) -> tuple[object, ...]:
    """Equal for what shares one connection."""
    if isinstance(table, WebhookOutput):
        return ("webhook", name)
    return ("modbus", table.host, table.port, table.unit)
