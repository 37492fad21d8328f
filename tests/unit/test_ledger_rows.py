"""Rows keep all of a result, in little space, whatever is in it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edge_runtime.ledger.rows import Entry, entry_of, row_of
from edge_runtime.types import (
    Actuation,
    Addition,
    AdditionKind,
    EntryBody,
    Event,
    Finding,
    Media,
    Region,
    Result,
    Role,
    Score,
    Span,
    Tombstone,
    Verdict,
    VerdictKind,
    findings_of,
)
from tests.support.ledger import result, stamp, tombstone
from tests.support.names import Shared


def carried(entry: EntryBody) -> EntryBody:
    shared = Shared()
    media = entry.media if isinstance(entry, Result | Addition) else ()
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


FOUND = Finding(
    view="left", frame=1, role=Role.SHADOW, model="defect/2.0.0", model_sha256="c" * 64,
    steps=("detector/1.0.0", "defect/2.0.0"), scores=(Score("defect", 0.7),),
    opinion=Verdict(VerdictKind.REJECT, "defect", 0.7, 0.5, "defect at least 0.5"),
    regions=(Region("defect", 0.7, 1, 2, 3, 4),), spans=(Span("stop", 0.8, 0.5, 0.9),),
    text="x", infer_ms=3.5,
)  # fmt: skip
LATE = Finding(view="right", failure="late")
PART = replace(
    FULL, part="part 17", trigger="modbus://plc coil 3", recipe="lid", findings=(FOUND, LATE),
    findings_cut=2, spans=(Span("stop", 0.9, 0.0, 0.5),), pending=("evidence", "actuation"),
    verdict=replace(FULL.verdict, decided_by="left#1:defect/2.0.0"),
)  # fmt: skip
EVIDENCE = Addition(lane="top", about=3, kind=AdditionKind.EVIDENCE, at=stamp(5), media=FULL.media)
EVENT = Event(code="EDGE-L108", at=stamp(6), text="no such model", lane="top", output="gate")
ENTRIES = [
    FULL, BARE, replace(FULL, model=None), PART, tombstone(4), replace(tombstone(4), item="f:7"),
    EVIDENCE, replace(EVIDENCE, kind=AdditionKind.FINDING, finding=FOUND),
    replace(EVIDENCE, kind=AdditionKind.ACTUATION, actuation=FULL.actuations[0]), EVENT,
]  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: EntryBody) -> None:
    assert carried(entry) == entry


def test_a_row_without_findings_is_read_as_one() -> None:
    (found,) = findings_of(FULL)
    assert (found.model, found.opinion) == (FULL.model, FULL.verdict)
    assert (found.scores, found.regions) == (FULL.scores, FULL.regions)
    assert findings_of(BARE) == ()
    assert findings_of(PART) == (FOUND, LATE)


def test_a_number_that_is_none_in_a_finding_is_left_out_and_the_finding_kept() -> None:
    odd = replace(FOUND, infer_ms=math.nan, scores=(Score("a", math.inf), Score("b", 0.5)))
    kept = carried(replace(PART, findings=(odd,)))
    assert isinstance(kept, Result)
    assert kept.findings == (replace(FOUND, infer_ms=None, scores=(Score("b", 0.5),)),)


def test_an_item_of_a_tombstone_that_is_not_unicode_is_kept_escaped() -> None:
    kept = carried(replace(tombstone(), item="part_\udcff.jpg"))
    assert isinstance(kept, Tombstone)
    assert kept.item == "part_\\udcff.jpg"


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
