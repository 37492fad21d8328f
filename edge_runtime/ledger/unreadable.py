"""Rows that nobody can read, told apart from those that are well.  Pure.

SQLite keeps whatever it is given: a text in a column of numbers, bytes that are no UTF-8, a body
cut in its middle.  One such row must not stop who reads the others, nor be taken for a result.  So
a row is looked at column by column, and what cannot be read is handed over as a tombstone in its
place that says why (`Entry.unreadable`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_runtime.errors import LedgerError
from edge_runtime.ledger.rows import COLUMNS, Entry, entry_of
from edge_runtime.types import Media, Stamp, Tombstone, TombstoneReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.ledger.rows import Texts

CODE: Final = "unreadable"
"""Of such a row in quarantine."""
MAX_COLUMN_BYTES: Final = 16 << 20
"""No row of ours has a column of this size; one that has is not read into memory."""
_WHY: Final = 200
_NAMES: Final = tuple(COLUMNS.split(", "))
_SOUND: Final[tuple[tuple[type | tuple[type, ...], bool], ...]] = (
    (int, False), (str, False), (str, False), (str, True), ((float, int), True), (str, True),
    (int, True), (int, True), (int, False), (int, False), (int, False), (int, True), (str, False),
)  # fmt: skip
"""(types, may be null) of each of `rows.COLUMNS`."""
_TYPES: Final = {bytes: "a blob", str: "a text", float: "a fraction", int: "a number"}
_SCORE: Final = _NAMES.index("score")
_MOST_KNOWN: Final = 256
_known_sound: set[tuple[type, ...]] = set()
"""Types of whole rows that were found sound: one look instead of thirteen, ten times as quick."""
_ELSEWHERE: Final = "*"
"""The lane of what no lane is known of."""


def read_entry(
    seq: int, epoch: str, row: Sequence[Any], media: Sequence[Media], texts: Texts
) -> Entry:
    """The entry of a row (`rows.COLUMNS`), or what stands for it where it cannot be read."""
    why = what_is_wrong(row)
    if not why:
        try:
            return entry_of(seq, epoch, row, media, texts)
        except (LedgerError, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as exc:
            why = str(exc)[:_WHY] or type(exc).__name__
    return stand_in(seq, epoch, row, why, texts)


def what_is_wrong(row: Sequence[Any]) -> str:
    """The first column that is not of its kind, in words; empty where all are."""
    kinds_of_row = tuple(map(type, row))
    if kinds_of_row in _known_sound and _is_plain(row):
        return ""
    wrong = _first_wrong(row)
    if not wrong and len(_known_sound) < _MOST_KNOWN:
        _known_sound.add(kinds_of_row)
    return wrong


def _is_plain(row: Sequence[Any]) -> bool:
    """ASCII and finite: what nearly all rows are."""
    score = row[_SCORE]
    if score is not None and not math.isfinite(score):
        return False
    return "".join([value for value in row if value.__class__ is str]).isascii()


def _first_wrong(row: Sequence[Any]) -> str:
    if all(value is None for value in row):
        return f"it has a column of more than {MAX_COLUMN_BYTES >> 20} MiB"
    for name, value, (kinds, may_be_null) in zip(_NAMES, row, _SOUND, strict=True):
        if value is None:
            if not may_be_null:
                return f"{name} is missing"
        elif not isinstance(value, kinds):
            return f"{name} is {_TYPES.get(type(value), 'something else')}"
        elif isinstance(value, str):
            if not is_text(value):
                return f"{name} is not UTF-8"
        elif isinstance(value, float) and not math.isfinite(value):
            return f"{name} is no finite number"
    return ""


def stand_in(seq: int, epoch: str, row: Sequence[Any], why: str, texts: Texts) -> Entry:
    """A tombstone in place of a row.  Of the row only what is sound is in it."""
    _, lane, _, _, _, _, _, _, boot, boottime_ns, wall_ns, _, _ = row
    has_time = isinstance(wall_ns, int) and isinstance(boottime_ns, int)
    stamp = Stamp(
        wall_ns if has_time else 0,
        boottime_ns if has_time else 0,
        texts.boot_of(boot) if isinstance(boot, int) else "unknown",
    )
    tombstone = Tombstone(
        lane=lane if isinstance(lane, str) and is_text(lane) else _ELSEWHERE,
        reason=TombstoneReason.UNREADABLE,
        first=stamp,
        last=stamp,
        count=1,
        detail=f"entry {seq} cannot be read: {why}",
    )
    return Entry(seq, epoch, tombstone, why)


def is_text(value: str) -> bool:
    """Whether all of it was text: bytes that were none are surrogates (`surrogateescape`)."""
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def escaped(raw: bytes) -> str:
    """For `sqlite3.Connection.text_factory`: what is no text can still be told from text."""
    return raw.decode("utf-8", "surrogateescape")


def shown(raw: bytes) -> str:
    """The same for names and reasons: what is no text is spelt out, and can be printed."""
    return raw.decode("utf-8", "backslashreplace")
