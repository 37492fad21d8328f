"""What every store of the collector promises.  A PostgreSQL one will have to pass this as well."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.collector.ingest import Batch, read_batch
from edge_runtime.collector.sqlite.store import SqliteStore
from edge_runtime.collector.store import Query, Store
from edge_runtime.errors import ItemError
from edge_runtime.types import Addition, AdditionKind, EntryBody, Event, Media
from edge_runtime.wire.conversation import EPOCH_CONFLICT, Greeting, Limits, Reject
from edge_runtime.wire.events import decode_event, encode_event
from tests.support.memory_store import MemoryStore
from tests.support.sync_rows import result, stamp, tombstone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def memory(folder: Path) -> Store:
    return MemoryStore(folder)


def sqlite(folder: Path) -> Store:
    return SqliteStore.open(folder, clock=SYSTEM_CLOCK)


@pytest.fixture(params=[memory, sqlite])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: Callable[[Path], Store] = request.param
    made = make(tmp_path)
    yield made
    made.close()


def batch(
    rows: dict[int, EntryBody],
    *,
    device: str = "box",
    epoch: str = "e",
    rejected: tuple[Reject, ...] = (),
) -> Batch:
    raw = [
        encode_event(device=device, epoch=epoch, seq=seq, body=body) for seq, body in rows.items()
    ]
    made = read_batch(b"[" + b",".join(raw) + b"]", Limits())
    return replace(made, rejected=rejected)


def rows(first: int, last: int) -> dict[int, EntryBody]:
    return {n: tombstone(n) if n % 4 == 0 else result(n) for n in range(first, last + 1)}


def greeting(max_seq: int = 0, *, epoch: str = "e", first_seq: int = 1) -> Greeting:
    return Greeting(
        device="box", epoch=epoch, max_seq=max_seq, first_seq=first_seq, software="s", unsent=7
    )


def put_media(store: Store, data: bytes, *, named: str | None = None) -> tuple[str, bool]:
    sha256 = named or hashlib.sha256(data).hexdigest()
    upload = store.begin_media(sha256, "image/jpeg")
    try:
        upload.write(data[: len(data) // 2])
        upload.write(bytearray(data[len(data) // 2 :]))
        return sha256, upload.commit()
    finally:
        upload.abort()


def test_everything_new_is_acknowledged_and_can_be_read_back(store: Store) -> None:
    receipt = store.put_events(batch(rows(1, 9)))
    assert receipt.acked == ((1, 9),)
    assert receipt.rejected == ()
    found = store.results(Query(kind=None))
    assert [(row.seq, row.kind) for row in found] == [
        (n, "tombstone" if n % 4 == 0 else "result") for n in range(1, 10)
    ]
    assert decode_event(found[2].event).body == result(3)


def test_the_same_again_is_acknowledged_again_and_stored_once(store: Store) -> None:
    store.put_events(batch(rows(1, 9)))
    receipt = store.put_events(batch(rows(5, 12)))
    assert receipt.acked == ((5, 12),)
    assert [row.seq for row in store.results(Query(kind=None))] == list(range(1, 13))


def test_the_same_seq_twice_in_one_batch_is_stored_once(store: Store) -> None:
    one = batch({1: result(1)})
    twice = replace(one, events=(one.events[0], replace(one.events[0], index=1)))
    assert store.put_events(twice).acked == ((1, 1),)
    assert len(store.results(Query())) == 1


def test_other_content_under_a_known_key_is_a_conflict_and_the_old_stays(store: Store) -> None:
    store.put_events(batch({1: result(1)}))
    receipt = store.put_events(batch({1: result(99)}))
    assert receipt.acked == ()
    assert [(r.index, r.seq, r.code) for r in receipt.rejected] == [(0, 1, EPOCH_CONFLICT)]
    (row,) = store.results(Query())
    assert decode_event(row.event).body == result(1)


def test_nothing_behind_a_conflict_is_taken(store: Store) -> None:
    """The ledger forked there; what follows comes again under another epoch."""
    store.put_events(batch(rows(1, 5)))
    forked = {4: result(4), **{n: result(100 + n) for n in range(5, 9)}}
    receipt = store.put_events(batch({3: result(3), **forked}))
    assert receipt.acked == ((3, 3),)
    assert [r.seq for r in receipt.rejected] == [4, 5, 6, 7, 8]
    assert len(store.results(Query(kind=None))) == 5


def test_keys_of_other_devices_and_epochs_are_other_keys(store: Store) -> None:
    for device, epoch in (("a", "e"), ("b", "e"), ("a", "f")):
        receipt = store.put_events(batch({1: result(1)}, device=device, epoch=epoch))
        assert receipt.acked == ((1, 1),)
    assert len(store.results(Query())) == 3
    assert store.result("a", "f", 1) is not None
    assert store.result("b", "f", 1) is None
    assert store.result("a", "f", 2) is None


def test_rejects_of_the_reading_go_back_with_the_receipt(store: Store) -> None:
    reject = Reject(index=1, seq=2, code="invalid_data", detail="no lane")
    receipt = store.put_events(batch({1: result(1), 3: result(3)}, rejected=(reject,)))
    assert receipt.acked == ((1, 1), (3, 3))
    assert receipt.rejected == (reject,)


def test_a_batch_of_nothing_is_answered_with_nothing(store: Store) -> None:
    receipt = store.put_events(Batch("", "", (), ()))
    assert (receipt.acked, receipt.rejected) == ((), ())


def test_a_hello_tells_what_is_here_of_that_epoch(store: Store) -> None:
    assert store.greet(greeting()).ranges == ()
    store.put_events(batch(rows(1, 5)))
    store.put_events(batch(rows(8, 9)))
    store.put_events(batch(rows(1, 3), epoch="other"))
    welcome = store.greet(greeting(9))
    assert welcome.ranges == ((1, 5), (8, 9))
    assert welcome.max_seq == 9
    assert not welcome.more


def test_hello_and_receipts_carry_the_same_instance(store: Store) -> None:
    welcome = store.greet(greeting())
    assert welcome.instance
    assert store.put_events(batch(rows(1, 2))).instance == welcome.instance


def test_a_list_of_ranges_that_is_too_long_is_cut_and_says_so(store: Store) -> None:
    for first in range(1, 2402, 800):
        store.put_events(batch({n: result(n) for n in range(first, first + 800, 2)}))
    welcome = store.greet(greeting())
    assert len(welcome.ranges) == 1000
    assert welcome.more
    assert welcome.max_seq == 3199


def test_media_are_named_as_wanted_until_they_are_here(store: Store) -> None:
    data = b"picture" * 1000
    sha256 = hashlib.sha256(data).hexdigest()
    media = Media(sha256=sha256, kind="frame", mime="image/jpeg", size_bytes=len(data))
    before = store.put_events(batch({1: result(1, media=(media,))}))
    assert (before.media_stored, before.media_wanted) == ((), (sha256,))
    put_media(store, data)
    after = store.put_events(batch({1: result(1, media=(media,))}))
    assert (after.media_stored, after.media_wanted) == ((sha256,), ())


def test_media_come_back_byte_by_byte(store: Store) -> None:
    data = bytes(range(256)) * 999
    assert store.media(hashlib.sha256(data).hexdigest()) is None
    sha256, is_new = put_media(store, data)
    assert is_new
    found = store.media(sha256)
    assert found is not None
    assert found.path.read_bytes() == data
    assert (found.mime, found.size_bytes) == ("image/jpeg", len(data))


def test_media_sent_twice_are_kept_once(store: Store) -> None:
    assert put_media(store, b"x" * 99)[1]
    sha256, is_new = put_media(store, b"x" * 99)
    assert not is_new
    assert store.media(sha256) is not None


def test_media_that_are_not_what_their_name_says_are_refused_and_not_kept(store: Store) -> None:
    name = hashlib.sha256(b"what was promised").hexdigest()
    with pytest.raises(ItemError, match="sha256"):
        put_media(store, b"something else", named=name)
    assert store.media(name) is None


def test_an_upload_that_is_given_up_leaves_nothing(store: Store) -> None:
    sha256 = hashlib.sha256(b"abc").hexdigest()
    upload = store.begin_media(sha256, "image/jpeg")
    upload.write(b"ab")
    upload.abort()
    upload.abort()
    assert store.media(sha256) is None


@pytest.mark.parametrize(
    ("query", "seqs"),
    [
        (Query(), [1, 2, 3, 5, 6, 7, 9]),
        (Query(kind="tombstone"), [4, 8]),
        (Query(kind=None, limit=3), [1, 2, 3]),
        (Query(verdict="reject"), [3, 6, 9]),
        (Query(label="scratch", limit=2), [1, 2]),
        (Query(label="other"), []),
        (Query(lane="top", verdict="pass"), [1, 2, 5, 7]),
        (Query(lane="bottom"), []),
        (Query(device="box", verdict="reject", limit=1), [3]),
        (Query(device="nobody"), []),
    ],
)
def test_results_are_found_by_what_is_asked_for(
    store: Store, query: Query, seqs: list[int]
) -> None:
    store.put_events(batch(rows(1, 9)))
    assert [row.seq for row in store.results(query)] == seqs


def test_results_can_be_read_page_by_page_in_order_of_arrival(store: Store) -> None:
    store.put_events(batch(rows(5, 9)))
    store.put_events(batch(rows(1, 4)))
    seen: list[int] = []
    after = 0
    while page := store.results(Query(kind=None, after=after, limit=2)):
        seen += [row.seq for row in page]
        after = page[-1].position
    assert seen == [5, 6, 7, 8, 9, 1, 2, 3, 4]


def evidence(about: int, *media: Media) -> Addition:
    return Addition(
        lane="top", about=about, kind=AdditionKind.EVIDENCE, at=stamp(about), media=media
    )


def test_what_came_later_about_a_part_is_found_by_the_part(store: Store) -> None:
    event = Event(code="EDGE-L108", at=stamp(3), text="no such model", lane="top")
    more: dict[int, EntryBody] = {
        2: evidence(1),
        3: event,
        4: result(4),
        5: replace(evidence(1), at=stamp(9)),
    }
    assert store.put_events(batch({1: result(1), **more})).acked == ((1, 5),)
    assert [row.seq for row in store.additions("box", "e", 1)] == [2, 5]
    assert [row.kind for row in store.results(Query(kind=None))] == [
        "result", "evidence", "event", "result", "evidence",
    ]  # fmt: skip
    assert store.additions("box", "e", 4) == []
    assert store.additions("other", "e", 1) == []
    assert [row.seq for row in store.results(Query(kind="event", lane="top"))] == [3]
    (first, _) = store.additions("box", "e", 1)
    assert decode_event(first.event).body == evidence(1)
    (report,) = store.completeness("box")
    assert (report.results, report.others, report.complete) == (2, 3, True)


def test_what_came_later_in_a_later_epoch_is_found_too_and_a_fork_is_not(store: Store) -> None:
    store.put_events(batch({1: result(1), 2: result(2)}))
    store.greet(greeting(3, epoch="later", first_seq=3))
    store.put_events(batch({3: evidence(1)}, epoch="later"))
    store.greet(greeting(2, epoch="fork", first_seq=1))
    store.put_events(batch({1: result(7), 2: evidence(1)}, epoch="fork"))
    found = [(row.epoch, row.seq) for row in store.additions("box", "e", 1)]
    assert found == [("later", 3)]
    assert [row.seq for row in store.additions("box", "fork", 1)][:1] == [2]


def test_media_that_come_later_are_wanted_as_those_of_a_result_are(store: Store) -> None:
    data = b"late picture"
    sha256 = hashlib.sha256(data).hexdigest()
    media = Media(sha256=sha256, kind="frame", mime="image/jpeg", size_bytes=len(data))
    assert store.put_events(batch({2: evidence(1, media)})).media_wanted == (sha256,)
    put_media(store, data)
    assert store.put_events(batch({2: evidence(1, media)})).media_stored == (sha256,)


def test_devices_are_listed_with_what_their_last_hello_said(store: Store) -> None:
    assert list(store.devices()) == []
    store.greet(greeting(5))
    store.put_events(batch(rows(1, 5)))
    (report,) = store.devices()
    assert (report.device, report.epoch, report.unsent, report.events) == ("box", "e", 7, 5)
    assert report.software == "s"


def test_an_epoch_is_complete_when_every_seq_is_here(store: Store) -> None:
    store.greet(greeting(9))
    store.put_events(batch(rows(1, 9)))
    (report,) = store.completeness("box")
    assert report.complete
    assert (report.results, report.tombstones, report.max_seq) == (7, 2, 9)


def test_a_seq_that_the_device_told_of_and_that_is_not_here_is_missing(store: Store) -> None:
    store.greet(greeting(12))
    store.put_events(batch(rows(1, 4)))
    store.put_events(batch(rows(7, 9)))
    (report,) = store.completeness("box")
    assert not report.complete
    assert report.missing == ((5, 6), (10, 12))


def test_a_seq_that_was_refused_or_is_in_quarantine_is_explained(store: Store) -> None:
    refused = Reject(index=0, seq=5, code="invalid_data")
    store.put_events(batch({n: result(n) for n in (1, 2, 3, 4, 6, 9)}, rejected=(refused,)))
    store.greet(replace_greeting(greeting(10), quarantined=((7, 8),)))
    (report,) = store.completeness("box")
    assert report.explained == ((5, 5), (7, 8))
    assert report.missing == ((10, 10),)
    store.put_events(batch({5: result(5), 10: result(10)}))
    (report,) = store.completeness("box")
    assert report.explained == ((7, 8),)
    assert report.complete


def test_an_epoch_begins_where_the_device_says(store: Store) -> None:
    store.greet(greeting(20, epoch="later", first_seq=11))
    store.put_events(batch(rows(11, 20), epoch="later"))
    (report,) = store.completeness("box")
    assert report.complete
    assert report.first_seq == 11


def test_nothing_is_known_of_an_unknown_device(store: Store) -> None:
    assert list(store.completeness("nobody")) == []


def test_many_threads_can_use_a_store_at_once(store: Store) -> None:
    problems: list[BaseException] = []

    def send(device: str) -> None:
        try:
            for first in range(1, 41, 8):
                store.greet(replace_greeting(greeting(40), device=device))
                store.put_events(batch(rows(first, first + 7), device=device))
                store.results(Query(device=device))
        except BaseException as exc:  # noqa: BLE001 - carried to the main thread
            problems.append(exc)

    threads = [threading.Thread(target=send, args=(f"box{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert len(store.results(Query(kind=None, limit=1000))) == 240
    assert all(report.complete for n in range(6) for report in store.completeness(f"box{n}"))


def test_a_store_can_be_closed_twice(store: Store) -> None:
    store.close()
    store.close()


def replace_greeting(given: Greeting, **changes: object) -> Greeting:
    import msgspec

    return msgspec.structs.replace(given, **changes)


def test_events_are_kept_exactly_as_they_came(store: Store) -> None:
    raw = json.dumps(
        json.loads(encode_event(device="box", epoch="e", seq=1, body=result(1))), indent=2
    ).encode()
    store.put_events(read_batch(b"[" + raw + b"]", Limits()))
    row = store.result("box", "e", 1)
    assert row is not None
    assert row.event == raw
