"""Logging: one event a line on stderr, fit for the journal; ``event key=value ...`` or JSON."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import re
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_runtime.errors import UsageError

VARIABLE = "EDGE_RUNTIME_LOG"
LEVELS = ("debug", "info", "warning", "error", "critical")
JOURNAL = Path("/run/systemd/journal/stdout")
_PRIORITIES = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
    (logging.DEBUG, "<7>"),
)
_FIELDS = re.compile(r"(?:(?<=\s)(\w+)=)?%(?:[-#0 +]*\d*(?:\.\d+)?)([a-z%])")


def set_up(process: str, *, own_stream: bool = False) -> None:
    """Log to stderr as ``<priority>process: message``; the journal reads the priority.

    On a terminal the priority is a word.  ``EDGE_RUNTIME_LOG`` chooses the level, and ``json``.
    `own_stream`: a child, which takes a stream of its own where there is a journal.  Raises
    `UsageError` when the variable says something else.
    """
    if own_stream and take_own_stream(process):
        faulthandler.enable()  # stacks, too; it only changes where to, and no signal's handler
    level, as_json = chosen(os.environ.get(VARIABLE, ""))
    handler = logging.StreamHandler(sys.stderr)
    kind = _Json if as_json else _Words
    handler.setFormatter(kind(process, priorities=is_journal()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def chosen(told: str) -> tuple[str, bool]:
    """(level, as JSON) of what ``EDGE_RUNTIME_LOG`` says.  Raises `UsageError`."""
    level, as_json = "info", False
    for word in filter(None, re.split(r"[\s,]+", told.lower())):
        if word in LEVELS:
            level = word
        elif word in ("json", "text"):
            as_json = word == "json"
        else:
            known = ", ".join((*LEVELS, "json", "text"))
            raise UsageError(
                f"{VARIABLE}: found '{told}'; write one of {known}, or two as debug,json"
            )
    return level, as_json


def is_journal() -> bool:
    """Whether stderr goes to the journal: the variable alone outlives a redirection."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def take_own_stream(process: str, journal: Path = JOURNAL) -> bool:
    """Under the journal: a stream of this process alone, so that its lines come whole; if it did.

    Processes that share one tear each other's lines, most of all stacks, which are written piece by
    piece.  Call it first; where it cannot be had, the shared one stays.
    """
    if not is_journal():
        return False
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # identifier, unit (the journal knows), priority, whether lines begin with <priority>, and
    # three kinds of forwarding
    header = f"edge-runtime-{process}\n\n6\n1\n0\n0\n0\n"
    with connection:
        try:
            connection.connect(str(journal))
            connection.sendall(header.encode())
            connection.shutdown(socket.SHUT_RD)
        except OSError:
            return False
        os.dup2(connection.fileno(), 1)
        os.dup2(connection.fileno(), 2)
    found = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
    return True


def warn_without_cpuinfo() -> None:
    """A sandbox costs more than it protects."""
    logging.getLogger(__name__).warning(
        "no_cpuinfo /proc/cpuinfo is hidden (ProcSubset=pid): model libraries do not find their "
        "fast kernels, and may be 200 times slower"
    )


class _Words(logging.Formatter):
    def __init__(self, process: str, *, priorities: bool) -> None:
        super().__init__()
        self._process = process
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._priorities:
            return f"{record.levelname.lower()} {self._process}: {text}"
        prefix = _priority(record)
        return "\n".join(f"{prefix}{self._process}: {line}" for line in text.splitlines())


class _Json(logging.Formatter):
    """One object a line: time, level, process, event, message, and the event's fields."""

    def __init__(self, process: str, *, priorities: bool) -> None:
        super().__init__()
        self._process = process
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "event": message.partition(" ")[0],
            "message": message,
        }
        if fields := _fields(record):
            told["fields"] = fields
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        line = json.dumps(told, ensure_ascii=False, default=str)
        return (_priority(record) if self._priorities else "") + line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Key -> value of each ``key=%s`` in the message's template; numbers stay numbers."""
    if not isinstance(record.args, tuple):
        return {}
    fields: dict[str, Any] = {}
    values = iter(record.args)
    for match in _FIELDS.finditer(str(record.msg)):
        if match[2] == "%":
            continue
        value = next(values, None)
        if match[1]:
            is_number = isinstance(value, (int, float)) and value == value  # noqa: PLR0124 - no NaN
            fields[match[1]] = value if is_number else str(value)
    return fields


def _priority(record: logging.LogRecord) -> str:
    return next((p for level, p in _PRIORITIES if record.levelno >= level), "<7>")
