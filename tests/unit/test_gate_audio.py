from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.config import Gate
from edge_runtime.errors import ItemError
from edge_runtime.gate.audio_gate import AudioGate
from edge_runtime.types import AudioBlock, Segment, SegmentEnd, Stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETTINGS = Gate(pre_roll_ms=100, min_speech_ms=40, hang_over_ms=100, max_segment_s=2.0)


class LoudIsSpeech:
    """A scorer whose answer can be foretold; counts its resets."""

    def __init__(self) -> None:
        self.resets = 0

    @property
    def window_ms(self) -> int:
        return 20

    @property
    def threshold(self) -> float:
        return 0.5

    @property
    def rate_hz(self) -> int:
        return 16_000

    def score(self, window: NDArray[np.int16]) -> float:
        assert window.shape == (320,)
        return float(np.abs(window.astype(np.int32)).max() > 1000)

    def reset(self) -> None:
        self.resets += 1


def tone(*spans_s: tuple[float, float], length_s: float, rate_hz: int) -> NDArray[np.int16]:
    """Silence of `length_s` with a 440 Hz tone in the given spans."""
    samples = np.zeros(round(length_s * rate_hz), np.int16)
    for start_s, end_s in spans_s:
        first, end = round(start_s * rate_hz), round(end_s * rate_hz)
        time_s = np.arange(end - first) / rate_hz
        samples[first:end] = np.rint(9000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    return samples


def blocks(
    samples: NDArray[np.int16], rate_hz: int, *, block_ms: int = 30, position: int = 0
) -> list[AudioBlock]:
    """Stamped so that the sample at `position` p was captured 1000 s + p / rate after boot."""
    size = rate_hz * block_ms // 1000
    made = []
    for seq, first in enumerate(range(0, len(samples), size)):
        part = samples[first : first + size]
        end_ns = round((1000 + (position + first + len(part)) / rate_hz) * 1e9)
        stamp = Stamp(end_ns, end_ns, "boot")
        made.append(AudioBlock("mic", seq, stamp, part, rate_hz, position + first))
    return made


def gated(made: list[AudioBlock], *, live: bool = False) -> list[Segment]:
    gate = AudioGate(SETTINGS, LoudIsSpeech(), source="mic", live=live)
    return [segment for block in made for segment in gate.feed(block)] + gate.flush()


def test_a_word_is_one_segment_at_its_place_with_its_samples() -> None:
    samples = tone((1.0, 1.4), length_s=3.0, rate_hz=16_000)
    (segment,) = gated(blocks(samples, 16_000))
    assert segment.start_s == pytest.approx(0.9)
    assert segment.duration_s == pytest.approx(0.6)
    assert segment.end is SegmentEnd.ENDED
    first = round(segment.start_s * 16_000)
    assert segment.item == f"samples:{first}-{first + len(segment.samples)}"
    assert np.array_equal(segment.samples, samples[first : first + len(segment.samples)])
    assert segment.rate_hz == 16_000
    assert not segment.samples.flags.writeable


def test_a_live_segment_has_no_item_and_segments_are_numbered() -> None:
    samples = tone((0.5, 0.8), (1.5, 1.8), length_s=3.0, rate_hz=16_000)
    segments = gated(blocks(samples, 16_000), live=True)
    assert [segment.seq for segment in segments] == [0, 1]
    assert {segment.item for segment in segments} == {None}


def test_the_stamp_of_a_segment_is_that_of_its_first_sample() -> None:
    samples = tone((1.0, 1.4), length_s=3.0, rate_hz=16_000)
    (segment,) = gated(blocks(samples, 16_000))
    assert segment.captured.boottime_ns == round((1000 + segment.start_s) * 1e9)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_another_rate_is_resampled_and_places_stay_those_of_the_source(rate_hz: int) -> None:
    samples = tone((1.0, 1.4), length_s=3.0, rate_hz=rate_hz)
    (segment,) = gated(blocks(samples, rate_hz))
    assert segment.rate_hz == 16_000
    assert segment.start_s == pytest.approx(0.9, abs=0.021)
    assert segment.duration_s == pytest.approx(0.6, abs=0.041)
    loud = np.flatnonzero(np.abs(segment.samples) > 3000)
    assert segment.start_s + loud[0] / 16_000 == pytest.approx(1.0, abs=0.002)
    assert segment.start_s + loud[-1] / 16_000 == pytest.approx(1.4, abs=0.002)
    assert segment.item is not None
    first, end = map(int, segment.item.removeprefix("samples:").split("-"))
    assert first / rate_hz == segment.start_s
    assert (end - first) / rate_hz == pytest.approx(segment.duration_s, abs=1.01 / rate_hz)


def test_the_size_of_the_blocks_makes_no_difference() -> None:
    samples = tone((0.5, 0.9), (1.6, 2.4), length_s=3.0, rate_hz=44_100)
    by_size = [
        [(s.item, s.samples.tobytes()) for s in gated(blocks(samples, 44_100, block_ms=ms))]
        for ms in (10, 30, 170, 1000)
    ]
    assert len(by_size[0]) == 2
    assert all(found == by_size[0] for found in by_size)


def test_a_replay_that_goes_on_in_the_middle_keeps_the_places_of_the_whole() -> None:
    samples = tone((0.5, 0.9), (1.6, 2.0), length_s=3.0, rate_hz=16_000)
    whole = gated(blocks(samples, 16_000))
    assert whole[0].item is not None
    end = int(whole[0].item.split("-")[1])
    rest = gated(blocks(samples[end:], 16_000, position=end))
    assert [s.start_s for s in rest] == [pytest.approx(whole[1].start_s, abs=0.02)]


def test_a_marked_gap_truncates_the_open_segment_and_nothing_is_joined_across_it() -> None:
    made = blocks(tone((0.5, 1.5), length_s=2.0, rate_hz=16_000), 16_000)
    gap = made[33]
    made[33] = AudioBlock(
        gap.source, gap.seq, gap.captured, gap.samples, 16_000, gap.position, has_gap=True
    )
    scorer = LoudIsSpeech()
    gate = AudioGate(SETTINGS, scorer, source="mic", live=True)
    segments = [segment for block in made for segment in gate.feed(block)]
    assert [s.end for s in segments] == [SegmentEnd.TRUNCATED, SegmentEnd.ENDED]
    edge_s = gap.position / 16_000
    assert segments[0].start_s + segments[0].duration_s == pytest.approx(edge_s)
    assert segments[1].start_s == pytest.approx(edge_s)
    assert scorer.resets == 2


def test_blocks_that_do_not_follow_each_other_are_a_gap_though_nobody_marked_it() -> None:
    made = blocks(tone((0.5, 1.5), length_s=2.0, rate_hz=16_000), 16_000)
    del made[30:33]
    segments = gated(made)
    assert [s.end for s in segments] == [SegmentEnd.TRUNCATED, SegmentEnd.ENDED]
    assert segments[1].start_s == pytest.approx(made[30].position / 16_000)


def test_a_device_that_comes_back_with_another_rate_is_understood() -> None:
    first = blocks(tone((0.5, 0.9), length_s=1.5, rate_hz=16_000), 16_000)
    second = blocks(tone((0.5, 0.9), length_s=1.5, rate_hz=48_000), 48_000, position=96_000)
    segments = gated([*first, *second])
    assert [round(s.start_s, 1) for s in segments] == [0.4, 2.4]
    assert {s.rate_hz for s in segments} == {16_000}


def test_a_change_of_rate_is_a_gap_though_the_places_follow() -> None:
    first = blocks(tone((0.5, 1.5), length_s=1.5, rate_hz=16_000), 16_000)
    second = blocks(tone((0.0, 0.5), length_s=1.5, rate_hz=48_000), 48_000, position=24_000)
    segments = gated([*first, *second])
    assert [s.end for s in segments] == [SegmentEnd.TRUNCATED, SegmentEnd.ENDED]
    assert segments[1].start_s == 24_000 / 48_000


def test_a_segment_open_at_the_end_holds_everything_to_the_last_sample() -> None:
    samples = tone((0.5, 1.0), length_s=1.0, rate_hz=16_000)[:-77]
    (segment,) = gated(blocks(samples, 16_000))
    assert segment.end is SegmentEnd.TRUNCATED
    assert segment.item is not None
    assert segment.item.endswith(f"-{len(samples)}")


def test_flush_without_anything_open_gives_nothing_and_may_be_called_again() -> None:
    gate = AudioGate(SETTINGS, LoudIsSpeech(), source="mic", live=False)
    assert gate.flush() == []
    gate.feed(blocks(tone(length_s=0.1, rate_hz=16_000), 16_000)[0])
    assert gate.flush() == []
    assert gate.flush() == []


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_what_was_heard_before_a_restart_reaches_the_detector_but_no_segment(rate_hz: int) -> None:
    samples = tone((0.5, 0.9), (1.2, 1.6), (2.0, 2.4), length_s=3.0, rate_hz=rate_hz)
    whole = gated(blocks(samples, rate_hz))
    assert whole[0].item is not None
    done = int(whole[0].item.split("-")[1])
    before = [replace(block, is_warm_up=True) for block in blocks(samples[:done], rate_hz)]
    rest = gated([*before, *blocks(samples[done:], rate_hz, position=done)])
    assert [s.item for s in rest] == [s.item for s in whole[1:]]
    assert [s.samples.tobytes() for s in rest] == [s.samples.tobytes() for s in whole[1:]]


class FailsOnce(LoudIsSpeech):
    """A detector that fails on its n-th window."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def score(self, window: NDArray[np.int16]) -> float:
        self._left -= 1
        if self._left == 0:
            raise ItemError("the model answered with NaN or infinity")
        return super().score(window)


def test_a_detector_that_fails_costs_what_is_open_and_the_next_block_begins_a_stream() -> None:
    scorer = FailsOnce(40)  # 0.8 s: in the first tone
    gate = AudioGate(SETTINGS, scorer, source="mic", live=True)
    found: list[Segment] = []
    failed = 0
    spans = ((0.5, 1.1), (2.0, 2.4))
    for block in blocks(tone(*spans, length_s=3.0, rate_hz=16_000), 16_000):
        try:
            found += gate.feed(block)
        except ItemError:
            failed += 1
    assert failed == 1
    assert scorer.resets == 2
    assert [round(segment.start_s, 1) for segment in found] == [0.8, 1.9]
    assert all(segment.end is SegmentEnd.ENDED for segment in found)
