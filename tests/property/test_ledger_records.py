"""Our reading of SQLite's pages against SQLite's own, and against any bytes at all."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.ledger import records
from edge_runtime.ledger.records import PAGE_BYTES

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = st.one_of(
    st.none(),
    INTEGERS,
    st.integers(-1, 2),
    st.floats(allow_nan=False),
    st.text(max_size=40).filter(lambda text: "\0" not in text),
    st.binary(max_size=40),
    st.integers(0, 30_000).map(lambda size: "x" * size),
)
ROWS = st.dictionaries(
    st.integers(-(1 << 62), 1 << 62), st.tuples(VALUES, VALUES), min_size=1, max_size=30
)


def pages_of(connection: sqlite3.Connection) -> dict[int, bytes]:
    raw = connection.serialize()
    return {
        1 + at // PAGE_BYTES: raw[at : at + PAGE_BYTES] for at in range(0, len(raw), PAGE_BYTES)
    }


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_every_row_of_a_table_is_read_as_sqlite_reads_it(rows: dict[int, tuple[Any, Any]]) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(k, *v) for k, v in rows.items()])
        connection.commit()
        pages = pages_of(connection)
    found = {
        rowid: records.record_of(payload())
        for number, page in pages.items()
        if number > 1
        for rowid, payload in records.rows_of(page, number, pages.get)
    }
    # SQLite stores a whole number of a REAL as an integer, and gives it back as what it was put in.
    assert found == {rowid: (None, *values) for rowid, values in rows.items()}


@given(st.sets(st.text(max_size=2000).filter(lambda text: "\0" not in text), max_size=30))
@settings(max_examples=100, deadline=None)
def test_every_row_of_a_table_without_rowids_is_read_too(names: set[str]) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (name TEXT PRIMARY KEY, n) WITHOUT ROWID")
        connection.executemany("INSERT INTO t VALUES (?, 7)", [(name,) for name in names])
        connection.commit()
        pages = pages_of(connection)
    found = [
        records.record_of(payload())
        for number, page in pages.items()
        if number > 1
        for payload in records.entries_of(page, number, pages.get)
    ]
    assert sorted(map(str, found)) == sorted(str((name, 7)) for name in names)


@given(st.integers(1, 3), st.sampled_from([2, 5, 10, 13]), st.binary(max_size=400), st.data())
@settings(max_examples=300, deadline=None)
def test_no_bytes_at_all_make_it_fail(
    number: int, kind: int, noise: bytes, data: st.DataObject
) -> None:
    page = bytearray((noise or b"\0") * (PAGE_BYTES // max(1, len(noise)) + 1))[:PAGE_BYTES]
    head = records.FILE_HEADER_BYTES if number == 1 else 0
    page[head] = kind
    page[head + 3 : head + 5] = struct.pack(">H", data.draw(st.integers(0, 400)))
    whole = bytes(page)
    for _, payload in records.rows_of(whole, number, lambda _: whole):
        records.record_of(payload())
    for payload in records.entries_of(whole, number, lambda _: whole):
        records.record_of(payload())
    records.children_of(whole, number)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_more_than_a_record_or_none(payload: bytes) -> None:
    found = records.record_of(payload)
    assert found is None or isinstance(found, tuple)
