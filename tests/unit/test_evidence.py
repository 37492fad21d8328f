from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.errors import ItemError
from edge_runtime.lane.evidence import (
    SMALLEST_PX,
    blend_heat,
    draw_overlay,
    encode_flac,
    encode_jpeg,
)
from edge_runtime.types import Region, Verdict, VerdictKind

REJECT = Verdict(VerdictKind.REJECT, "dent", 0.93, 0.6)
RED, AMBER, GREEN, GREY = (40, 40, 230), (0, 170, 255), (80, 180, 60), (160, 160, 160)


def picture(width: int = 640, height: int = 480, grey: int = 128) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


def has_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((pixels == np.array(colour, np.uint8)).all(axis=2).any())


def test_a_jpeg_is_the_picture_again() -> None:
    pixels = picture()
    pixels[:, 320:] = (10, 200, 90)
    data = encode_jpeg(pixels, 90)
    assert data[:3] == b"\xff\xd8\xff"
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert back.shape == pixels.shape
    assert np.abs(back.astype(int) - pixels.astype(int)).mean() < 3


def test_a_higher_quality_is_a_larger_file() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert len(encode_jpeg(noise, 30)) < len(encode_jpeg(noise, 90))


def test_a_read_only_view_with_strides_can_be_encoded() -> None:
    pixels = picture()[::2, ::-1]
    pixels.flags.writeable = False
    assert encode_jpeg(pixels, 80)


@pytest.mark.parametrize("shape", [(0, 10, 3), (1, 65501, 3)])
def test_a_picture_that_no_jpeg_can_hold_is_an_item_error(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ItemError, match="cannot be a JPEG"):
        encode_jpeg(np.zeros(shape, np.uint8), 90)


def test_a_flac_gives_back_every_sample() -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 16000).astype(np.int16)
    data = encode_flac(samples, 16000)
    assert data[:4] == b"fLaC"
    back, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate_hz == 16000
    np.testing.assert_array_equal(back, samples)


def test_nothing_is_no_flac() -> None:
    with pytest.raises(ItemError, match="no samples"):
        encode_flac(np.zeros(0, np.int16), 16000)


def test_a_rate_that_flac_lacks_is_an_item_error() -> None:
    with pytest.raises(ItemError, match="700000 Hz cannot be a FLAC"):
        encode_flac(np.zeros(100, np.int16), 700_000)


def test_the_overlay_leaves_the_picture_alone() -> None:
    pixels = picture()
    pixels.flags.writeable = False
    before = pixels.copy()
    drawn = draw_overlay(pixels, [Region("dent", 0.93, 100, 200, 300, 400)], REJECT)
    np.testing.assert_array_equal(pixels, before)
    assert drawn.shape == pixels.shape
    assert not np.shares_memory(drawn, pixels)


def test_the_box_is_drawn_where_the_region_is_and_nothing_far_from_it() -> None:
    drawn = draw_overlay(picture(), [Region("dent", 0.93, 100, 200, 300, 400)], REJECT)
    assert tuple(drawn[300, 100]) == RED
    assert tuple(drawn[399, 200]) == RED
    assert tuple(drawn[300, 299]) == RED
    np.testing.assert_array_equal(drawn[220:380, 120:280], 128)
    np.testing.assert_array_equal(drawn[420:, 320:], 128)


@pytest.mark.parametrize(
    ("kind", "colour"),
    [
        (VerdictKind.REJECT, RED),
        (VerdictKind.REVIEW, AMBER),
        (VerdictKind.PASS, GREEN),
        (VerdictKind.NO_READ, GREY),
    ],
)
def test_the_colour_tells_the_verdict(kind: VerdictKind, colour: tuple[int, int, int]) -> None:
    drawn = draw_overlay(picture(), [Region("x", 0.5, 100, 100, 200, 200)], Verdict(kind))
    others = {RED, AMBER, GREEN, GREY} - {colour}
    assert has_colour(drawn, colour)
    assert not any(has_colour(drawn, other) for other in others)


def test_a_box_is_seen_on_a_picture_of_its_own_colour() -> None:
    red = np.full((480, 640, 3), RED, np.uint8)
    drawn = draw_overlay(red, [Region("dent", 0.9, 300, 200, 500, 400)], REJECT)
    along = drawn[300, 280:320]
    assert (along != np.array(RED, np.uint8)).any()


