"""What only the embedded store can get wrong: its file, its folder, its disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.collector.app import make_app
from edge_runtime.collector.ingest import Batch, read_batch
from edge_runtime.collector.media_folder import MediaFolder
from edge_runtime.collector.sqlite.schema import MIGRATIONS
from edge_runtime.collector.sqlite.store import SqliteStore
from edge_runtime.collector.store import Query
from edge_runtime.errors import LedgerError, LedgerFull, LedgerLocked
from edge_runtime.types import Addition, AdditionKind, Event
from edge_runtime.wire.conversation import Greeting, Limits
from edge_runtime.wire.events import encode_event
from tests.support.sync_rows import result, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)
    yield made
    made.close()


def batch(first: int, last: int) -> Batch:
    return read_batch(body_of(first, last), Limits())


def body_of(first: int, last: int) -> bytes:
    return (
        b"["
        + b",".join(
            encode_event(device="box", epoch="e", seq=n, body=result(n))
            for n in range(first, last + 1)
        )
        + b"]"
    )


def put_many(store: SqliteStore) -> None:
    for first in range(101, 10_000, 200):
        store.put_events(batch(first, first + 199))


def limit_pages(store: SqliteStore, pages: int) -> None:
    store._thread.submit(
        lambda: store._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    ).result()


def test_a_full_disk_refuses_the_whole_batch_and_keeps_what_was_there(store: SqliteStore) -> None:
    store.put_events(batch(1, 100))
    limit_pages(store, 1)  # SQLite takes the size it has now
    with pytest.raises(LedgerFull):
        put_many(store)
    here = [row.seq for row in store.results(Query(limit=1000))]
    assert here == list(range(1, len(here) + 1))
    assert store.greet(Greeting(device="box", epoch="e")).ranges == ((1, len(here)),)
    limit_pages(store, 1_000_000)
    assert store.put_events(batch(len(here) + 1, len(here) + 50)).acked


def test_a_full_disk_is_a_507_for_the_device_and_a_broken_one_a_500(store: SqliteStore) -> None:
    app = make_app(store, token=None, clock=SYSTEM_CLOCK)
    limit_pages(store, 1)
    statuses = [post(app, body_of(n, n + 199)) for n in range(1, 4000, 200)]
    assert statuses[-1] == 507
    limit_pages(store, 1_000_000)
    store._thread.submit(store._connection.execute, "DROP TABLE refusals").result()
    store._thread.submit(store._connection.execute, "DROP TABLE events").result()
    assert post(app, body_of(1, 2)) == 500


def post(app: Any, body: bytes) -> int:
    """One request, straight into the ASGI application."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/cloudevents-batch+json"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    assert json.loads(sent[1]["body"])
    return int(sent[0]["status"])


def test_a_batch_is_on_the_disk_or_not_at_all(store: SqliteStore) -> None:
    """A failure in the middle of a transaction leaves no half of it."""
    store._thread.submit(
        store._connection.execute,
        "CREATE TRIGGER breaks BEFORE INSERT ON events WHEN NEW.seq = 7 "
        "BEGIN SELECT RAISE(ABORT, 'on purpose'); END",
    ).result()
    with pytest.raises(LedgerError, match="on purpose"):
        store.put_events(batch(1, 10))
    assert store.results(Query()) == []
    assert store.greet(Greeting(device="box", epoch="e")).ranges == ()
    assert store.put_events(batch(1, 6)).acked == ((1, 6),)


def test_writes_are_synced_before_they_are_answered(store: SqliteStore) -> None:
    def pragma(name: str) -> Any:
        future = store._thread.submit(store._connection.execute, f"PRAGMA {name}")
        return future.result().fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2


def test_readers_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(LedgerError, match="readonly"), store._reader() as reader:
        reader._connection.execute("DELETE FROM events")


def test_what_an_interrupted_upload_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    upload = MediaFolder(tmp_path / "media")
    upload.open()
    writer = upload.begin(sha256)
    writer.write(b"half of i")
    (part,) = tmp_path.glob("media/*/*.part")
    killed = part.with_name(part.name.replace(".part", "x.part"))
    part.rename(killed)  # what a kill -9 leaves: a file that nobody will remove
    writer.abort()
    assert list(tmp_path.glob("media/*/*")) == [killed]
    SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK).close()
    assert not list(tmp_path.glob("media/*/*"))


def test_media_whose_file_is_gone_count_as_not_there_and_can_be_sent_again(
    store: SqliteStore,
) -> None:
    sha256 = hashlib.sha256(b"picture").hexdigest()
    for _ in range(2):
        upload = store.begin_media(sha256, "image/jpeg")
        upload.write(b"picture")
        upload.commit()
        found = store.media(sha256)
        assert found is not None
        found.path.unlink()
        assert store.media(sha256) is None


def test_a_folder_has_one_collector_at_a_time(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(LedgerLocked):
        SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)


def test_everything_is_there_after_the_store_is_opened_again(tmp_path: Path) -> None:
    first = SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)
    receipt = first.put_events(batch(1, 50))
    first.close()
    second = SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)
    welcome = second.greet(Greeting(device="box", epoch="e", max_seq=50))
    assert welcome.ranges == ((1, 50),)
    assert welcome.instance != receipt.instance
    (report,) = second.completeness("box")
    assert report.complete
    second.close()


def test_completeness_believes_the_rows_and_not_the_summary(tmp_path: Path) -> None:
    """A row that was deleted behind the collector's back is missed."""
    first = SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)
    first.put_events(batch(1, 50))
    first.close()
    connection = sqlite3.connect(tmp_path / "collector.db")
    with connection:
        connection.execute("DELETE FROM events WHERE seq IN (7, 20, 21)")
    connection.close()
    second = SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)
    (report,) = second.completeness("box")
    assert report.missing == ((7, 7), (20, 21))
    second.close()


def test_what_a_collector_kept_before_it_knew_the_type_is_read_once_it_does(
    tmp_path: Path,
) -> None:
    """As a collector of schema 1 leaves it: the type as the kind, and nothing taken out of it."""
    later = Addition(lane="top", about=1, kind=AdditionKind.EVIDENCE, at=stamp(5))
    event = Event(code="EDGE-L108", at=stamp(6), text="no such model")
    raw = sqlite3.connect(tmp_path / "collector.db")
    for statement in MIGRATIONS[0]:
        raw.execute(statement)
    raw.execute("INSERT INTO streams VALUES (1, 'box', 'e', 1, 0, '[]', '[[1,3]]')")
    for seq, body in ((1, result(1)), (2, later), (3, event)):
        encoded = encode_event(device="box", epoch="e", seq=seq, body=body)
        kind = "result" if seq == 1 else json.loads(encoded)["type"]
        raw.execute(
            "INSERT INTO events (position, stream, seq, kind, received_wall_ns, content_sha256, "
            "event) VALUES (?, 1, ?, ?, 1, x'00', ?)",
            (seq, seq, kind, encoded.decode()),
        )
    raw.execute("PRAGMA user_version = 1")
    raw.commit()
    raw.close()
    store = SqliteStore.open(tmp_path, clock=SYSTEM_CLOCK)
    try:
        assert [row.seq for row in store.additions("box", "e", 1)] == [2]
        assert [r.kind for r in store.results(Query(kind=None))] == ["result", "evidence", "event"]
        assert [row.seq for row in store.results(Query(kind="evidence", lane="top"))] == [2]
    finally:
        store.close()
