"""Entries from rows: their epoch, their media and the texts they share, looked up beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.ledger.rows import Entry, entry_of
from edge_runtime.types import Media

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_UNKNOWN = "unknown"
_BODY = -1


class EntryReader:
    """Remembers the shared texts, which never change.  One thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sources: dict[int, str] = {}
        self._models: dict[int, tuple[str, str]] = {}
        self._boots: dict[int, str] = {}

    def fetch(self, sql: str, values: Sequence[object]) -> list[tuple[Entry, int]]:
        """(entry, bytes of its body) of each row; `sql` selects ``seq`` and `rows.COLUMNS`."""
        rows = self._connection.execute(sql, values).fetchall()
        media = self._media([row[0] for row in rows])
        epochs = self._connection.execute(
            "SELECT first_seq, epoch FROM epochs ORDER BY first_seq DESC"
        ).fetchall()
        return [
            (
                entry_of(row[0], _epoch(epochs, row[0]), row[1:], media.get(row[0], ()), self),
                len(row[_BODY]),
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
                if seq in wanted:
                    media = Media(sha256=sha256, kind=kind, mime=mime, size_bytes=size)
                    found.setdefault(seq, []).append(media)
        return found


def _epoch(epochs: list[tuple[int, str]], seq: int) -> str:
    return next((epoch for first, epoch in epochs if first <= seq), "")
