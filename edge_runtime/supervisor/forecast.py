"""How many days of results the disk still takes.  Pure."""

from __future__ import annotations

from typing import Final

LEAST_UPTIME_S: Final = 60.0
"""Before that a rate says nothing."""
ROW_BYTES: Final = 1024
"""Where the ledger is too young to tell: a row with its place in the indexes."""
MOST_DAYS: Final = 9999.0
_S_PER_DAY: Final = 86_400


def row_bytes(ledger_bytes: int, rows: int) -> float:
    """What a row takes, by what all of them take; a ledger of a few rows does not tell."""
    return ledger_bytes / rows if rows * ROW_BYTES > ledger_bytes // 2 else ROW_BYTES


def days_left(
    room_bytes: int, bytes_a_row: float, *, rows_of_run: int, uptime_s: float
) -> float | None:
    """Days until `room_bytes` are full of rows, at this run's rate; None when it cannot be said.

    Media do not count: they make room for results.
    """
    if uptime_s < LEAST_UPTIME_S or rows_of_run == 0:
        return None
    bytes_a_day = bytes_a_row * rows_of_run / uptime_s * _S_PER_DAY
    return round(min(MOST_DAYS, max(0, room_bytes) / bytes_a_day), 2)
