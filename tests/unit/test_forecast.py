from __future__ import annotations

import pytest

from edge_runtime.supervisor.forecast import MOST_DAYS, ROW_BYTES, days_left, row_bytes

GIB = 1 << 30


def test_a_row_a_second_of_one_kib_fills_a_gib_in_twelve_days() -> None:
    assert days_left(GIB, 1024, rows_of_run=600, uptime_s=600) == pytest.approx(12.1, abs=0.1)


@pytest.mark.parametrize(("rows", "uptime_s"), [(0, 600.0), (10, 59.0), (0, 0.0)])
def test_a_run_that_is_too_young_or_idle_tells_nothing(rows: int, uptime_s: float) -> None:
    assert days_left(GIB, 1024, rows_of_run=rows, uptime_s=uptime_s) is None


def test_no_room_is_no_days_and_a_great_deal_is_told_as_a_limit() -> None:
    assert days_left(-5, 1024, rows_of_run=600, uptime_s=600) == 0
    assert days_left(10_000 * GIB, 1024, rows_of_run=1, uptime_s=86_400) == MOST_DAYS


def test_a_young_ledger_does_not_tell_what_a_row_takes() -> None:
    assert row_bytes(100_000, 3) == ROW_BYTES
    assert row_bytes(3_000_000, 2_000) == 1_500
