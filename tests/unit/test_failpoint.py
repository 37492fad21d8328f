"""Named points at which a test lets a process die: each case in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from edge_runtime import failpoint

PASSES = (
    "from edge_runtime import failpoint\n"
    "for item in ('a.png', 'b.png:10:20', 'c.png'):\n"
    "    print(item, flush=True)\n"
    "    failpoint.reached('infer', item)\n"
)


def passing(asked: str, action: str = "", file: Path | None = None) -> tuple[int, int]:
    """(exit code, items that were reached) of three passings."""
    more = {failpoint.VARIABLE: asked}
    if action:
        more[failpoint.ACTION] = action
    if file is not None:
        more[failpoint.FILE] = str(file)
    done = subprocess.run(
        [sys.executable, "-c", PASSES], env={**os.environ, **more}, capture_output=True, check=False
    )
    return done.returncode, len(done.stdout.splitlines())


def test_without_a_wish_nothing_happens() -> None:
    assert passing("") == (0, 3)
    assert passing("another") == (0, 3)


def test_the_first_or_the_nth_passing_is_the_last() -> None:
    assert passing("infer") == (failpoint.EXIT_CODE, 1)
    assert passing("infer:3") == (failpoint.EXIT_CODE, 3)
    assert passing("infer:4") == (0, 3)


def test_a_lasting_wish_holds_from_its_passing_on() -> None:
    assert passing("infer:2+") == (failpoint.EXIT_CODE, 2)
    assert passing("infer:2+", "wait:0") == (0, 3)


def test_only_the_item_asked_for_is_met_and_a_folders_by_its_name_alone() -> None:
    assert passing("infer=b.png") == (failpoint.EXIT_CODE, 2)
    assert passing("infer=b.png:10:20") == (failpoint.EXIT_CODE, 2)
    assert passing("infer=b") == (0, 3)


def test_an_abort_is_as_native_code_dies() -> None:
    assert passing("infer:2", "abort") == (-signal.SIGABRT, 2)


def test_an_order_in_the_file_is_obeyed_once(tmp_path: Path) -> None:
    order = tmp_path / "order"
    order.write_text("infer=c.png exit")
    assert passing("", file=order) == (failpoint.EXIT_CODE, 3)
    assert not order.exists()
    assert passing("", file=order) == (0, 3)
    order.write_text("another exit")
    assert passing("", file=order) == (0, 3)
    assert order.exists()
