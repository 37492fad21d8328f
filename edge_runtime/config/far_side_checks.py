"""What two would drive, or one would drive and another take for a trigger.  Pure."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from edge_runtime.config.outputs import ModbusOutput
from edge_runtime.config.triggers import ModbusTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config.tables import Config

_Place = tuple[str, int, int, str]
"""Host, port, unit, and what."""


def far_side_problems(config: Config) -> list[str]:
    """Each address of a PLC is driven by one output, and none that triggers is driven.

    Lanes may share an output: its far side joins what they ask.
    """
    outputs = {
        name: output for name, output in config.outputs.items() if isinstance(output, ModbusOutput)
    }
    problems = []
    for name, output in outputs.items():
        register = output.heartbeat_register
        if register is not None and register == output.bypass_register:
            problems.append(
                f"outputs.{name}.bypass_register: found {register}, which is its "
                "heartbeat_register: give each its own"
            )
    for (one, first), (other, second) in combinations(outputs.items(), 2):
        if shared := driven(first) & driven(second):
            problems.append(
                f"outputs.{other}: drives {min(shared)[3]} of {second.host}, and so does "
                f"outputs.{one}: give each its own"
            )
    return problems + list(_driven_triggers(config))


def driven(output: ModbusOutput) -> set[_Place]:
    """What it writes to."""
    written = {f"coil {output.coil}"}
    if output.safe_coil is not None:
        written.add(f"coil {output.safe_coil}")
    for register in (output.heartbeat_register, output.bypass_register):
        if register is not None:
            written.add(f"register {register}")
    return {(output.host, output.port, output.unit, what) for what in written}


def _driven_triggers(config: Config) -> Iterator[str]:
    for lane_name, lane in config.lanes.items():
        trigger = lane.trigger
        if not isinstance(trigger, ModbusTrigger):
            continue
        place = (trigger.host, trigger.port, trigger.unit)
        watched = {
            "coil": ("coil", trigger.coil),
            "counter": ("register", trigger.counter),
            "part_register": ("register", trigger.part_register),
        }
        for key, (kind, number) in watched.items():
            for name, output in config.outputs.items():
                if (
                    number is not None
                    and isinstance(output, ModbusOutput)
                    and (*place, f"{kind} {number}") in driven(output)
                ):
                    yield (
                        f"lanes.{lane_name}.trigger.{key}: found {number}, which outputs.{name} "
                        "drives: the lane would trigger itself"
                    )
