"""Entries from rows: their epoch, their media and the texts they share, looked up beside them."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from edge_runtime.ledger import database
from edge_runtime.ledger.media import is_media
from edge_runtime.ledger.rows import COLUMNS, Entry
from edge_runtime.ledger.unreadable import escaped, read_entry
from edge_runtime.types import Media

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNKNOWN = "unknown"
_BODY = -1
_ONE_ROW = (0, sqlite3.SQLITE_TOOBIG)
"""The first: Python's own word for bytes that are no text."""
ENTRY = f"SELECT seq, {COLUMNS} FROM entries"  # noqa: S608 - constants
_ANY_BYTES = (1 << 31) - 1
_ONE = f"{ENTRY} WHERE seq = ?"


class EntryReader:
    """Remembers the shared texts, which never change.  One thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sources: dict[int, str] = {}
        self._models: dict[int, tuple[str, str]] = {}
        self._boots: dict[int, str] = {}

    def fetch(self, sql: str, values: Sequence[object]) -> list[tuple[Entry, int]]:
        """(entry, bytes of its body) of each row; `sql` selects ``seq`` and `rows.COLUMNS`.

        A row that cannot be read is handed over as such (`unreadable`).
        """
        rows = self._rows(sql, values)
        media = self._media([row[0] for row in rows])
        epochs = self._connection.execute(
            "SELECT first_seq, epoch FROM epochs ORDER BY first_seq DESC"
        ).fetchall()
        return [
            (
                read_entry(row[0], _epoch(epochs, row[0]), row[1:], media.get(row[0], ()), self),
                len(row[_BODY]) if isinstance(row[_BODY], str | bytes) else 0,
            )
            for row in rows
        ]

    def source_of(self, number: int | None) -> str:
        """Name of a source; empty for None."""
        if number is None:
            return ""
        if number not in self._sources:
            self._sources.update(self._connection.execute("SELECT id, name FROM sources"))
        return self._sources.get(number, _UNKNOWN)

    def model_of(self, number: int | None) -> tuple[str | None, str | None]:
        """(name, sha256) of a model."""
        if number is None:
            return None, None
        if number not in self._models:
            rows = self._connection.execute("SELECT id, name, sha256 FROM models")
            self._models.update({row[0]: (row[1], row[2]) for row in rows})
        name, sha256 = self._models.get(number, (_UNKNOWN, ""))
        return name or None, sha256 or None

    def boot_of(self, number: int) -> str:
        """Id of a boot."""
        if number not in self._boots:
            self._boots.update(self._connection.execute("SELECT id, name FROM boots"))
        return self._boots.get(number, _UNKNOWN)

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """All at once; where one of them is no text or too large, again, and with more care."""
        connection = self._connection
        lenient = connection.text_factory
        try:
            connection.text_factory = str  # three times as quick as one of ours
            return connection.execute(sql, values).fetchall()
        except (sqlite3.OperationalError, sqlite3.DataError) as exc:
            if database.code_of(exc) not in _ONE_ROW:
                raise
            connection.text_factory = escaped
            return self._with_care(sql, values)
        finally:
            connection.text_factory = lenient

    def _with_care(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """A column beyond `MAX_COLUMN_BYTES` is not read; its row comes with None in all."""
        connection = self._connection
        with contextlib.suppress(sqlite3.DataError):
            return connection.execute(sql, values).fetchall()
        most = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _ANY_BYTES)
        try:
            numbers = connection.execute(_light(sql), values).fetchall()
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
        found: list[tuple[Any, ...]] = []
        for (seq,) in numbers:
            try:
                found += connection.execute(_ONE, (seq,)).fetchall()
            except sqlite3.DataError:
                found.append((seq, *[None] * (COLUMNS.count(",") + 1)))
        return found

    def _media(self, seqs: list[int]) -> dict[int, list[Media]]:
        found: dict[int, list[Media]] = {}
        if seqs:
            wanted: set[Any] = set(seqs)
            for seq, sha256, kind, mime, size in self._connection.execute(
                "SELECT l.seq, m.sha256, m.kind, m.mime, m.size_bytes FROM entry_media l "
                "JOIN media m ON m.id = l.media WHERE l.seq BETWEEN ? AND ? "
                "ORDER BY l.seq, l.position",
                (min(seqs), max(seqs)),
            ):
                if seq in wanted and is_media(sha256, kind, mime, size):
                    media = Media(sha256=sha256, kind=kind, mime=mime, size_bytes=size)
                    found.setdefault(seq, []).append(media)
        return found


def _light(sql: str) -> str:
    """The same rows, by their numbers only: no large column is loaded to sort or filter them."""
    return sql.replace(ENTRY, "SELECT seq FROM entries", 1)


def _epoch(epochs: list[tuple[int, str]], seq: int) -> str:
    return next((epoch for first, epoch in epochs if first <= seq), "")
