"""The demo's files as the rest of the program reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.files import sound as sound_file
from edge_runtime.sample_station import media
from edge_runtime.sample_station.belt import SIZE

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 6


def _frames(path: Path) -> list[Any]:
    capture = cv2.VideoCapture(str(path))
    frames: list[Any] = []
    while True:
        ok, pixels = capture.read()
        if not ok:
            return frames
        frames.append(pixels)


def test_the_video_has_one_frame_for_each_part(tmp_path: Path) -> None:
    belt = media.make_belt_video(tmp_path / "belt.avi", parts=PARTS, fps=3.0)
    frames = _frames(tmp_path / "belt.avi")
    assert len(frames) == belt.parts == PARTS
    assert all(frame.shape == (SIZE[1], SIZE[0], 3) for frame in frames)


def test_the_truth_names_the_scratched_frames_and_their_boxes(tmp_path: Path) -> None:
    belt = media.make_belt_video(tmp_path / "belt.avi", parts=PARTS, fps=3.0, scratched=[2, 5])
    assert belt.scratched == {2, 5}
    assert [bool(boxes) for boxes in belt.scratches] == [k in (2, 5) for k in range(PARTS)]
    for frame, boxes in zip(_frames(tmp_path / "belt.avi"), belt.scratches, strict=True):
        for x0, y0, x1, y1 in boxes:  # survives the codec
            inside = frame[y0:y1, x0:x1, 1].astype(int)
            assert inside.max() - np.median(inside) > 20


def test_the_same_seed_films_the_same_belt(tmp_path: Path) -> None:
    belts = [
        media.make_belt_video(tmp_path / name, parts=PARTS, fps=3.0) for name in ("a.avi", "b.avi")
    ]
    assert belts[0] == belts[1]
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()


@pytest.mark.parametrize("parts", [1, 2, 3, 64])
def test_a_quarter_of_the_parts_is_scratched_and_never_the_first(
    tmp_path: Path, parts: int
) -> None:
    belt = media.make_belt_video(tmp_path / "belt.avi", parts=parts, fps=3.0)
    assert len(belt.scratched) == min(parts - 1, max(1, parts // 4))
    assert 0 not in belt.scratched


def test_a_video_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="cannot write a video"):
        media.make_belt_video(tmp_path / "missing" / "belt.avi", parts=1, fps=3.0)


def test_the_voice_is_a_wav_at_16_khz_that_never_clips(tmp_path: Path) -> None:
    said = media.make_voice(tmp_path / "voice.wav")
    samples, rate_hz = sound_file.read_sound(tmp_path / "voice.wav")
    words = media.voice_words()
    assert rate_hz == 16_000
    assert said == tuple(word.label for word in words)
    assert words[-1].end_s < len(samples) / rate_hz < 30
    assert np.abs(samples.astype(int)).max() < 32_767


def test_the_voice_stands_out_from_the_hall_where_the_truth_says_so(tmp_path: Path) -> None:
    media.make_voice(tmp_path / "voice.wav", snr_db=22.0)
    samples, rate_hz = sound_file.read_sound(tmp_path / "voice.wav")
    is_word = np.zeros(len(samples), bool)
    for word in media.voice_words():
        is_word[round(word.start_s * rate_hz) : round(word.end_s * rate_hz)] = True
    power = [np.mean(samples[chosen].astype(float) ** 2) for chosen in (is_word, ~is_word)]
    assert 10 * np.log10(power[0] / power[1]) == pytest.approx(22.0, abs=1.5)


def test_the_picture_for_documents_shows_its_parts_beside_each_other(tmp_path: Path) -> None:
    media.belt_picture(tmp_path / "belt.jpg", numbers=(3, 1, 2))
    pixels = cv2.imread(str(tmp_path / "belt.jpg"))
    assert pixels is not None
    assert pixels.shape == (SIZE[1] // 2, 3 * SIZE[0] // 2, 3)
