"""A short form of the proof over sounds: `tools.proofs.inputs_sounds` runs the long one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.data import DATA, needs_data
from tests.support.lying_sounds import flipped, sound, wav_bytes
from tools.proofs import inputs_sounds

if TYPE_CHECKING:
    from pathlib import Path

needs_referees = pytest.mark.skipif(
    shutil.which("flac") is None or shutil.which("ffmpeg") is None,
    reason="apt install flac ffmpeg",
)


@needs_data
@needs_referees
def test_no_damaged_sound_that_a_referee_reports_is_read_without_a_word(tmp_path: Path) -> None:
    told: list[str] = []
    rows = inputs_sounds.run(160, 40, 11, DATA, tmp_path, told.append)
    assert sum(row.tried for row in rows) >= 190
    assert [row for row in rows if row.judged_though_reported] == [], told
    assert [row for row in rows if row.whole_refused] == [], told
    assert sum(row.refused for row in rows) > 80


@needs_referees
def test_the_referees_see_what_is_damaged_and_nothing_in_what_is_whole(tmp_path: Path) -> None:
    whole = wav_bytes(sound())
    path = tmp_path / "a.wav"
    for data, is_well in (
        (whole, True),
        (whole[:-1_000], False),
        (whole + bytes(600), False),
        (flipped(whole, 4), False),
    ):
        path.write_bytes(data)
        assert bool(inputs_sounds.referees(path, "WAV")) != is_well
