"""Exposure stamps, levels, rhythm and names: what sources compute."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.capture.exposure import OLDEST_NS, exposure_stamp
from edge_runtime.capture.identity import identity
from edge_runtime.capture.level import Level
from edge_runtime.capture.named import NamedSource
from edge_runtime.capture.pace import WAIT_AT_MOST_S, Rhythm
from edge_runtime.capture.sound import buried_spans
from edge_runtime.capture.video import next_frame
from edge_runtime.clock import boottime_offset_ns
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.files.naming import as_text, printable
from edge_runtime.types import Stamp
from tests.support.fakes import FakeClock, ScriptedSource

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000
BOOT = 500_000 * MS
"""CLOCK_BOOTTIME, and CLOCK_MONOTONIC is 100 s behind: the box was suspended so long."""
OFFSET = 100_000 * MS
WALL = 1_700_000_000_000 * MS
HANDED = Stamp(WALL, BOOT, "boot")
NOW_MS = 400_000.0


@pytest.mark.parametrize("age_ms", [0.0, 0.5, 33.0, 120.25, 9_999.0])
def test_a_drivers_stamp_becomes_the_same_instant_in_our_clocks(age_ms: float) -> None:
    stamp = exposure_stamp(NOW_MS - age_ms, OFFSET, HANDED)
    assert stamp == Stamp(WALL - round(age_ms * MS), BOOT - round(age_ms * MS), "boot")


@pytest.mark.parametrize(
    "driver_ms",
    [
        0.0,  # the driver does not tell
        -1.0,
        float("nan"),
        float("inf"),
        NOW_MS + 1.0,  # in the future
        WALL / MS,  # the wall clock: uvcvideo can be told to stamp by it
        NOW_MS - OLDEST_NS / MS - 1.0,  # a stamp that was copied from a recording
    ],
)
def test_what_cannot_be_an_exposures_time_is_none(driver_ms: float) -> None:
    assert exposure_stamp(driver_ms, OFFSET, HANDED) is None


def test_a_stamp_a_little_ahead_is_rounding_and_never_lies_behind_the_hand_over() -> None:
    assert exposure_stamp(NOW_MS + 0.05, OFFSET, HANDED) == HANDED


@pytest.mark.parametrize(
    ("last_ms", "is_taken"), [(40.0, True), (20.2, True), (20.0, False), (0.0, False)]
)
def test_a_stamp_that_does_not_move_on_tells_nothing_of_this_picture(
    last_ms: float, is_taken: bool
) -> None:
    last_ns = BOOT - round(last_ms * MS)
    assert (exposure_stamp(NOW_MS - 20.0, OFFSET, HANDED, last_ns) is not None) is is_taken


def test_the_offset_between_the_clocks_stays_to_the_microsecond() -> None:
    offsets = [boottime_offset_ns() for _ in range(20)]
    assert max(offsets) - min(offsets) < 50_000
    assert min(offsets) > -50_000


@pytest.mark.parametrize(
    ("amplitude", "dbfs"), [(0, -120.0), (1, -90.3), (32, -60.2), (3277, -20.0), (32767, 0.0)]
)
def test_a_level_is_in_decibels_below_full_scale(amplitude: int, dbfs: float) -> None:
    square = np.array([amplitude, -amplitude] * 400, np.int16)
    assert Level().add(square, 16_000) == pytest.approx(dbfs, abs=0.05)


def test_a_level_is_of_the_last_second() -> None:
    level = Level()
    loud = np.resize(np.array([10_000, -10_000], np.int16), 400)
    still = np.zeros(400, np.int16)
    level.add(loud, 1_000)
    told = [level.add(still, 1_000) for _ in range(4)]
    assert told[0] == pytest.approx(20 * np.log10(10_000 / 32768) - 3.01, abs=0.05)
    assert told[1] > -30
    assert told[-1] == -120.0


def test_an_offset_is_no_level_and_is_told_by_itself() -> None:
    rng = np.random.default_rng(0)
    hiss = rng.normal(0, 30, 1_000)
    plain, moved = Level(), Level()
    bare_dbfs = plain.add(np.rint(hiss).astype(np.int16), 1_000)
    assert moved.add(np.rint(hiss - 3277).astype(np.int16), 1_000) == pytest.approx(
        bare_dbfs, abs=0.1
    )
    assert moved.offset == pytest.approx(-0.1, abs=0.001)
    assert abs(plain.offset) < 0.001
    assert Level().add(np.full(500, -32768, np.int16), 1_000) == -120.0


def test_a_rhythm_gives_one_in_each_interval_and_no_burst_after_an_absence() -> None:
    clock = FakeClock()
    rhythm = Rhythm(clock, 0.4)
    given = []
    for late_s in (0.0, 0.0, 0.1, 0.0, 3.0, 0.0, 0.0):
        clock.advance(late_s)
        assert rhythm.is_due()
        given.append(round(clock.now_ns / 1e9 - 1000.0, 3))
    assert given == [0.0, 0.4, 0.8, 1.2, 4.2, 4.6, 5.0]


def test_a_late_item_does_not_slow_the_rhythm() -> None:
    clock = FakeClock()
    rhythm = Rhythm(clock, 0.4)
    assert rhythm.is_due()
    clock.advance(0.5)
    assert rhythm.is_due()
    assert rhythm.is_due()
    assert clock.waits == [pytest.approx(0.3)]


def test_a_long_interval_is_waited_for_in_turns() -> None:
    clock = FakeClock()
    rhythm = Rhythm(clock, 1.2)
    assert [rhythm.is_due() for _ in range(4)] == [True, False, False, True]
    assert max(clock.waits) <= WAIT_AT_MOST_S


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"part_1.jpg", "part_1.jpg"),
        ("größe.jpg".encode(), "größe.jpg"),
        (b"gr\xf6\xdfe.jpg", "gr\\xf6\\xdfe.jpg"),
        (b"\xff\xfe.jpg", "\\xff\\xfe.jpg"),
        (b"\xed\xa0\x80.jpg", "\\xed\\xa0\\x80.jpg"),
    ],
)
def test_a_name_of_any_bytes_is_valid_unicode(raw: bytes, text: str) -> None:
    assert as_text(os.fsdecode(raw)) == text
    assert text.encode("utf-8")


def test_a_name_that_is_shown_keeps_to_its_line() -> None:
    assert printable("a\nb\x1b[2J.jpg") == "a\\nb\\x1b[2J.jpg"
    assert as_text("a\nb.jpg") == "a\nb.jpg"  # as it was stored before


def test_a_recording_that_takes_anothers_place_has_another_identity(tmp_path: Path) -> None:
    path = tmp_path / "belt.mp4"
    assert identity(path) == ""
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 5))
    assert identity(str(path)) == "3:5"
    os.utime(path, ns=(1, 6))
    assert identity(path) == "3:6"


def test_a_folder_stays_itself_while_pictures_come_and_go(tmp_path: Path) -> None:
    before = identity(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"a")
    assert identity(tmp_path) == before
    other = tmp_path / "other"
    other.mkdir()
    assert identity(other) != before


def test_what_is_buried_of_a_sound_is_in_order_and_nothing_else_counts() -> None:
    found = buried_spans(["samples:900-1000", "frame:3", "samples:10-20", "x.jpg:1:2"])
    assert found == [(10, 20), (900, 1000)]


def test_a_recording_that_was_buried_from_a_frame_on_is_gone_on_with_behind_it() -> None:
    assert next_frame("frame:41-end") == 42


def test_a_view_is_named_in_all_that_its_source_says() -> None:
    script = [
        SourceUnavailable("gone", code="EDGE-L101"),
        ItemError("bad", item="x"),
        SourceEnded("over"),
    ]
    view: NamedSource[int] = NamedSource("left", ScriptedSource[int](script, live=True))
    assert view.live
    assert view.vitals() == {}
    with pytest.raises(SourceUnavailable, match="view left: gone") as away:
        view.read()
    assert away.value.code == "EDGE-L101"
    with pytest.raises(ItemError, match="view left: bad") as bad:
        view.read()
    assert bad.value.item == "x"
    with pytest.raises(SourceEnded, match="view left: over"):
        view.read()
