"""PNG, BMP, TIFF and WebP: whole ones are read, damaged ones refused, hidden colours not judged."""

from __future__ import annotations

import random
import struct
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.files.image import decode_image, decode_picture
from tests.support.jpegs import photograph

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE = photograph()
GREY = PICTURE[:, :, 0]
LZW, JPEG, DEFLATE, PACK_BITS = 5, 7, 8, 32773


def encoded(suffix: str, pixels: NDArray[Any] = PICTURE, **settings: int) -> bytes:
    flags: list[int] = []
    for name, value in settings.items():
        flags += [getattr(cv2, f"IMWRITE_{name.upper()}"), value]
    done, data = cv2.imencode(suffix, pixels, flags)
    assert done
    return bytes(data.tobytes())


def rows_of_bmp(depth: int, rows: bytes, size: tuple[int, int], packing: int = 0) -> bytes:
    colours = b"".join(bytes((n, n, n, 0)) for n in range(1 << depth)) if depth <= 8 else b""
    begin = 54 + len(colours)
    head = b"BM" + struct.pack("<IHHI", begin + len(rows), 0, 0, begin)
    info = (40, size[0], size[1], 1, depth, packing, len(rows), 0, 0, len(colours) // 4, 0)
    return head + struct.pack("<IiiHHIIiiII", *info) + colours + rows


def tiff(
    pixels: bytes, *, depth: int, size: tuple[int, int], samples: int = 1, **more: int
) -> bytes:
    """One strip, as it is."""
    tags = {
        256: size[0],
        257: size[1],
        258: depth,
        259: 1,
        262: 1 if samples < 3 else 2,
        273: 8,
        277: samples,
        278: size[1],
        279: len(pixels),
        **{int(tag.removeprefix("tag")): value for tag, value in more.items()},
    }
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    directory = struct.pack("<H", len(tags)) + listed + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


RUNS = b"".join(bytes((8, row)) + b"\0\0" for row in range(7)) + b"\x08\x07\0\1"
WHOLE = {
    "png": encoded(".png"),
    "png, grey": encoded(".png", GREY),
    "png, 16 bits": encoded(".png", PICTURE.astype(np.uint16) * 257),
    "bmp": encoded(".bmp"),
    "bmp, grey": encoded(".bmp", GREY),
    "bmp, packed": rows_of_bmp(8, RUNS, (8, 8), packing=1),
    "tiff, plain": encoded(".tif", tiff_compression=1),
    "tiff, LZW": encoded(".tif", tiff_compression=LZW),
    "tiff, LZW, grey": encoded(".tif", GREY, tiff_compression=LZW),
    "tiff, LZW, noise": encoded(
        ".tif", np.random.default_rng(2).integers(0, 256, (90, 110), np.uint8)
    ),
    "tiff, Deflate": encoded(".tif", tiff_compression=DEFLATE),
    "tiff, PackBits": encoded(".tif", tiff_compression=PACK_BITS),
    "tiff, JPEG": encoded(".tif", tiff_compression=JPEG),
    "tiff, strips of 13 rows": encoded(".tif", tiff_rowsperstrip=13),
    "tiff, 16 bits": encoded(".tif", PICTURE.astype(np.uint16) * 257),
    "tiff, 12 bits packed": tiff(bytes(range(1, 97)) * 2, depth=12, size=(8, 16)),
    "webp": encoded(".webp", webp_quality=80),
    "webp, lossless": encoded(".webp", webp_quality=101),
}


def expected(data: bytes) -> NDArray[np.uint8]:
    how = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    assert found is not None
    return np.asarray(found >> 8 if found.dtype == np.uint16 else found, np.uint8)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_picture_is_read_to_the_pixel(kind: str) -> None:
    assert np.array_equal(decode_image(WHOLE[kind], "part"), expected(WHOLE[kind]))


@pytest.mark.parametrize("kind", WHOLE)
def test_a_picture_cut_at_any_place_is_refused(kind: str) -> None:
    data = WHOLE[kind]
    # Behind the last byte of a TIFF's directory there is nothing that it needs.
    for at in range(1, len(data) - 4, max(1, len(data) // 97)):
        with pytest.raises(ItemError, match=r"^part: "):
            decode_image(data[:at], "part")


@pytest.mark.parametrize("kind", ["png", "png, grey", "png, 16 bits", "tiff, Deflate"])
def test_a_picture_with_a_sum_shows_each_flipped_bit(kind: str) -> None:
    rng = random.Random(3)
    data = WHOLE[kind]
    for _ in range(100):
        wrong = bytearray(data)
        wrong[rng.randrange(60, len(data) - 400)] ^= 1 << rng.randrange(8)
        with pytest.raises(ItemError):
            decode_image(bytes(wrong), "part")


@pytest.mark.parametrize(
    "kind", ["png", "tiff, LZW", "tiff, LZW, grey", "tiff, JPEG", "tiff, Deflate"]
)
def test_a_block_that_was_never_written_is_refused_where_data_are_packed(kind: str) -> None:
    data = WHOLE[kind]
    for at in range(100, len(data) - 1500, 331):
        with pytest.raises(ItemError):
            decode_image(data[:at] + bytes(600) + data[at + 600 :], "part")


@pytest.mark.parametrize("chunk", [b"IDAT", b"IHDR", b"IEND", b"tEXt"])
def test_the_sum_of_every_png_chunk_is_held_against_it(chunk: bytes) -> None:
    text = struct.pack(">I", 4) + b"tEXtab\0c" + struct.pack(">I", zlib.crc32(b"tEXtab\0c"))
    data = WHOLE["png"][:33] + text + WHOLE["png"][33:]
    decode_image(data, "part")
    at = data.rindex(chunk) + 4 + struct.unpack_from(">I", data, data.rindex(chunk) - 4)[0]
    wrong = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
    with pytest.raises(ItemError, match=f"the sum of its chunk '{chunk.decode()}' is wrong"):
        decode_image(wrong, "part")


def test_what_stands_behind_the_end_of_a_picture_is_left_alone() -> None:
    for kind in ("png", "bmp", "tiff, plain", "webp"):
        data = WHOLE[kind]
        assert np.array_equal(decode_image(data + b"\r\nserial=4711" * 9, "part"), expected(data))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (tiff(bytes(4 * 64), depth=32, size=(8, 8)), "a TIFF picture of 32 bits"),
        (tiff(bytes(128), depth=16, size=(8, 8), tag339=3), "signed or broken numbers"),
        (tiff(bytes(64), depth=8, size=(8, 8), tag259=4), "packed in way 4"),
        (tiff(bytes(63), depth=8, size=(8, 8)), "piece 0 is cut short"),
        (tiff(bytes(64), depth=8, size=(8, 8), tag273=9999), "piece 0 is missing"),
        (tiff(bytes(64), depth=8, size=(8, 8), tag278=4), "not all of its rows are listed"),
        (tiff(bytes(64), depth=8, size=(9000, 9000)), "9000 x 9000 pixels"),
        (rows_of_bmp(24, bytes(1000), (20, 20)), "cut short: 1000 of 1200 bytes"),
        (rows_of_bmp(8, RUNS[:-2], (8, 8), packing=1), "the end of its packed rows is missing"),
        (rows_of_bmp(24, bytes(1200), (20, 20), packing=4), "packed in way 4"),
        (b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\2" + bytes(13), "an animated WebP picture"),
        (b"RIFF\x04\0\0\0WEBP", "there is no picture in it"),
    ],
)
def test_a_picture_that_is_not_read_says_why(data: bytes, told: str) -> None:
    with pytest.raises(ItemError, match=told):
        decode_image(data, "part")


def with_alpha(bits: int = 8) -> NDArray[Any]:
    """Opaque to the left, hidden in the middle, half to be seen through at the right."""
    most = (1 << bits) - 1
    pixels = np.dstack([PICTURE, np.full(GREY.shape, 255, np.uint8)]).astype(np.uint32)
    pixels[:, 100:200, 3] = 0
    pixels[:, 200:, 3] = 128
    scaled = pixels * (most // 255)
    return scaled.astype(np.uint16 if bits > 8 else np.uint8)


@pytest.mark.parametrize(
    ("suffix", "bits", "settings"),
    [(".png", 8, {}), (".png", 16, {}), (".webp", 8, {"webp_quality": 101})],
)
def test_colours_that_nobody_sees_are_not_judged(
    suffix: str, bits: int, settings: dict[str, int]
) -> None:
    found = decode_image(encoded(suffix, with_alpha(bits), **settings), "part")
    assert np.array_equal(found[:, :100], PICTURE[:, :100])
    assert not found[:, 100:200].any()
    half = PICTURE[:, 200:].astype(int) * 128 // 255
    assert np.abs(found[:, 200:].astype(int) - half).max() <= 1


def test_the_fourth_byte_of_a_bmp_is_no_alpha() -> None:
    """Windows leaves it at zero."""
    rows = np.dstack([PICTURE, np.zeros(GREY.shape, np.uint8)])[::-1].tobytes()
    found = decode_image(rows_of_bmp(32, rows, (PICTURE.shape[1], PICTURE.shape[0])), "part")
    assert np.array_equal(found, PICTURE)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_of_sixteen_bits_those_that_the_camera_has_are_shown(suffix: str) -> None:
    for bits in (10, 12, 14, 16):
        deep = PICTURE.astype(np.uint16) << (bits - 8)
        found = decode_picture(encoded(suffix, deep), "part", bits)
        assert np.array_equal(found.pixels, PICTURE)
        assert found.advice == ""


@pytest.mark.parametrize(
    ("highest", "bits", "told"),
    [
        (4095, None, "without a value above 4095 (of 65535), as cameras of 12 bits give them"),
        (1000, None, "set capture.bits = 10, or 16 if they are right so"),
        (40_000, None, ""),
        (4095, 12, ""),
        (4095, 16, ""),
        (5000, 12, "values of 13 bits, but capture.bits = 12 ends at 4095"),
    ],
)
def test_a_range_that_does_not_fit_is_told(highest: int, bits: int | None, told: str) -> None:
    deep = np.zeros((8, 8), np.uint16)
    deep[2, 3] = highest
    found = decode_picture(encoded(".png", deep), "part", bits)
    assert (told in found.advice) if told else not found.advice
    if bits == 12 and highest > 4095:
        assert found.pixels.max() == 255


def test_advice_on_a_range_is_one_text_whatever_the_highest_value_of_each_picture() -> None:
    def advice(highest: int) -> str:
        deep = np.zeros((8, 8), np.uint16)
        deep[2, 3] = highest
        return decode_picture(encoded(".png", deep), "part", None).advice

    assert advice(2100) == advice(4095)
