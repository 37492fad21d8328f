"""What holds for every test: no thread outlives the test that started it.

Daemon threads too: all of the product's are, so that a driver that hangs holds up no exit, and a
test that leaves one behind has not closed what it opened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

OUTLIVES = ("waitpid-", "asyncio_")
"""Threads of the standard library that end by themselves: asyncio waits for a child in one of its
own, which is gone once the child is; its workers end with their loop."""
PATIENCE_S = 2.0


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    leaked = [t for t in threading.enumerate() if t not in before]
    for thread in leaked:
        thread.join(timeout=PATIENCE_S)
    left = [t for t in leaked if t.is_alive() and not t.name.startswith(OUTLIVES)]
    assert not left, f"threads left behind: {left}"
