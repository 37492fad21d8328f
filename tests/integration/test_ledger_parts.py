"""Parts, what comes later about them, what happens to the station, and what it remembers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_runtime.config import Ledger
from edge_runtime.errors import RequestRefused
from edge_runtime.ledger import database, memory
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.memory import MOST_DAYS
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.results import unfinished_key
from edge_runtime.ledger.rows import Kind
from edge_runtime.ledger.writer import (
    Ack,
    Maintain,
    NoteSource,
    Pin,
    PutAddition,
    PutEvent,
    PutResult,
    PutResults,
    PutTombstone,
    RecordModel,
    RecordReady,
)
from edge_runtime.types import (
    Addition,
    AdditionKind,
    Event,
    Media,
    Tombstone,
    TombstoneReason,
    VerdictKind,
)
from tests.support.fakes import FakeClock
from tests.support.ledger import SMALL, done, ledger, result, stamp, tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.ledger.writer import LedgerWriter

EVENT = Event(code="EDGE-L108", at=stamp(9), text="model 'x' is not there", lane="top")


def evidence(about: int, *media: Media, lane: str = "top") -> Addition:
    return Addition(
        lane=lane, about=about, kind=AdditionKind.EVIDENCE, at=stamp(about), media=media
    )


def picture(data_dir: Path, data: bytes) -> Media:
    return MediaStore(data_dir).put(data, kind="frame", mime="image/jpeg")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[LedgerWriter, LedgerReader]]:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        yield writer, reader


def test_what_comes_later_is_an_entry_of_its_own_and_is_found_by_its_part(
    tmp_path: Path, opened: tuple[LedgerWriter, LedgerReader]
) -> None:
    writer, reader = opened
    part = replace(result(1), pending=("evidence",))
    assert done(writer, PutResult(part)) == 1
    assert done(writer, PutResult(result(2))) == 2
    later = evidence(1, picture(tmp_path, b"late"))
    assert done(writer, PutAddition(later)) == 3
    assert [entry.body for entry in reader.additions_of(1)] == [later]
    assert reader.additions_of(2) == []
    entry = reader.result(1)
    assert entry is not None
    assert entry.body == part  # which never changes
    (row,) = reader.media_of(3)
    assert (row.state, row.seq) == ("local", 3)


def test_an_event_of_the_station_is_an_entry(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, reader = opened
    done(writer, PutEvent(EVENT))
    done(writer, PutResult(result(1)))
    (told,) = reader.results(kinds=(Kind.EVENT,))
    assert told.body == EVENT
    assert [e.seq for e in reader.results(verdict="EDGE-L108")] == [1]
    counts = reader.counts()
    assert (counts.rows, counts.tombstones, counts.additions, counts.events) == (1, 0, 0, 1)
    assert counts.by_lane == {"top": {"reject": 1}}


def test_what_an_addition_and_an_event_say_is_sent_like_all_the_rest(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, reader = opened
    for op in (PutResult(result(1)), PutAddition(evidence(1)), PutEvent(EVENT)):
        done(writer, op)
    assert [entry.seq for entry in reader.unsent(10)] == [1, 2, 3]
    done(writer, Ack(reader.identity().epoch, ((1, 3),)))
    assert reader.backlog().rows == 0


def test_media_that_come_late_are_worth_what_their_part_is(
    tmp_path: Path, opened: tuple[LedgerWriter, LedgerReader]
) -> None:
    writer, _ = opened
    values = {}
    for kind in (VerdictKind.PASS, VerdictKind.REJECT):
        media = picture(tmp_path, f"not in the audit's sample: {kind}".encode())
        seq = done(writer, PutResult(result(1, kind=kind)))
        done(writer, PutAddition(evidence(seq, media)))
        with closing(sqlite3.connect(tmp_path / database.FILE)) as raw:
            (values[kind],) = raw.execute(
                "SELECT value FROM media WHERE sha256 = ?", (media.sha256,)
            ).fetchone()
    assert values[VerdictKind.REJECT] > values[VerdictKind.PASS]


def test_late_media_that_are_gone_when_they_are_stored_are_told(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, reader = opened
    done(writer, PutResult(result(1)))
    gone = Media(sha256="d" * 64, kind="frame", mime="image/jpeg", size_bytes=5)
    assert done(writer, PutAddition(evidence(1, gone))) == 2
    told = reader.result(3)
    assert told is not None
    assert isinstance(told.body, Tombstone)
    assert (told.body.reason, told.body.lane) == (TombstoneReason.MEDIA_EVICTED, "top")


def test_the_words_of_a_segment_are_stored_together_with_a_seq_each(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, _ = opened
    words = tuple(result(n, lane="mic") for n in range(3))
    assert done(writer, PutResults(words)) == [1, 2, 3]
    assert writer.counters()["rows"] == 3


def test_of_results_that_belong_together_none_is_stored_when_one_cannot_be(
    tmp_path: Path, opened: tuple[LedgerWriter, LedgerReader]
) -> None:
    writer, reader = opened
    too_far = replace(result(2), captured=replace(stamp(), boottime_ns=1 << 70))
    refused = writer.submit(PutResults((result(1), too_far, result(3))))
    with pytest.raises(RequestRefused, match="cannot take this PutResults"):
        refused.result(20)
    assert reader.max_seq() == 0
    assert done(writer, PutResult(result(4))) == 1
    assert writer.state == "ok"


def test_a_loss_that_is_told_twice_under_one_key_is_one(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, reader = opened
    told = PutTombstone(tombstone(1), once="unstored:top:7")
    assert [done(writer, told) for _ in range(3)] == [1, 0, 0]
    assert done(writer, PutTombstone(tombstone(1), once="unstored:top:8")) == 2
    assert done(writer, PutTombstone(tombstone(1))) == 3
    assert reader.counts().tombstones == 3


def test_keys_of_what_was_told_outlive_a_restart(tmp_path: Path) -> None:
    told = PutTombstone(tombstone(1), once="unstored:top:7")
    with ledger(tmp_path) as writer:
        assert done(writer, told) == 1
    with ledger(tmp_path) as writer:
        assert done(writer, told) == 0


def test_an_item_that_was_buried_is_done_and_a_replay_goes_on_behind_it(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, reader = opened
    assert reader.last_item("top", "file:belt.mp4") is None
    for number in (1, 2):
        done(writer, PutResult(result(number)))
    assert reader.last_item("top", "file:belt.mp4") == "frame:2"
    bury = replace(tombstone(3), reason=TombstoneReason.BAD_ITEM, item="frame:3")
    done(writer, PutTombstone(bury))
    assert reader.has_item("top", "frame:3")
    assert reader.last_item("top", "file:belt.mp4") == "frame:3"
    assert reader.last_item("side", "file:belt.mp4") is None
    assert reader.last_item("top", "file:other.mp4") is None
    done(writer, PutResult(result(9, source="file:other.mp4")))
    done(writer, PutTombstone(replace(bury, item="frame:10")))
    assert reader.last_item("top", "file:other.mp4") == "frame:10"
    assert reader.last_item("top", "file:belt.mp4") == "frame:3"


def test_what_never_came_of_a_part_is_known_at_the_next_start_and_told_once(
    opened: tuple[LedgerWriter, LedgerReader],
) -> None:
    writer, reader = opened
    both = ("evidence", "actuation")
    for number, pending in enumerate(((), both, ("evidence",), ("evidence",)), 1):
        done(writer, PutResult(replace(result(number), pending=pending)))
    done(writer, PutResult(replace(result(5, lane="side"), pending=both)))
    done(writer, PutAddition(evidence(2)))
    done(writer, PutAddition(evidence(4)))
    assert reader.unfinished("top") == [(2, ("actuation",)), (3, ("evidence",))]
    done(writer, PutTombstone(tombstone(2), unfinished_key(2)))
    assert reader.unfinished("top") == [(3, ("evidence",))]
    assert reader.unfinished("nobody") == []


def test_the_station_remembers_its_configs_pins_models_and_sources(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        assert reader.ready_configs() == {}
        assert reader.pins() == {}
        assert reader.source_identity("top") is None
        for op in (
            RecordReady("aa"), RecordReady("bb"), RecordReady("aa"),
            Pin("top", "defect", "defect/1.0.0", "/m/defect-1", "c" * 64),
            Pin("top", "defect", "defect/1.1.0", "/m/defect-2"),
            RecordModel("top", "defect/1.0.0", "c" * 64, "/m/defect-1"),
            RecordModel("top", "defect/1.0.0", "c" * 64, "/m/defect-1"),
            RecordModel("side", "other/1.0.0", "e" * 64),
            RecordModel("top", "defect/1.1.0", "d" * 64, "/m/defect-2"),
            NoteSource("top", "48211:17"), NoteSource("top", "48211:18"),
        ):  # fmt: skip
            done(writer, op)
    with ledger(tmp_path), LedgerReader(tmp_path) as reader:
        assert set(reader.ready_configs()) == {"aa", "bb"}
        pin = reader.pins()["top", "defect"]
        assert (pin.model, pin.folder, pin.sha256) == ("defect/1.1.0", "/m/defect-2", None)
        history = reader.model_history("top")
        assert [used.model for used in history] == ["defect/1.1.0", "defect/1.0.0"]
        assert history[1].folder == "/m/defect-1"
        assert reader.source_identity("top") == "48211:18"


def test_how_long_the_disk_lasts_is_known_after_an_hour_and_is_less_the_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 100 << 20)
    clock = FakeClock()
    settings = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0)
    found = []
    with ledger(tmp_path, settings, clock) as writer, LedgerReader(tmp_path) as reader:
        for hour, count in enumerate((1, 10, 1000)):
            for number in range(count):
                writer.submit(PutResult(result(number)))
            clock.advance(3 * 3600)
            done(writer, Maintain())
            done(writer, Maintain())
            found.append(reader.days_left())
            days = reader.disk_days(min_free_mib=64, media_budget_mib=100)
            assert (days is None) == (hour == 0)
    assert found[0] is None
    assert found[1] is not None
    assert found[2] is not None
    assert found[2] < found[1] <= MOST_DAYS


def test_a_ledger_that_does_not_grow_lasts(tmp_path: Path) -> None:
    clock = FakeClock()
    with ledger(tmp_path, SMALL, clock) as writer, LedgerReader(tmp_path) as reader:
        for _ in range(3):
            clock.advance(7200)
            done(writer, Maintain())
        assert reader.days_left() == MOST_DAYS
