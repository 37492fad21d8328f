"""Is it well?  The picture of the station in, what is wrong with it out.  Pure.

A station is well when every lane sees or hears, decides, is acknowledged and stored, and sync is
connected or merely offline.  What is not proven is not well.  Each finding is a map: ``code``,
``severity``, ``where``, ``text``; one of a kind that does not pass by itself (a count of what went
wrong once) also has ``seen_as`` and ``count``: somebody who has seen it says so, and from then on
that count is a note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edge_runtime import codes
from edge_runtime.codes import Severity
from edge_runtime.supervisor.found import Found
from edge_runtime.supervisor.truth_of_lanes import lane_findings
from edge_runtime.supervisor.truth_of_stores import ledger_findings, sync_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD_SILENT_S: Final = 2.0
"""The field process says how it is twice a second."""
_ORDER: Final = (Severity.FAULT, Severity.WARNING, Severity.NOTE)


def findings(picture: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to be told of a picture, faults first; see `status` for the picture's shape."""
    seen = picture.get("seen", {})
    told = [found.as_map(seen) for found in _all(picture)]
    return sorted(told, key=lambda each: _ORDER.index(each["severity"]))


def is_well(found: list[dict[str, Any]]) -> bool:
    """Whether there is no fault among them."""
    return not any(each["severity"] == Severity.FAULT for each in found)


def is_silent(field: dict[str, Any] | None) -> bool:
    """Whether the field process (of a picture) cannot tell how the outputs are."""
    if field is None or field["state"] not in ("running", "safe"):
        return True
    age_s = field["heartbeat_age_s"]
    return age_s is None or age_s > FIELD_SILENT_S


def _all(picture: dict[str, Any]) -> Iterator[Found]:
    if not picture["running"]:
        code = codes.DAEMON_SILENT if picture["silent"] else codes.DAEMON_AWAY
        yield Found(code, "station", f"on {picture['data_dir']}")
        return
    for lane in picture["lanes"]:
        yield from lane_findings(lane, picture)
    yield from _outputs(picture)
    yield from ledger_findings(picture)
    yield from sync_findings(picture)
    for problem in picture["config"]["problems"]:
        yield Found(codes.CONFIG_REFUSED, "config", problem)
    for change in picture["config"]["needs_restart"]:
        yield Found(codes.CONFIG_NEEDS_RESTART, "config", change)


def _outputs(picture: dict[str, Any]) -> Iterator[Found]:
    field, outputs = picture["field"], picture["outputs"]
    if (outputs or field is not None) and is_silent(field):
        told = "it was not started" if field is None else field["detail"] or field["state"]
        yield Found(codes.FIELD_AWAY, "field", told)
    elif field is not None and field["crash_loop"]:
        yield Found(codes.FIELD_AWAY, "field", f"it dies again and again: {field['last_exit']}")
    for output in outputs:
        yield from _output(output, 0 if field is None else field["started_ns"])


def _output(output: dict[str, Any], life: int) -> Iterator[Found]:
    where, state = f"output {output['name']}", output["state"]
    detail = output["detail"] or output["address"]
    if state == "bypassed":
        yield Found(codes.OUTPUT_BYPASSED, where, _bypass(output))
    elif state in ("away", "starting"):
        yield Found(codes.OUTPUT_AWAY, where, detail or "not connected yet")
    elif state == "unknown":
        yield Found(codes.OUTPUT_AWAY, where, "how it is now is not known")
    elif state == "held":
        yield Found(codes.OUTPUT_HELD, where, "; ".join(output["held_by"]) or detail)
    elif state not in ("connected", "unused"):
        yield Found(codes.OUTPUT_AWAY, where, f"{state}: {detail}")
    if (running := output["unacknowledged_running"]) > 0 and state != "unknown":
        code = codes.OUTPUT_REFUSED if output["refused"] else codes.OUTPUT_UNACKNOWLEDGED
        yield Found(code, where, f"{running} since {_last_ack(output)}; {detail}")
    if output["merged"]:
        told = f"{output['merged']} pulses"
        yield Found(
            codes.PULSES_MERGED, where, told, output["merged"], f"merged:{output['name']}:{life}"
        )


def _bypass(output: dict[str, Any]) -> str:
    left_s = output["bypass_left_s"]
    told = "" if left_s is None else f"for {left_s / 60:.0f} min more"
    return ": ".join(part for part in (told, output["detail"]) if part)


def _last_ack(output: dict[str, Any]) -> str:
    age_s = output["last_ack_age_s"]
    return "the start, none acknowledged" if age_s is None else f"{age_s:.0f} s ago"
