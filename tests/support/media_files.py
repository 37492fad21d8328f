"""Small recordings that tests make for themselves: lossless, so that each frame is known."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 64, 48


def frame_number(pixels: NDArray[np.uint8]) -> int:
    """Which of the frames of `write_video` or `write_images` this is."""
    return int(pixels[0, 0, 0])


def picture(number: int) -> NDArray[np.uint8]:
    """(48, 64, 3), uniform but for a corner that all share."""
    pixels = np.full((HEIGHT_PX, WIDTH_PX, 3), number, np.uint8)
    pixels[-8:, -8:] = 255
    return pixels


def write_video(path: Path, count: int, *, fps: float = 20.0, is_bottom_up: bool = False) -> Path:
    """Raw BGR in an AVI, as every player reads it."""
    stream = b"".join(_chunk(b"00db", picture(number % 256).tobytes()) for number in range(count))
    size = WIDTH_PX * HEIGHT_PX * 3
    main = struct.pack(
        "<10I16x", round(1e6 / fps), 0, 0, 0x10, count, 0, 1, size, WIDTH_PX, HEIGHT_PX
    )
    head = b"vids" + b"DIB " + struct.pack("<3I", 0, 0, 0)
    head += struct.pack("<7I4h", 1000, round(fps * 1000), 0, count, size, 0, 0, *(0, 0, 64, 48))
    height = HEIGHT_PX if is_bottom_up else -HEIGHT_PX
    form = struct.pack("<IiiHHIIiiII", 40, WIDTH_PX, height, 1, 24, 0, size, 0, 0, 0, 0)
    strl = _chunk(b"LIST", b"strl" + _chunk(b"strh", head) + _chunk(b"strf", form))
    hdrl = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + strl)
    path.write_bytes(_chunk(b"RIFF", b"AVI " + hdrl + _chunk(b"LIST", b"movi" + stream)))
    return path


def write_images(folder: Path, names: list[str]) -> Path:
    """PNGs; the Nth shows N."""
    for number, name in enumerate(names):
        write_image(folder / name, number)
    return folder


def write_image(path: Path, number: int) -> Path:
    import cv2

    encoded: Any = cv2.imencode(path.suffix, picture(number))[1]
    path.write_bytes(encoded.tobytes())
    return path


def write_sound(path: Path, samples: NDArray[np.int16], rate_hz: int) -> Path:
    """(n,) or (n, channels) as WAV or FLAC."""
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