def test_lines_grow_with_the_picture() -> None:
    def line_px(width: int) -> int:
        drawn = draw_overlay(
            picture(width, width), [Region("x", 0.9, width // 4, width // 4, width, width)], REJECT
        )
        row = drawn[width // 2]
        return int((row == np.array(RED, np.uint8)).all(axis=1)[: width // 2].sum())

    assert line_px(4000) > line_px(1000) >= 2


def test_a_small_picture_is_enlarged_so_that_letters_can_be_read() -> None:
    drawn = draw_overlay(picture(64, 48), [Region("dent", 0.9, 8, 16, 40, 40)], REJECT)
    assert max(drawn.shape[:2]) >= SMALLEST_PX
    assert drawn.shape[1] * 48 == drawn.shape[0] * 64
    factor = drawn.shape[1] // 64
    assert tuple(drawn[28 * factor, 8 * factor]) == RED


@pytest.mark.parametrize(
    "region",
    [
        Region("at the very top", 0.9, 0, 0, 640, 480),
        Region("far out", 0.9, -50, -50, 9000, 9000),
        Region("corner", 0.9, 639, 479, 640, 480),
        Region("Kratzer über 文字", 0.9, 10, 400, 20, 410),
        Region("x" * 500, 0.9, 300, 300, 400, 400),
    ],
)
def test_any_region_and_label_can_be_drawn(region: Region) -> None:
    assert has_colour(draw_overlay(picture(), [region], REJECT), RED)


def test_the_best_region_is_on_top() -> None:
    same = (100, 200, 300, 400)
    regions = [Region("best", 0.9, *same), Region("WWWWWWWWWWWWWWWW", 0.1, *same)]
    alone = draw_overlay(picture(), regions[:1], REJECT)
    both = draw_overlay(picture(), regions, REJECT)
    plate = np.s_[180:199, 100:150]
    np.testing.assert_array_equal(both[plate], alone[plate])


def test_heat_glows_where_it_is_and_leaves_the_cold_as_it_was() -> None:
    heat = np.zeros((48, 64), np.float32)
    heat[:, 32:] = 1.0
    pixels = picture()
    drawn = draw_overlay(pixels, [], REJECT, heat=heat)
    np.testing.assert_array_equal(drawn[100:, :300], 128)
    hot = drawn[240, 600].astype(int)
    assert hot[2] > 150  # red
    assert hot[0] < 60
    np.testing.assert_array_equal(pixels, 128)


def test_the_hotter_the_less_of_the_picture_is_seen() -> None:
    seen = []
    for level in (0.0, 0.3, 0.6, 1.0):
        black, white = (
            blend_heat(picture(grey=grey), np.full((2, 2), level, np.float32))[9, 9].astype(int)
            for grey in (0, 255)
        )
        seen.append(int((white - black).max()))
    assert seen[0] == 255
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] >= 60  # never hidden whole


def test_boxes_are_drawn_over_the_heat_of_any_size() -> None:
    for shape in ((1, 1), (7, 3), (500, 700)):
        heat = np.full(shape, 0.9, np.float32)
        drawn = draw_overlay(
            picture(), [Region("dent", 0.93, 100, 200, 300, 400)], REJECT, heat=heat
        )
        assert tuple(drawn[300, 100]) == RED
        assert drawn.shape == picture().shape


def test_without_a_verdict_boxes_are_grey_and_no_word_is_written() -> None:
    drawn = draw_overlay(picture(), [Region("dent", 0.93, 100, 200, 300, 400)], None)
    assert has_colour(drawn, GREY)
    np.testing.assert_array_equal(drawn[:100], 128)


def has_box(drawn: np.ndarray) -> bool:
    """Whether anything is drawn below the verdict's plate."""
    return bool((drawn[100:] != 128).any())


@pytest.mark.parametrize(
    ("verdict", "limits", "expected"),
    [
        (Verdict(VerdictKind.PASS, "dent", 0.87, 0.93), None, False),
        (Verdict(VerdictKind.PASS, "ok", 0.9), None, False),
        (Verdict(VerdictKind.PASS, "dent", 0.87), None, True),
        (Verdict(VerdictKind.PASS, "dent", 0.87, 0.93), {"dent": 0.93}, False),
        (Verdict(VerdictKind.REJECT, "dent", 0.87, 0.8), {"dent": 0.8}, True),
        (Verdict(VerdictKind.REJECT, "hole", 0.99, 0.8), {"dent": 0.93, "hole": 0.8}, False),
        (Verdict(VerdictKind.PASS, "ok", 0.9), {"hole": 0.8}, True),
        (Verdict(VerdictKind.PASS, "dent", 0.2, 0.5), {"dent": 0.5}, False),
        (Verdict(VerdictKind.REJECT, "dent", 0.95, 0.9), {"dent": 0.9}, True),
    ],
)
def test_only_what_counts_has_a_box(
    verdict: Verdict, limits: dict[str, float] | None, expected: bool
) -> None:
    drawn = draw_overlay(
        picture(), [Region("dent", 0.87, 100, 200, 300, 400)], verdict, limits=limits
    )
    assert has_box(drawn) == expected


def test_the_corner_tells_the_score_against_its_threshold() -> None:
    plain = draw_overlay(picture(), [], Verdict(VerdictKind.PASS))
    told = draw_overlay(picture(), [], Verdict(VerdictKind.PASS, "dent", 0.87, 0.93))

    def width(drawn: np.ndarray) -> int:
        return int((drawn[5] != 128).any(axis=1).sum())

    assert width(told) > 2 * width(plain)
