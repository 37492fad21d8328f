"""Whole JPEGs of the odder kinds, and ways to damage one; without a program from outside."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np
import simplejpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

END = b"\xff\xd9"


def photograph(height: int = 251, width: int = 333) -> NDArray[np.uint8]:
    """Something like a part: soft shapes, an edge, and the noise of a sensor."""
    rng = np.random.default_rng(7)
    rough = rng.integers(0, 256, (8, 9, 3), np.uint8)
    soft = np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.int16)
    soft[height // 3 : height // 2, width // 4 : width // 2] += 60
    return np.clip(soft + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8] | None = None, **settings: int) -> bytes:
    """`settings` as OpenCV's ``IMWRITE_JPEG_…``, in small letters."""
    flags: list[int] = []
    for name, value in settings.items():
        flags += [getattr(cv2, f"IMWRITE_JPEG_{name.upper()}"), value]
    done, data = cv2.imencode(".jpg", photograph() if pixels is None else pixels, flags)
    assert done
    return data.tobytes()


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """`data` with one segment more behind its start."""
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + data[2:]


def entropy_begin(data: bytes) -> int:
    """Where the first scan's data begin."""
    at = data.index(b"\xff\xda")
    return at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])


def scan_headers(data: bytes) -> list[int]:
    """Where each scan begins, with the tables that are its own."""
    found = []
    at = data.find(b"\xff\xda")
    while at >= 0:
        found.append(at)
        at = data.find(b"\xff\xda", at + 1)
    return found


def cut(data: bytes, share: float) -> bytes:
    """So much of the data, and the end marker, as a camera's buffer that was not filled."""
    begin = entropy_begin(data)
    return data[: begin + int((len(data) - begin) * share)] + END


def odd_whole_ones() -> dict[str, bytes]:
    """By what is odd about it."""
    plain = jpeg()
    pixels = photograph()
    cmyk = np.ascontiguousarray(np.dstack([pixels, pixels[:, :, :1]]))
    black = np.zeros((300, 400, 3), np.uint8)
    slope = np.repeat(np.linspace(255, 0, 400).astype(np.uint8)[None, :, None], 300, 0)
    return {
        "plain": plain,
        "grey": jpeg(pixels[:, :, 0]),
        "grey, progressive": jpeg(pixels[:, :, 0], progressive=1),
        "progressive": jpeg(progressive=1),
        "progressive with restarts": jpeg(progressive=1, rst_interval=5),
        "restart markers": jpeg(rst_interval=7),
        "tables of its own": jpeg(optimize=1),
        "4:4:4": jpeg(sampling_factor=0x111111),
        "4:2:2": jpeg(sampling_factor=0x211111),
        "4:4:0": jpeg(sampling_factor=0x121111),
        "4:1:1": jpeg(sampling_factor=0x411111),
        "CMYK": simplejpeg.encode_jpeg(cmyk, colorspace="CMYK"),
        "one pixel": jpeg(pixels[:1, :1]),
        "one row": jpeg(pixels[:1]),
        "whole blocks": jpeg(pixels[:240, :320]),
        "the best quality": jpeg(quality=100, optimize=1),
        "the worst quality": jpeg(quality=1),
        "black": jpeg(black, optimize=1),
        "black, progressive": jpeg(black, progressive=1),
        "a slope": jpeg(slope, optimize=1),
        "a slope, progressive": jpeg(slope, progressive=1),
        "noise": jpeg(np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)),
        "two pictures": plain + jpeg(pixels[::2, ::2]),
        "bytes behind its end": plain + b"\r\nserial=4711" * 9,
        "an older one's tail behind it": plain + plain[-3000:],
        "a MB of segments": _padded(plain),
        "a thumbnail inside": with_segment(plain, 0xE1, b"other\0" + jpeg(pixels[::8, ::8])),
        "fill bytes": plain[:-2] + b"\xff\xff\xff" + END,
        "data filled up with a zero byte": plain[:-2] + bytes(1) + END,
    }


def _padded(data: bytes) -> bytes:
    for _ in range(16):
        data = with_segment(data, 0xE2, bytes(65_000))
    return data
