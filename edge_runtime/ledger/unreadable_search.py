"""Looks through all entries for those that nobody can read, without reading the others.

SQLite sorts out by itself what may be one (without Python's lock, so that nothing waits): columns
of another kind than ours, bodies that are no JSON, texts beyond ASCII.  Only those are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_runtime.ledger.entries import ENTRY, EntryReader
from edge_runtime.ledger.rows import Kind
from edge_runtime.types import AdditionKind, TombstoneReason, VerdictKind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from edge_runtime.ledger.rows import Entry

SPAN: Final = 2000
"""Numbers in one question: a read lasts some 10 ms, so that the log can be moved in between."""
_TEXTS: Final = ("lane", "verdict", "label", "item", "body")
_NUMBERS: Final = ("kind", "boot", "boottime_ns", "wall_ns", "source", "model", "about")
_MAY_BE_NULL: Final = ("label", "item", "source", "model", "about")
_KINDS: Final = ", ".join(str(int(kind)) for kind in Kind)


def _odd(column: str, kind: str) -> str:
    null = ", 'null'" if column in _MAY_BE_NULL else ""
    return f"typeof({column}) NOT IN ('{kind}'{null})"


def _words(kind: Kind, known: Iterable[str]) -> str:
    return f"(kind = {int(kind)} AND verdict NOT IN ({', '.join(map(repr, map(str, known)))}))"


_BODY: Final = (
    "CASE WHEN NOT json_valid(body) OR json_type(body) != 'object' THEN 1 "
    "WHEN kind = 0 THEN json_type(body, '$.source_seq') IS NOT 'integer' "
    "WHEN kind = 1 THEN json_type(body, '$.last') IS NOT 'object' "
    "WHEN kind = 3 THEN json_type(body, '$.text') IS NOT 'text' ELSE 0 END"
)
_SUSPECT: Final = " OR ".join([
    *(_odd(column, "text") for column in _TEXTS),
    *(_odd(column, "integer") for column in _NUMBERS),
    "typeof(score) NOT IN ('real', 'integer', 'null')", "abs(score) > 1e300",
    f"kind NOT IN ({_KINDS})", "(kind = 2) != (about IS NOT NULL)",
    _words(Kind.RESULT, VerdictKind), _words(Kind.TOMBSTONE, TombstoneReason),
    _words(Kind.ADDITION, AdditionKind),
    *(f"{column} GLOB '*[^ -~]*'" for column in _TEXTS),
    _BODY,
])  # fmt: skip
_SUSPECTS: Final = f"{ENTRY} WHERE seq > ? AND seq <= ? AND ({_SUSPECT})"


def unreadable_entries(
    connection: sqlite3.Connection, is_over: Callable[[], bool]
) -> Iterator[list[Entry]]:
    """Some at a time, in their order, of one epoch each time.  Raises sqlite3.Error.

    `is_over` is asked between reads.
    """
    entries = EntryReader(connection)
    lowest, top = connection.execute("SELECT min(seq), max(seq) FROM entries").fetchone()
    for at in range((lowest or 1) - 1, top or 0, SPAN):
        if is_over():
            return
        found = [entry for entry, _ in entries.fetch(_SUSPECTS, (at, at + SPAN))]
        bad = [entry for entry in found if entry.unreadable]
        for epoch in dict.fromkeys(entry.epoch for entry in bad):
            yield [entry for entry in bad if entry.epoch == epoch]
