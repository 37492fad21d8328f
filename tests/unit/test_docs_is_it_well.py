"""The table of ``status``'s exit codes in docs/operations.md is true to the code."""

from __future__ import annotations

import re

from edge_runtime.codes import EXPLANATIONS, Severity
from edge_runtime.errors import ExitCode
from tests.support.data import PROJECT

_SECTION = (PROJECT / "docs" / "operations.md").read_text("utf-8").partition("## Is it well?")[2]
ROWS = [
    (int(code), re.findall(r"EDGE-[A-Z]\d{3}", codes))
    for code, codes in re.findall(r"(?m)^\| (\d+) \|[^|]*\|([^|]*)\|$", _SECTION.split("\n## ")[0])
]


def exits(wanted: int) -> set[str]:
    return {code for exit_code, codes in ROWS for code in codes if exit_code == wanted}


def test_every_code_stands_in_the_table_once() -> None:
    told = [code for _, codes in ROWS for code in codes]
    assert sorted(told) == sorted(EXPLANATIONS)


def test_every_fault_is_exit_1_or_69_and_nothing_else_is() -> None:
    faults = {code for code, each in EXPLANATIONS.items() if each.severity is Severity.FAULT}
    assert exits(ExitCode.FAILED) | exits(ExitCode.UNAVAILABLE) == faults
    assert exits(ExitCode.OK) == set(EXPLANATIONS) - faults


def test_only_a_daemon_that_is_not_there_is_exit_69() -> None:
    assert exits(ExitCode.UNAVAILABLE) == {"EDGE-R701"}
