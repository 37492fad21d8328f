"""Every finding that this program tells of has one stable code, the same in ``status``, ``doctor``,
the log and the ledger; ``edge-runtime explain CODE`` tells what it means.  Values only.

A code is never given a second meaning, and never taken away.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad it is."""

    FAULT = "fault"
    """The station does not do all that it is for: ``status`` exits 1."""
    WARNING = "warning"
    """It does, and somebody should look."""
    NOTE = "note"
    """It happened, and is written down."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One kind of finding."""

    code: str
    title: str
    severity: Severity
    cause: str = ""
    """What brings it about."""
    confirm: str = ""
    """How to see that it is this."""
    cure: str = ""
    """What to do."""
    line: str = ""
    """What the line does meanwhile: what the outputs are told."""


EXPLANATIONS: Final[dict[str, Explanation]] = {}
"""By code."""


def _define(code: str, title: str, severity: Severity, **texts: str) -> str:
    EXPLANATIONS[code] = Explanation(code=code, title=title, severity=severity, **texts)
    return code


_FAULT, _WARNING, _NOTE = Severity.FAULT, Severity.WARNING, Severity.NOTE

SOURCE_AWAY = _define("EDGE-L101", "the source is away", _FAULT)
SOURCE_FROZEN = _define("EDGE-L102", "the camera repeats one picture", _FAULT)
SOURCE_DEAD = _define("EDGE-L103", "the microphone gives nothing but digital zero", _FAULT)
LANE_STALLED = _define("EDGE-L104", "the lane hung and was ended", _FAULT)
LANE_CRASHED = _define("EDGE-L105", "the lane's process died and waits to be started again", _FAULT)
LANE_CRASH_LOOP = _define("EDGE-L106", "the lane's process dies again and again", _FAULT)
ITEM_BURIED = _define("EDGE-L107", "an item ended the lane again and again and is left out", _FAULT)
LANE_REFUSED = _define("EDGE-L108", "the lane cannot run as it is configured", _FAULT)
LANE_CANNOT_START = _define("EDGE-L109", "the lane's process cannot be started at all", _FAULT)
LANE_UNREADABLE = _define("EDGE-L110", "part after part cannot be judged", _FAULT)
LANE_NOT_DECIDING = _define("EDGE-L111", "the lane does not decide", _FAULT)
TRIGGERS_MISSED = _define(
    "EDGE-L112", "triggers without a picture, or too close together", _WARNING
)
LANE_STARTING = _define("EDGE-L113", "the lane is loading its models", _FAULT)
ITEMS_DROPPED = _define(
    "EDGE-L114", "pictures or sound were left out: the lane is behind", _WARNING
)
LANE_STOPPED_BY_OUTPUT = _define("EDGE-L115", "the lane takes no parts: an output is away", _FAULT)
RESTART_GAP = _define("EDGE-L116", "the lane did not look while it was started anew", _NOTE)

OUTPUT_AWAY = _define("EDGE-O201", "the far side of an output is away", _FAULT)
OUTPUT_UNACKNOWLEDGED = _define("EDGE-O202", "the far side does not acknowledge", _FAULT)
OUTPUT_HELD = _define("EDGE-O203", "an output is held in its safe state", _FAULT)
OUTPUT_BYPASSED = _define("EDGE-O204", "an output is bypassed", _FAULT)
FIELD_AWAY = _define("EDGE-O205", "the field process is away or hangs", _FAULT)
OUTPUT_REFUSED = _define("EDGE-O206", "the far side refuses a write", _FAULT)
PULSES_MERGED = _define("EDGE-O207", "pulses ran into each other and were made one", _WARNING)

LEDGER_FULL = _define("EDGE-D301", "there is no room for results", _FAULT)
LEDGER_FAILED = _define("EDGE-D302", "the ledger has failed", _FAULT)
LEDGER_RECOVERED = _define("EDGE-D303", "a damaged ledger was recovered", _WARNING)
PARTS_UNSTORED = _define("EDGE-D304", "parts were judged that could not be stored", _FAULT)
ENTRY_REFUSED = _define("EDGE-D305", "the ledger could not take an entry", _FAULT)
DISK_DAYS = _define("EDGE-D306", "the disk will be full before the days offline are over", _WARNING)
MEDIA_LOST = _define("EDGE-D307", "evidence could not be written", _FAULT)
WAL_LARGE = _define("EDGE-D308", "the ledger's log is not moved into it", _WARNING)

SYNC_OFFLINE = _define("EDGE-S401", "the collector is not reached", _WARNING)
SYNC_AUTH_FAILED = _define("EDGE-S402", "the collector refuses the token", _FAULT)
SYNC_QUARANTINE = _define("EDGE-S403", "the collector refused results for good", _FAULT)
SYNC_CRASHED = _define("EDGE-S404", "the sync process dies again and again", _FAULT)

MODEL_REFUSED = _define("EDGE-M501", "a model is refused", _FAULT)
MODEL_NEWER = _define("EDGE-M502", "a higher version of a pinned model is there", _NOTE)
MODEL_USED = _define("EDGE-M503", "a lane was given another model", _NOTE)

CONFIG_REFUSED = _define("EDGE-C601", "a changed config is refused; the last good one runs", _FAULT)
CONFIG_RELOADED = _define("EDGE-C602", "the config was read anew", _NOTE)
CONFIG_NEEDS_RESTART = _define("EDGE-C603", "a change of the config waits for a restart", _WARNING)
