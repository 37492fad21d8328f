"""Named points at which a test may let the process die, as a power cut would.

``EDGE_RUNTIME_FAILPOINT=name`` or ``name:3`` ends the process at the first or third passing.
"""

from __future__ import annotations

import os

EXIT_CODE = 99
_name, _, _count = os.environ.get("EDGE_RUNTIME_FAILPOINT", "").partition(":")
_left = [int(_count or 1)]


def reached(name: str) -> None:
    """Called at each named point; does nothing unless this one was asked for."""
    if name != _name:
        return
    _left[0] -= 1
    if _left[0] == 0:
        os._exit(EXIT_CODE)
