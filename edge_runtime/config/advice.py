"""What a config may say and should not: told by ``config check`` and ``doctor``, refused by nobody.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.config.tables import Config

SERVED = frozenset({"default", "pulse", "pipewire", "sysdefault"})
"""Names of microphones that stand for whatever the system, or its sound server, chooses."""
WORST_SHARE = 0.8
"""Of the way to the gate: the rest is for the write and for a part that is only just too late."""


def advice(config: Config) -> list[str]:
    """One line ``key: what it means and what to do`` each."""
    lines = []
    dead_man_ms = config.supervisor.dead_man_s * 1000
    for name, output in config.outputs.items():
        delay_ms = getattr(output, "delay_ms", 0)
        users = [lane for lane, table in config.lanes.items() if name in table.outputs]
        if not delay_ms or not users:
            continue
        if dead_man_ms > WORST_SHARE * delay_ms:
            lines.append(
                f"supervisor.dead_man_s: a lane that hangs is held safe after {dead_man_ms:.0f} "
                f"ms, and a part is at outputs.{name} after {delay_ms} ms: unless the PLC adds to "
                f"that way, one that was just triggered passes; write less than "
                f"{WORST_SHARE * delay_ms / 1000:.2g}"
            )
        for lane in users:
            deadline_ms = config.lanes[lane].part.deadline_ms
            if deadline_ms is not None and deadline_ms >= delay_ms:
                lines.append(
                    f"lanes.{lane}.part.deadline_ms: {deadline_ms} ms is not before the part is at "
                    f"outputs.{name}, {delay_ms} ms; write less"
                )
    return lines + _served_microphones(config)


def _served_microphones(config: Config) -> list[str]:
    """Sources that somebody else chooses the microphone of."""
    return [
        f"lanes.{name}.source: '{lane.source}' is whichever microphone the system chooses, and may "
        "be another one after a restart or an unplugged cable (told as EDGE-L131); write a name "
        "that `edge-runtime devices` lists"
        for name, lane in config.lanes.items()
        if lane.source.removeprefix("microphone:") in SERVED
        and lane.source.startswith("microphone:")
    ]
