from __future__ import annotations

from typing import Any

import msgspec

from edge_runtime.config import Config
from edge_runtime.config.advice import advice


def told(*, dead_man_s: float = 1.0, deadline_ms: int | None = None, **output: Any) -> list[str]:
    table = {
        "device": {"id": "x"},
        "lanes": {
            "top": {
                "source": "v4l2:/dev/video0", "model": "m", "outputs": ["gate"],
                "part": {"deadline_ms": deadline_ms},
            }
        },
        "outputs": {"gate": {"kind": "modbus", "host": "plc", "coil": 1} | output},
        "supervisor": {"dead_man_s": dead_man_s},
    }  # fmt: skip
    return advice(msgspec.convert(table, Config))


def test_a_handle_that_is_slower_than_the_way_to_the_gate_is_told() -> None:
    (line,) = told(delay_ms=650)
    assert line.startswith("supervisor.dead_man_s: a lane that hangs is held safe after 1000 ms")
    assert line.endswith("write less than 0.52")
    assert told(delay_ms=650, dead_man_s=0.5) == []
    assert told() == [], "a gate right behind the camera has no way that is known"


def test_a_deadline_behind_the_gate_is_told() -> None:
    (line,) = told(delay_ms=650, dead_man_s=0.5, deadline_ms=900)
    assert line.startswith("lanes.top.part.deadline_ms: 900 ms is not before the part is at")
    assert told(delay_ms=650, dead_man_s=0.5, deadline_ms=400) == []
