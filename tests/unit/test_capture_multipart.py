"""What cameras send as multipart, and what they mean by it."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.capture import multipart
from edge_runtime.capture.jpeg_end import JpegEnd
from edge_runtime.capture.multipart import BareJpegs, Multipart, Overlong, Part
from tests.support.plain_jpeg import jpeg_of

JPEGS = [jpeg_of(np.full((24, 32, 3), 40 * n, np.uint8)) for n in range(1, 6)]


def part(data: bytes, *, kind: str = "image/jpeg", length: int | None = -1) -> bytes:
    """As a camera sends it; `length` -1: the right one, None: none."""
    told = len(data) if length == -1 else length
    line = b"" if told is None else b"Content-Length: %d\r\n" % told
    return b"--frame\r\nContent-Type: " + kind.encode() + b"\r\n" + line + b"\r\n" + data + b"\r\n"


def read(stream: bytes, boundary: str = "frame", *, step: int = 1 << 20) -> list[bytes]:
    parser = Multipart(boundary)
    found = []
    for at in range(0, len(stream), step):
        found += parser.feed(stream[at : at + step])
    return [each.data for each in found]


def test_parts_come_out_as_they_went_in() -> None:
    assert read(b"".join(part(jpeg) for jpeg in JPEGS)) == JPEGS


def test_a_part_is_whole_with_its_last_byte_and_not_with_the_next_boundary() -> None:
    for length in (len(JPEGS[0]), len(JPEGS[0]) - 10, len(JPEGS[0]) + 10, None):
        stream = part(JPEGS[0], length=length)
        assert read(stream[: stream.index(JPEGS[0]) + len(JPEGS[0])]) == JPEGS[:1]


@pytest.mark.parametrize("wrong", [-10, -1, 1, 10, 100_000, 10**15])
def test_a_wrong_length_costs_no_picture(wrong: int) -> None:
    stream = b"".join(part(jpeg, length=max(1, len(jpeg) + wrong)) for jpeg in JPEGS)
    assert read(stream) == JPEGS


def test_parts_without_a_length_end_at_their_own_end() -> None:
    assert read(b"".join(part(jpeg, length=None) for jpeg in JPEGS)) == JPEGS


def test_parts_of_length_0_and_of_text_are_told_and_the_stream_goes_on() -> None:
    parser = Multipart("frame")
    stream = part(JPEGS[0]) + part(b"") + part(b"hello", kind="text/plain") + part(JPEGS[1])
    assert parser.feed(stream) == [
        Part(JPEGS[0], "image/jpeg"),
        Part(b"", "image/jpeg"),
        Part(b"hello", "text/plain"),
        Part(JPEGS[1], "image/jpeg"),
    ]


@pytest.mark.parametrize(
    "boundary", ["frame", "--frame", '"frame"', "----frame", "other", "", "myframe--"]
)
def test_the_boundary_may_be_told_with_dashes_or_wrongly_or_not_at_all(boundary: str) -> None:
    for length in (-1, None):
        assert read(b"".join(part(jpeg, length=length) for jpeg in JPEGS), boundary) == JPEGS


def test_the_first_boundary_may_be_missing() -> None:
    stream = b"".join(part(jpeg) for jpeg in JPEGS).removeprefix(b"--frame\r\n")
    assert read(stream) == JPEGS
    assert read(b"\r\n" + stream) == JPEGS


def test_lines_may_end_without_a_carriage_return() -> None:
    stream = b"".join(part(jpeg).replace(b"\r\n", b"\n") for jpeg in JPEGS)
    assert b"\r\n" not in b"".join(JPEGS)
    assert read(stream) == JPEGS


def test_a_part_may_have_no_header_at_all() -> None:
    assert read(b"".join(b"--frame\r\n\r\n" + jpeg + b"\r\n" for jpeg in JPEGS)) == JPEGS


def test_padding_behind_a_picture_is_passed_over() -> None:
    stream = b"".join(part(jpeg + bytes(37), length=len(jpeg) + 37) for jpeg in JPEGS)
    assert read(stream) == JPEGS


def test_a_picture_without_its_end_is_cut_where_the_next_one_begins() -> None:
    cut = JPEGS[0][:-60]
    for length in (-1, None):
        stream = part(cut, length=length) + part(JPEGS[1])
        assert read(stream) == [cut, JPEGS[1]]
        assert read(stream, "unheard-of")[-1] == JPEGS[1]


def test_damage_that_leads_over_the_boundary_does_not_cost_the_next_picture() -> None:
    at = len(JPEGS[0]) - 40
    led_on = JPEGS[0][:at] + b"\xff\xe1\x01\x00" + JPEGS[0][at + 4 : -2]
    assert read(part(led_on, length=None) + part(JPEGS[1])) == [led_on, JPEGS[1]]


def test_what_is_no_jpeg_ends_at_its_length() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
    assert read(part(png, kind="image/png") + part(JPEGS[0])) == [png, JPEGS[0]]


def test_an_exif_thumbnail_is_not_the_end_of_its_picture() -> None:
    thumbnail = JPEGS[1]
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    jpeg = JPEGS[0][:2] + segment + JPEGS[0][2:]
    assert read(part(jpeg, length=None) + part(JPEGS[2])) == [jpeg, JPEGS[2]]


def test_a_part_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_PART_BYTES", 1 << 20)
    with pytest.raises(Overlong, match="a part of more than 1 MiB"):
        read(part(b"\xff\xd8\xff\xda\x00\x02" + bytes(3 << 20), length=None)[:-40], step=4096)
    with pytest.raises(Overlong, match="without the beginning of a part"):
        read(b"\x01" * (3 << 20), step=4096)
    with pytest.raises(Overlong, match="without the end of a picture"):
        BareJpegs().feed(b"\xff\xd8\xff\xda\x00\x02" + bytes(3 << 20))


def test_the_rest_of_a_part_is_told_when_the_stream_is_over() -> None:
    parser = Multipart("frame")
    assert parser.feed(part(JPEGS[0][:-2], length=None)[:-2]) == []
    assert parser.end() == Part(JPEGS[0][:-2], "image/jpeg", is_whole=False)
    assert Multipart("frame").end() is None


def test_bare_jpegs_are_told_from_each_other() -> None:
    parser = BareJpegs()
    whole = b"\r\n" + b"".join(JPEGS[:3]) + b"\r\n" + JPEGS[3]
    assert [each.data for each in parser.feed(whole)] == JPEGS[:4]
    cut = JPEGS[0][:-60]
    found = parser.feed(cut + JPEGS[1] + JPEGS[2])
    assert [each.data for each in found] == [cut, JPEGS[1], JPEGS[2]]
    parser.feed(cut)
    assert parser.end() == Part(cut, "image/jpeg", is_whole=False)


def test_the_end_of_a_progressive_picture_is_behind_its_last_scan() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    jpeg = jpeg_of(noise, progressive=True)
    assert jpeg.count(b"\xff\xda") > 2
    assert JpegEnd().find(jpeg + b"behind it \xff\xd9") == len(jpeg)
    for cut in range(2, len(jpeg)):
        assert JpegEnd().find(jpeg[:cut]) is None
