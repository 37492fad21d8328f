"""The proof of damaged inputs, in its short form; `make proof-inputs` is the long one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.data import DATA, PROJECT, needs_data
from tools.proofs import inputs_pictures
from tools.proofs.inputs import is_broken
from tools.proofs.inputs_row import Row

if TYPE_CHECKING:
    from pathlib import Path

needs_programs = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("djpeg", "jpegtran", "pngcheck")),
    reason="no djpeg, jpegtran or pngcheck here",
)


@needs_data
@needs_programs
def test_no_picture_is_judged_that_another_program_reports_and_no_whole_one_refused(
    tmp_path: Path,
) -> None:
    rows = inputs_pictures.run(60, 40, 4, DATA, tmp_path, lambda _: None)
    assert [row for row in rows if is_broken(row)] == []
    damaged = [row for row in rows if ": whole" not in row.kind and row.kind != "real pictures"]
    assert sum(row.tried for row in damaged) == 60
    assert sum(row.tried for row in rows) == 100
    assert sum(row.refused for row in damaged) > 30
    assert sum(row.visible_and_silent for row in damaged) > 0  # printed, not claimed


def test_a_row_is_broken_by_what_is_claimed_and_by_nothing_else() -> None:
    def row(**counts: int) -> Row:
        names = ("tried", "refused", "judged_though_reported", "visible_and_silent")
        return Row(kind="x", **{**dict.fromkeys((*names, "whole_refused"), 0), **counts})

    assert not is_broken(row(tried=9, refused=3, visible_and_silent=6))
    assert is_broken(row(judged_though_reported=1))
    assert is_broken(row(whole_refused=1))


@needs_data
@needs_programs
def test_the_command_prints_a_line_a_row_and_ends_well() -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tools.proofs.inputs", "--only", "pictures", "--json"),
            *("--files", "20", "--whole", "10", "--data", str(DATA)),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert sum(row["tried"] for row in rows) == 20
