"""Named points at which a test may let the process die, with no more warning than SIGKILL gives.

``EDGE_RUNTIME_FAILPOINT=name`` or ``name:3`` ends the process at the first or third passing.
"""

from __future__ import annotations

import functools
import itertools
import os

VARIABLE = "EDGE_RUNTIME_FAILPOINT"
EXIT_CODE = 99


def reached(name: str, item: str | None = None) -> None:  # noqa: ARG001 - for people
    """Called at each named point; does nothing unless this one was asked for.  Any thread."""
    wanted = _wanted()
    if wanted is not None and wanted[0] == name and next(wanted[1]) == wanted[2]:
        os._exit(EXIT_CODE)


@functools.cache
def _wanted() -> tuple[str, itertools.count[int], int] | None:
    """(name, passings so far, the passing that is the last); None in ordinary life."""
    name, _, count = os.environ.get(VARIABLE, "").partition(":")
    return (name, itertools.count(1), int(count or 1)) if name else None
