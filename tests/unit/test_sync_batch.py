from __future__ import annotations

import gzip
import json
from dataclasses import replace

from edge_runtime.ledger.queries import Entry
from edge_runtime.sync.batch import make_batch
from edge_runtime.types import Media
from edge_runtime.wire.conversation import Limits
from tests.support.sync_rows import result, tombstone


def entries(count: int, *, epoch: str = "e", first: int = 1) -> list[Entry]:
    return [Entry(first + n, epoch, result(first + n)) for n in range(count)]


def test_a_batch_is_a_gzipped_json_array_in_order() -> None:
    batch = make_batch(entries(20), device="box", limits=Limits())
    events = json.loads(gzip.decompress(batch.body))
    assert [event["id"] for event in events] == [f"e/{n}" for n in range(1, 21)]
    assert batch.seqs == tuple(range(1, 21))
    assert batch.plain_bytes >= len(gzip.decompress(batch.body))


def test_the_same_rows_are_the_same_bytes_every_time() -> None:
    first = make_batch(entries(5), device="box", limits=Limits())
    assert first == make_batch(entries(5), device="box", limits=Limits())


def test_a_batch_is_of_one_epoch() -> None:
    rows = [*entries(3, epoch="old"), *entries(3, epoch="new", first=4)]
    batch = make_batch(rows, device="box", limits=Limits())
    assert (batch.epoch, batch.seqs) == ("old", (1, 2, 3))


def test_a_batch_keeps_within_the_number_of_events() -> None:
    assert make_batch(entries(9), device="b", limits=Limits(max_events=4)).seqs == (1, 2, 3, 4)


def test_a_batch_keeps_within_the_unpacked_size() -> None:
    limits = Limits(max_plain_bytes=5000)
    batch = make_batch(entries(50), device="b", limits=limits)
    assert 1 < len(batch.seqs) < 50
    assert len(gzip.decompress(batch.body)) <= 5000


def test_a_batch_keeps_within_the_compressed_size() -> None:
    batch = make_batch(entries(400), device="b", limits=Limits(max_bytes=4000))
    assert 1 < len(batch.seqs) < 400
    assert len(batch.body) <= 4000


def test_an_event_that_is_too_large_is_refused_and_the_others_go() -> None:
    rows = entries(3)
    rows[1] = Entry(2, "e", replace(result(2), text="x" * 100_000))
    batch = make_batch(rows, device="b", limits=Limits())
    assert batch.seqs == (1, 3)
    ((seq, code, detail),) = batch.refused
    assert (seq, code) == (2, "too_large")
    assert "65536" in detail


def test_an_event_that_cannot_be_written_is_refused_and_the_others_go() -> None:
    rows = entries(3)
    rows[0] = Entry(1, "e", replace(result(1), item="\udc80"))
    batch = make_batch(rows, device="b", limits=Limits())
    assert batch.seqs == (2, 3)
    assert batch.refused[0][:2] == (1, "unencodable")


def test_when_every_event_is_refused_there_is_nothing_to_send() -> None:
    rows = [Entry(1, "e", replace(result(1), text="x" * 100_000))]
    batch = make_batch(rows, device="b", limits=Limits())
    assert (batch.seqs, batch.body) == ((), b"")


def test_a_batch_knows_the_media_that_its_events_refer_to() -> None:
    frame = Media(sha256="cd" * 32, kind="frame", mime="image/jpeg", size_bytes=1)
    rows = [Entry(1, "e", result(1, media=(frame,))), Entry(2, "e", tombstone(2))]
    assert make_batch(rows, device="b", limits=Limits()).media == {"cd" * 32}
