"""Logging: one event a line on stderr, fit for the journal; ``event key=value ...``."""

from __future__ import annotations

import logging
import os
import sys


def set_up(process: str) -> None:
    """Log to stderr as ``<priority>process: message``; the journal reads the priority.

    On a terminal the priority is a word.  ``EDGE_RUNTIME_LOG`` chooses the level.
    """
    handler = logging.StreamHandler(sys.stderr)
    under_systemd = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(_Formatter(process, priorities=under_systemd))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(os.environ.get("EDGE_RUNTIME_LOG", "INFO").upper())


class _Formatter(logging.Formatter):
    _PRIORITIES = (
        (logging.CRITICAL, "<2>"),
        (logging.ERROR, "<3>"),
        (logging.WARNING, "<4>"),
        (logging.INFO, "<6>"),
        (logging.DEBUG, "<7>"),
    )

    def __init__(self, process: str, *, priorities: bool) -> None:
        super().__init__()
        self._process = process
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._priorities:
            return f"{record.levelname.lower()} {self._process}: {text}"
        prefix = next((p for level, p in self._PRIORITIES if record.levelno >= level), "<7>")
        return "\n".join(f"{prefix}{self._process}: {line}" for line in text.splitlines())
