"""The short form of the proof over damaged streams."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.odd_camera import cut_in_half, noisy
from tools.proofs.inputs_streams import DAMAGE, MANNERS, is_reported, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("djpeg") is None, reason="djpeg is not installed")


def test_nothing_is_judged_that_the_referee_reports_and_no_whole_picture_is_refused(
    tmp_path: Path,
) -> None:
    for number in range(6):
        jpeg = noisy(40 + 30 * number, seed=number, width=320, height=240)
        (tmp_path / f"{number}.jpg").write_bytes(jpeg)
    told: list[str] = []
    rows = run(4 * len(MANNERS), 40, 5, tmp_path, tmp_path, told.append)
    assert len(rows) == len(DAMAGE) + 1
    assert told == ["streams: 20 of 20"]
    assert sum(row.tried for row in rows) == 160
    for row in rows:
        assert (row.judged_though_reported, row.whole_refused) == (0, 0), row
        assert row.tried >= row.refused
    by_kind = {row.kind: row for row in rows}
    for kind in ("cut, with an end marker", "cut, without"):
        row = by_kind[f"MJPEG stream: {kind}"]
        assert row.refused == row.tried > 0


def test_the_referee_reports_a_cut_picture_and_no_whole_one() -> None:
    whole = noisy(60, width=320, height=240)
    assert not is_reported(whole)
    assert is_reported(cut_in_half(whole))
