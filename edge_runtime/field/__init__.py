"""What a verdict drives.  Each output owns a thread of its own; no lane ever waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Output as OutputConfig
    from edge_runtime.protocols import Output


def open_output(name: str, settings: OutputConfig, *, clock: Clock) -> Output:
    """The output of a config table; not started yet."""
    from edge_runtime.field.far_sides.modbus import ModbusLine
    from edge_runtime.field.pulsed import CoilOutput

    line = ModbusLine(settings.host, settings.port, settings.unit)
    return CoilOutput(name, settings, line, clock=clock)
