"""What a database file that SQLite refuses still holds, page by page.

Which table a page belongs to is found in this order: by the pages that lead to it from the table's
root; by the map that an auto-vacuum file keeps of its pages' parents; by the shape of its rows.
The roots are those of a new ledger of the same schema, unless the file still says its own.
Read-only; blocks for the disk; keeps in memory only what of the log is newer than the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from edge_runtime.ledger import records
from edge_runtime.ledger.records import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from edge_runtime.ledger.records import Record

ENTRIES: Final = "entries"
_MAPPED: Final = PAGE_BYTES // 5
"""Pages that one page of the map tells of."""
_LOCK_PAGE: Final = (1 << 30) // PAGE_BYTES + 1
"""SQLite never uses it."""
_ROOT, _FREE, _INNER = 1, 2, 5
_MOST_PARENTS: Final = 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BOOT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")


class Salvage:
    """One damaged file.  One thread; `close` it."""

    def __init__(self, path: Path, newer: Mapping[int, bytes], roots: Mapping[int, str]) -> None:
        """`newer`: pages of the log that go before those of the file.  Raises OSError."""
        self._file: BinaryIO | None = path.open("rb") if path.exists() else None
        size = path.stat().st_size if self._file else 0
        self._newer = newer
        self._last = max(-(-size // PAGE_BYTES), max(newer, default=0))
        self._tables = dict(roots)
        """Page -> table: the roots, and what is known to hang below them."""
        for root, table in roots.items():
            self._hang_below(root, table)

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            self._file.close()

    def rows(self, table: str, *, has_rowid: bool) -> Iterator[Record]:
        """Of a table, each as its columns; a rowid stands where the row leaves it out."""
        for number in range(1, self._last + 1):
            page = self.page(number)
            if page is None or self._is_free(number):
                continue
            if has_rowid and records.kind_of(page, number) == records.TABLE_LEAF:
                yield from self._with_rowid(page, number, table)
            elif not has_rowid and self._table_of(number) == table:
                for payload in records.entries_of(page, number, self.page):
                    if record := records.record_of(payload()):
                        yield record

    def entries(self, wanted: Callable[[int], bool]) -> Iterator[Record]:
        """Rows of ``entries`` whose number is wanted: only these are read whole."""
        for number in range(1, self._last + 1):
            page = self.page(number)
            if page is None or records.kind_of(page, number) != records.TABLE_LEAF:
                continue
            table = self._table_of(number)
            if table not in (ENTRIES, None) or self._is_free(number):
                continue
            for rowid, payload in records.rows_of(page, number, self.page):
                if wanted(rowid) and (record := records.record_of(payload())):
                    if table is None and shape_of(record) != ENTRIES:
                        continue
                    yield (rowid, *record[1:])

    def page(self, number: int) -> bytes | None:
        """A page as it was last written; None where there is none, or only part of it."""
        if number in self._newer:
            return self._newer[number]
        if self._file is None or not 0 < number <= self._last:
            return None
        self._file.seek((number - 1) * PAGE_BYTES)
        found = self._file.read(PAGE_BYTES)
        return found if len(found) == PAGE_BYTES else None

    def _with_rowid(self, page: bytes, number: int, table: str) -> Iterator[Record]:
        of = self._table_of(number)
        if of not in (table, None):
            return
        for rowid, payload in records.rows_of(page, number, self.page):
            record = records.record_of(payload())
            if record and (of is not None or shape_of(record) == table):
                yield (rowid, *record[1:]) if record[0] is None else record

    def _hang_below(self, page_number: int, table: str) -> None:
        below = [page_number]
        while below:
            number = below.pop()
            page = self.page(number)
            for child in records.children_of(page, number) if page else ():
                if 0 < child <= self._last and child not in self._tables:
                    self._tables[child] = table
                    below.append(child)

    def _table_of(self, number: int) -> str | None:
        """None where nothing tells."""
        path: list[int] = []
        at = number
        while at not in self._tables and len(path) < _MOST_PARENTS:
            path.append(at)
            kind, parent = self._mapped(at)
            if kind != _INNER or not 0 < parent <= self._last:
                return None
            at = parent
        table = self._tables.get(at)
        if table is not None:
            self._tables.update(dict.fromkeys(path, table))
        return table

    def _is_free(self, number: int) -> bool:
        return number not in self._tables and self._mapped(number)[0] == _FREE

    def _mapped(self, number: int) -> tuple[int, int]:
        """(kind, parent) that the map says of a page; zeros where it says nothing."""
        if number < 3:
            return 0, 0
        each = _MAPPED + 1
        where = (number - 2) // each * each + 2
        where += where == _LOCK_PAGE
        page, at = self.page(where), 5 * (number - where - 1)
        if page is None or at < 0 or at + 5 > PAGE_BYTES:
            return 0, 0
        return page[at], int.from_bytes(page[at + 1 : at + 5], "big")


def shape_of(record: Record) -> str | None:
    """The table that a row with a rowid can only be of; None where it could be of several."""
    match record:
        case (None, int(), str(), str(), _, _, _, _, _, int(), int(), int(), str(), *_):
            return ENTRIES
        case (None, str() as sha, str(), str(), int(), str(), int(), int(), int()):
            return "media" if _SHA256.fullmatch(sha) else None
        case (None, str() as name) if _BOOT.fullmatch(name):
            return "boots"
        case (None, str() as name, str() as sha) if _SHA256.fullmatch(sha) and name:
            return "models"
        case (None, str() as epoch, str(), int()) if re.fullmatch(r"[0-9a-f]{32}", epoch):
            return "epochs"
    return None


def roots_of(rows: list[tuple[Any, ...]]) -> dict[int, str]:
    """Root page -> table, from (type, name, table, root page) of a schema; indexes left out."""
    return {
        page: name if kind == "table" else ""
        for kind, name, _, page in rows
        if kind in ("table", "index") and isinstance(page, int) and page > 0
    }
