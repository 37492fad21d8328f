"""Named points at which a test may let the process die, hang or wait.

``EDGE_RUNTIME_FAILPOINT`` says where: ``name`` or ``name:3`` (the first or third passing in this
process), ``name:3+`` (every passing from the third on), ``name=item`` (every passing with that item
in hand; of a folder's item ``part.jpg:size:mtime`` the file's name is enough).

``EDGE_RUNTIME_FAILPOINT_ACTION`` says how: ``exit`` (the default: gone with no more warning than
SIGKILL gives), ``abort`` (as native code dies), ``hang`` (this thread blocks for ever) or
``wait:SECONDS`` (it goes on after them).

``EDGE_RUNTIME_FAILPOINT_FILE`` names a file that a test may write while the process runs:
``name ACTION`` or ``name=item ACTION``.  The first that passes there takes the file away and acts,
once.  In ordinary life none is set, and a passing costs a dictionary look-up.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.clock import SYSTEM_CLOCK

VARIABLE = "EDGE_RUNTIME_FAILPOINT"
ACTION = "EDGE_RUNTIME_FAILPOINT_ACTION"
FILE = "EDGE_RUNTIME_FAILPOINT_FILE"
EXIT_CODE = 99
_FOR_EVER_S = 3600.0


def reached(name: str, item: str | None = None) -> None:
    """Called at each named point; does nothing unless this one was asked for.  Any thread.

    `item`: what is in hand, where something is.
    """
    plan = _plan()
    if plan is not None and plan.is_due(name, item):
        _act(plan.action)
    path = _file()
    if path is not None:
        _obey(path, name, item)


@dataclass(slots=True)
class _Plan:
    """What the environment asks for."""

    name: str
    item: str | None
    first: int
    """The passing at which it is due."""
    is_lasting: bool
    """And at each one after it."""
    action: str
    _passings: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def is_due(self, name: str, item: str | None) -> bool:
        if name != self.name or not _is_item(self.item, item):
            return False
        passing = next(self._passings)
        return passing == self.first or (self.is_lasting and passing > self.first)


def _parse(text: str, action: str) -> _Plan:
    name, is_of_item, item = text.partition("=")
    if is_of_item:
        return _Plan(name, item, 1, is_lasting=True, action=action)
    name, _, count = text.partition(":")
    return _Plan(
        name, None, int(count.rstrip("+") or 1), is_lasting=count.endswith("+"), action=action
    )


def _is_item(wanted: str | None, item: str | None) -> bool:
    if wanted is None:
        return True
    return item is not None and (item == wanted or item.startswith(wanted + ":"))


@functools.cache
def _plan() -> _Plan | None:
    text = os.environ.get(VARIABLE, "")
    return _parse(text, os.environ.get(ACTION, "exit")) if text else None


@functools.cache
def _file() -> Path | None:
    text = os.environ.get(FILE, "")
    return Path(text) if text else None


def _obey(path: Path, name: str, item: str | None) -> None:
    """Act on the order in the file, if it is for this point and nobody else takes it first."""
    try:
        where, _, action = path.read_text("utf-8").strip().partition(" ")
    except OSError:
        return
    plan = _parse(where, action)
    if plan.name != name or not _is_item(plan.item, item):
        return
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # only one can
        _act(plan.action or "exit")


def _act(action: str) -> None:
    word, _, value = action.partition(":")
    if word == "abort":
        os.abort()
    elif word == "hang":
        while True:
            SYSTEM_CLOCK.wait(threading.Event(), _FOR_EVER_S)
    elif word == "wait":
        SYSTEM_CLOCK.wait(threading.Event(), float(value))
    else:
        os._exit(EXIT_CODE)
