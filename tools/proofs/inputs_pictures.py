"""Damaged and whole JPEG, PNG, BMP and TIFF pictures, made from real ones."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.files.image import decode_image
from tools.proofs.inputs_row import Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

BASES = 24
"""Real pictures that others are made from."""
END = b"\xff\xd9"
COLUMNS = ("tried", "refused", "judged_though_reported", "visible_and_silent", "whole_refused")
_ZEROS = (16, 64, 200, 600, 4096)
"""Lengths of a hole, bytes: a few, some, a block of the disk."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A picture before it is damaged."""

    format: str
    kind: str
    """How it is packed."""
    data: bytes
    body: int
    """From which byte on it is damaged: where the header ends."""


def run(
    files: int, whole: int, seed: int, data: Path, work: Path, tell: Callable[[str], None]
) -> list[Row]:
    """`files` damaged and `whole` whole pictures, made from those below `data`."""
    rng = random.Random(seed)
    bases = _bases(data, rng)
    made = [one for base in bases for one in _made(base, work)]
    tell(f"pictures: {len(bases)} real ones, {len(made)} whole ones made of them")
    return [*_damaged(files, rng, made, work, tell), *_whole(whole, rng, made, data)]


def _bases(data: Path, rng: random.Random) -> list[bytes]:
    """Real JPEGs as they are."""
    large = sorted((data / "ballscrew_BSData_CC-BY-SA").rglob("*.jpg"))
    small = sorted((data / "surface_PIPED_CC-BY").rglob("*.jpg"))
    chosen = rng.sample(large, BASES * 3 // 4) + rng.sample(small, BASES // 4)
    return [path.read_bytes() for path in chosen]


def _made(base: bytes, work: Path) -> list[Whole]:
    """The picture in every format and packing."""
    pixels = _pixels(base)
    grey = pixels[:, :, 0]
    jpegs = {
        "as it is": base,
        "progressive": _encoded(".jpg", pixels, JPEG_PROGRESSIVE=1, JPEG_QUALITY=90),
        "restarts": _encoded(".jpg", pixels, JPEG_RST_INTERVAL=16),
        "tables of its own": _encoded(".jpg", pixels, JPEG_OPTIMIZE=1, JPEG_QUALITY=85),
        "4:4:4": _encoded(".jpg", pixels, JPEG_SAMPLING_FACTOR=0x111111),
        "4:2:2": _encoded(".jpg", pixels, JPEG_SAMPLING_FACTOR=0x211111),
        "grey": _encoded(".jpg", grey),
        "moved by jpegtran": _lossless(base, work, "-progressive", "-copy", "all"),
        "restarts by jpegtran": _lossless(base, work, "-restart", "1", "-copy", "all"),
    }
    tiffs = {
        "plain": _encoded(".tif", pixels, TIFF_COMPRESSION=1),
        "LZW": _encoded(".tif", pixels, TIFF_COMPRESSION=5),
        "Deflate": _encoded(".tif", pixels, TIFF_COMPRESSION=8),
        "16 bits": _encoded(".tif", grey.astype(np.uint16) * 257, TIFF_COMPRESSION=1),
    }
    pngs = {
        "colour": _encoded(".png", pixels, PNG_COMPRESSION=3),
        "grey": _encoded(".png", grey),
        "16 bits": _encoded(".png", grey.astype(np.uint16) * 257),
    }
    bmps = {"colour": _encoded(".bmp", pixels), "grey": _encoded(".bmp", grey)}
    return [
        *(Whole("JPEG", kind, each, _scan_begin(each)) for kind, each in jpegs.items()),
        *(Whole("PNG", kind, each, 8) for kind, each in pngs.items()),
        *(Whole("BMP", kind, each, 54) for kind, each in bmps.items()),
        *(Whole("TIFF", kind, each, 8) for kind, each in tiffs.items()),
    ]


def _damaged(
    files: int, rng: random.Random, made: list[Whole], work: Path, tell: Callable[[str], None]
) -> list[Row]:
    by_format = {name: [one for one in made if one.format == name] for name in REFEREES}
    counts: dict[str, Counter[str]] = {}
    # JPEG as often as the others together: it is what cameras give.
    formats = rng.choices(list(by_format), weights=[3, 1, 1, 1], k=files)
    for number, name in enumerate(formats):
        how = rng.choice(list(DAMAGES[name]))
        one = rng.choice(by_format[name])
        data = DAMAGES[name][how](one, rng.choice(by_format[name]), rng)
        if data is None or data == one.data:
            data, how = _flipped(one, one, rng), "bits flipped"
        count = counts.setdefault(f"{name}: {how}", Counter())
        count["tried"] += 1
        count[_verdict(one, data, work)] += 1
        if number % 250 == 249:
            tell(f"pictures: {number + 1} of {files}")
    return [Row(kind=kind, **_columns(counts[kind])) for kind in sorted(counts)]


def _verdict(one: Whole, data: bytes, work: Path) -> str:
    """Which column of its row it belongs to; ``same`` is none."""
    try:
        found = decode_image(data, "damaged")
    except ItemError:
        return "refused"
    if REFEREES[one.format](one, data, work):
        return "judged_though_reported"
    shown = decode_image(one.data, "whole")
    is_same = found.shape == shown.shape and not cv2.absdiff(found, shown).any()
    return "same" if is_same else "visible_and_silent"


def _whole(whole: int, rng: random.Random, made: list[Whole], data: Path) -> list[Row]:
    """Whole ones: of those made, and of the real ones as they are."""
    real = sorted(path for path in data.rglob("*.jpg")) + sorted(data.rglob("*.png"))
    counts: dict[str, Counter[str]] = {}
    for number in range(whole):
        if number % 2:
            one = rng.choice(made)
            kind, encoded = f"{one.format}: whole, {one.kind}", one.data
        else:
            kind, encoded = "real pictures", rng.choice(real).read_bytes()
        count = counts.setdefault(kind, Counter())
        count["tried"] += 1
        try:
            decode_image(encoded, "whole")
        except ItemError:
            count["whole_refused"] += 1
    return [Row(kind=kind, **_columns(counts[kind])) for kind in sorted(counts)]


def _columns(count: Counter[str]) -> dict[str, int]:
    return {name: count[name] for name in COLUMNS}


def _flipped(one: Whole, _: Whole, rng: random.Random) -> bytes:
    data = bytearray(one.data)
    data[rng.randrange(one.body, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _many_flipped(one: Whole, __: Whole, rng: random.Random) -> bytes:
    data = bytearray(one.data)
    for _ in range(rng.randrange(2, 20)):
        data[rng.randrange(one.body, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _cut(one: Whole, _: Whole, rng: random.Random) -> bytes:
    return one.data[: rng.randrange(1, len(one.data) - 2)]


def _cut_with_end(one: Whole, _: Whole, rng: random.Random) -> bytes:
    return one.data[: rng.randrange(one.body, len(one.data) - 2)] + END


def _lost(one: Whole, _: Whole, rng: random.Random) -> bytes:
    at = rng.randrange(one.body, len(one.data) - 2)
    return one.data[:at] + one.data[at + rng.randrange(1, 2000) :]


def _doubled(one: Whole, _: Whole, rng: random.Random) -> bytes:
    at = rng.randrange(one.body, len(one.data) - 2)
    return one.data[:at] + one.data[max(one.body, at - rng.randrange(1, 2000)) :]


def _zeroed(one: Whole, _: Whole, rng: random.Random) -> bytes | None:
    zeros = rng.choice(_ZEROS)
    if len(one.data) - one.body < 2 * zeros:
        return None
    at = rng.randrange(one.body, len(one.data) - zeros - 2)
    return one.data[:at] + bytes(zeros) + one.data[at + zeros :]


def _over_an_older(one: Whole, older: Whole, rng: random.Random) -> bytes | None:
    at = rng.randrange(one.body, len(one.data) - 2)
    return None if len(older.data) <= at + 2 else one.data[:at] + older.data[at:]


def _scans_missing(one: Whole, _: Whole, rng: random.Random) -> bytes | None:
    places = [at for at in range(one.body, len(one.data)) if one.data.startswith(b"\xff\xda", at)]
    return one.data[: rng.choice(places)] + END if places else None


def _preallocated(one: Whole, _: Whole, rng: random.Random) -> bytes:
    at = rng.randrange(one.body, len(one.data))
    return one.data[:at] + bytes(len(one.data) - at)


_ALL = {
    "a bit flipped": _flipped,
    "bits flipped": _many_flipped,
    "cut": _cut,
    "bytes lost": _lost,
    "bytes doubled": _doubled,
    "a run of zeros": _zeroed,
}
DAMAGES: dict[str, dict[str, Callable[[Whole, Whole, random.Random], bytes | None]]] = {
    "JPEG": {
        **_ALL,
        "cut, end marker there": _cut_with_end,
        "over an older one": _over_an_older,
        "scans missing": _scans_missing,
        "rest is zeros": _preallocated,
    },
    "PNG": {**_ALL, "over an older one": _over_an_older, "rest is zeros": _preallocated},
    "BMP": {"a bit flipped": _flipped, "cut": _cut, "bytes lost": _lost},
    "TIFF": {
        "a bit flipped": _flipped,
        "cut": _cut,
        "bytes lost": _lost,
        "a run of zeros": _zeroed,
    },
}


def _djpeg(_: Whole, data: bytes, __: Path) -> bool:
    command = ["djpeg", "-strict", "-outfile", "/dev/null"]
    return bool(subprocess.run(command, input=data, capture_output=True, check=False).returncode)


def _pngcheck(_: Whole, data: bytes, work: Path) -> bool:
    path = work / "damaged.png"
    path.write_bytes(data)
    return bool(
        subprocess.run(["pngcheck", "-q", path], capture_output=True, check=False).returncode
    )


def _shorter(one: Whole, data: bytes, _: Path) -> bool:
    """Every byte of a plain file is needed."""
    return len(data) < len(one.data)


REFEREES: dict[str, Callable[[Whole, bytes, Path], bool]] = {
    "JPEG": _djpeg,
    "PNG": _pngcheck,
    "BMP": _shorter,
    "TIFF": _shorter,
}


def _pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _encoded(suffix: str, pixels: NDArray[np.generic], **settings: int) -> bytes:
    flags: list[int] = []
    for name, value in settings.items():
        flags += [getattr(cv2, f"IMWRITE_{name}"), value]
    done, data = cv2.imencode(suffix, np.asarray(pixels), flags)
    assert done
    return bytes(data.tobytes())


def _lossless(data: bytes, work: Path, *how: str) -> bytes:
    path = work / "whole.jpg"
    path.write_bytes(data)
    return subprocess.run(["jpegtran", *how, path], capture_output=True, check=True).stdout


def _scan_begin(data: bytes) -> int:
    at = data.index(b"\xff\xda")
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
