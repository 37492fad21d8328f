"""Rows keep all of a result, in little space, whatever is in it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edge_runtime.ledger.rows import Entry, entry_of, row_of
from edge_runtime.types import (
    Actuation,
    Media,
    Region,
    Result,
    Score,
    Tombstone,
    Verdict,
    VerdictKind,
)
from tests.support.ledger import result, stamp, tombstone


class Shared:
    """The small tables, in memory."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, ...]] = []

    def _number(self, *text: str) -> int:
        if text not in self._texts:
            self._texts.append(text)
        return self._texts.index(text)

    def source(self, name: str) -> int:
        return self._number(name)

    def model(self, name: str, sha256: str) -> int:
        return self._number(name, sha256)

    def boot(self, name: str) -> int:
        return self._number(name)

    def source_of(self, number: int | None) -> str:
        assert number is not None
        return self._texts[number][0]

    def model_of(self, number: int | None) -> tuple[str | None, str | None]:
        if number is None:
            return None, None
        name, sha256 = self._texts[number]
        return name or None, sha256 or None

    def boot_of(self, number: int) -> str:
        return self._texts[number][0]


def carried(entry: Result | Tombstone) -> Result | Tombstone:
    shared = Shared()
    media = entry.media if isinstance(entry, Result) else ()
    return entry_of(7, "e", row_of(entry, shared), media, shared).body


FULL = result(
    3,
    media=(Media(sha256="b" * 64, kind="frame", mime="image/jpeg", size_bytes=9),),
    text="stop the line",
    start_s=1.5,
    duration_s=0.75,
    actuations=(
        Actuation(output="gate", action="pulse", acknowledged=True, latency_ms=4.2, detail="ok"),
        Actuation(output="lamp", action="safe", acknowledged=False, latency_ms=500.0),
    ),
)
BARE = Result(
    lane="mic",
    source="microphone:usb",
    source_seq=0,
    captured=stamp(),
    verdict=Verdict(VerdictKind.NO_READ),
)


@pytest.mark.parametrize("entry", [FULL, BARE, replace(FULL, model=None), tombstone(4)])
def test_an_entry_comes_back_as_it_was(entry: Result | Tombstone) -> None:
    assert carried(entry) == entry


def test_an_entry_knows_its_seq_and_epoch() -> None:
    shared = Shared()
    assert entry_of(7, "e", row_of(BARE, shared), (), shared) == Entry(7, "e", BARE)


def test_what_is_empty_takes_no_room() -> None:
    assert row_of(BARE, Shared())[-1] == '{"source_seq":0}'


def test_a_file_name_that_is_not_unicode_is_kept_escaped() -> None:
    odd = b"part_\xff.jpg".decode("utf-8", "surrogateescape")
    kept = carried(result(item=odd, source=f"folder:/in/{odd}", text=odd))
    assert isinstance(kept, Result)
    assert kept.text == kept.item
    assert kept.item == "part_\\udcff.jpg"
    assert kept.source == "folder:/in/part_\\udcff.jpg"


def test_a_tombstone_about_such_a_file_is_kept_too() -> None:
    kept = carried(replace(tombstone(), detail="bad: part_\udcff.jpg"))
    assert isinstance(kept, Tombstone)
    assert kept.detail == "bad: part_\\udcff.jpg"


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_left_out_and_the_result_kept(odd: float) -> None:
    verdict = Verdict(VerdictKind.REVIEW, "defect", odd, 0.6)
    kept = carried(result(
        verdict=verdict, scores=(Score("defect", odd), Score("ok", 0.5)), infer_ms=odd,
        regions=(Region("defect", odd, 0, 0, 1, 1),),
    ))  # fmt: skip
    assert isinstance(kept, Result)
    assert kept.verdict == replace(verdict, score=None)
    assert kept.scores == (Score("ok", 0.5),)
    assert kept.regions == ()
    assert kept.infer_ms is None
