"""Every row of "Sounds" in docs/inputs.md, run: what `infer` reads and says, what a lane does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edge_runtime.config import Capture, Lane
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.files.sound import read_whole
from tests.support.data import PROJECT
from tests.support.fakes import FakeClock
from tests.support.lying_sounds import SOUNDS
from tests.support.reading import read_all
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (PROJECT / "docs" / "inputs.md").read_text("utf-8").partition("\n## Sounds")[2]
TEXT = TEXT.partition("\n## ")[0]


@dataclass(frozen=True)
class Row:
    what: str
    infer: str
    lane: str
    said: str


ROWS = [
    Row(*(cell.strip() for cell in line.strip("|").split("|")))
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| input")
]


def said(row: Row) -> str:
    found = re.fullmatch(r'"(.*)"', row.said)
    return found[1] if found else ""


def test_every_kind_stands_in_the_table_once() -> None:
    assert [row.what for row in ROWS] == list(SOUNDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_infer_reads_refuses_and_says_what_the_table_has(row: Row, tmp_path: Path) -> None:
    path = SOUNDS[row.what](tmp_path)
    if row.infer == "refused":
        with pytest.raises(ItemError) as refused:
            read_whole(path)
        assert said(row) in str(refused.value)
        assert "\n" not in str(refused.value)
        return
    found = read_whole(path)
    told = [*found.told, *(["digital silence"] if found.is_silent else [])]
    assert bool(told) == (row.infer == "read, told")
    assert said(row) in "; ".join(told)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_lane_reads_refuses_and_counts_once_what_the_table_has(row: Row, tmp_path: Path) -> None:
    path = SOUNDS[row.what](tmp_path)
    lane = Lane(source=f"file:{path}", kind="microphone", capture=Capture())
    source = lane_source(lane, clock=FakeClock())
    if row.lane == "refused":
        with pytest.raises(SourceUnavailable, match=re.escape(said(row))):
            source.open()
        return
    found = read_all(source)
    assert found.items
    assert len(found.bad) == (row.lane == "read, told")
    assert all(said(row) in told for told in found.bad)
