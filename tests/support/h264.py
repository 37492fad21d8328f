"""H.264 and H.265 pictures that carry their number, made when a test needs them.

The number stands in eight blocks along the upper edge, bit 0 left; the rest is a texture that moves,
so that each picture takes several packets.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 320, 240
_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_FASTEST = {
    "libx264": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"},
    "libx265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none"},
}


@functools.cache
def _texture(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    noise = np.random.default_rng(7).integers(0, 255, (height, 2 * width, 3), dtype=np.uint8)
    soft: Any = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(cv2.normalize(soft, soft, 40, 215, cv2.NORM_MINMAX), np.uint8)


def drawn(
    number: int, width: int = WIDTH_PX, height: int = HEIGHT_PX
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture before it is encoded."""
    shift = number * 5 % width
    picture = np.ascontiguousarray(_texture(width, height)[:, shift : shift + width])
    block = width // 8
    for bit in range(8):
        light = 235 if number >> bit & 1 else 20
        picture[: height // 4, bit * block : (bit + 1) * block] = light
    return picture


def number_of(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    """The number that a picture carries."""
    height, width = pixels.shape[:2]
    block = width // 8
    row = pixels[height // 8, block // 2 :: block]
    return sum(int(row[bit].mean() > 128) << bit for bit in range(8))


def encoded(
    count: int,
    *,
    codec: str = "h264",
    size: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    key_every: int = 10,
    first: int = 0,
    options: dict[str, str] | None = None,
) -> list[list[bytes]]:
    """Pictures as lists of NAL units, in the order of decoding; parameter sets before each key."""
    numbers = range(first, first + count)
    packets = _packets(numbers, codec, size, key_every, options or {})
    return [units(data) for data, _ in packets]


def with_b_frames(count: int) -> tuple[list[list[bytes]], list[int]]:
    """H.264 pictures in the order of decoding, and the place of each in the order of showing."""
    options = {"preset": "veryfast", "tune": "psnr", "bf": "2"}
    packets = _packets(range(count), "h264", (WIDTH_PX, HEIGHT_PX), 10, options)
    return [units(data) for data, _ in packets], [shown for _, shown in packets]


def _packets(
    numbers: range, codec: str, size: tuple[int, int], key_every: int, options: dict[str, str]
) -> list[tuple[bytes, int]]:
    encoder = _ENCODERS[codec]
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.framerate = 25
    context.gop_size = key_every
    context.options = {**_FASTEST[encoder], **options}
    packets = []
    for shown, number in enumerate(numbers):
        frame = av.VideoFrame.from_ndarray(drawn(number, *size), format="bgr24")
        frame.pts = shown
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.pts) for packet in packets]


def units(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream (Annex B)."""
    return [unit for unit in re.split(b"\0*\0\0\1", data) if unit]


def write_video(path: Path, count: int, *, encoder: str = "libx264", **options: str) -> None:
    """A recording with such pictures; the container is told by the name."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(encoder, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.gop_size = 10
        stream.options = {**_FASTEST.get(encoder, {}), **options}
        for number in range(count):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(drawn(number), format="bgr24")))
        file.mux(stream.encode(None))
