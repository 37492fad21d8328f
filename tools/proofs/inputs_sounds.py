"""Damaged and whole sounds, read by the product and by programs that it does not use.

The referees: ``flac -t``, ``ffmpeg -xerror``, and for WAV the sizes in its header against the
file's own.  The product may refuse a damaged file, or read it and say what is wrong: both count as
told.  Read without a word while a referee reports is the failure that this looks for.
"""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.files.sound import SoundFile
from tools.proofs.inputs_row import Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

_BLOCK = 1 << 16
_HEAD_BYTES = 64
_WAV_SUBTYPES = ("PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")


@dataclass(frozen=True)
class Base:
    """A whole file that damaged ones are made of."""

    kind: str
    path: Path


@dataclass(frozen=True)
class Reading:
    """What the product made of a file."""

    told: bool
    samples: NDArray[np.int16] | None
    why: str = ""


def run(
    files: int, whole: int, seed: int, data: Path, work: Path, tell: Callable[[str], None]
) -> list[Row]:
    """`files` damaged and `whole` whole sounds, made from those below `data` in `work`."""
    rng = np.random.default_rng(seed)
    clips = sorted((data / "speech_commands").glob("*/*.flac"))
    bases = _bases([clips[at] for at in rng.choice(len(clips), 6, replace=False)], work)
    tell(f"sounds: {len(bases)} whole files to damage")
    rows = _damaged(files, rng, bases, work, tell)
    return [*rows, *_whole(whole, rng, clips, bases, work, tell)]


def _damaged(
    files: int, rng: Generator, bases: list[Base], work: Path, tell: Callable[[str], None]
) -> list[Row]:
    counted: dict[str, Counter[str]] = {}
    kinds = list(DAMAGES)
    for number in range(files):
        base = bases[number % len(bases)]
        damage = kinds[int(rng.integers(len(kinds)))]
        bare = base.path.read_bytes()
        bad = DAMAGES[damage](bare, rng)
        if bad == bare:
            continue
        path = work / f"damaged{base.path.suffix}"
        path.write_bytes(bad)
        row = counted.setdefault(f"{base.kind}: {damage}", Counter())
        row["tried"] += 1
        found = read(path)
        if found.told:
            row["refused"] += 1
        elif reports := referees(path, base.kind):
            row["judged_though_reported"] += 1
            kept = work / f"silent-{number}{path.suffix}"
            path.rename(kept)
            tell(f"sounds: {kept}: {base.kind}, {damage}: read, and {'; '.join(reports)}")
        elif not _is_same(found.samples, read(base.path).samples):
            row["visible_and_silent"] += 1
    return [Row(kind, **counted[kind]) for kind in sorted(counted)]


def _whole(
    count: int,
    rng: Generator,
    clips: list[Path],
    bases: list[Base],
    work: Path,
    tell: Callable[[str], None],
) -> list[Row]:
    counted: dict[str, Counter[str]] = {}
    chosen = [clips[int(at)] for at in rng.integers(len(clips), size=max(0, count - len(bases)))]
    for base in [*bases, *_rewritten(chosen, rng, work)]:
        row = counted.setdefault(f"{base.kind}: whole", Counter())
        row["tried"] += 1
        found = read(base.path)
        if found.told:
            row["whole_refused"] += 1
            tell(f"sounds: {base.path}: {base.kind}, whole: {found.why}")
    return [Row(kind, **counted[kind]) for kind in sorted(counted)]


def read(path: Path) -> Reading:
    """As a lane reads it, to its end."""
    blocks = []
    try:
        with SoundFile(path) as sound:
            blocks = list(sound.blocks(_BLOCK))
            told = sound.told
    except EdgeRuntimeError as exc:
        return Reading(told=True, samples=None, why=str(exc))
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.int16)
    return Reading(told=bool(told), samples=samples, why="; ".join(told))


def referees(path: Path, kind: str) -> list[str]:
    """What programs and lengths say against a file; empty where they find nothing."""
    found = []
    if kind.startswith("FLAC") and (said := _run("flac", "-t", "-s", str(path))):
        found.append(f"flac -t: {said}")
    null = ("-map", "0:a", "-f", "null", "-")
    if said := _run("ffmpeg", "-v", "error", "-xerror", "-i", str(path), *null):
        found.append(f"ffmpeg: {said}")
    if kind.startswith("WAV") and (said := wrong_lengths(path.read_bytes())):
        found.append(f"lengths: {said}")
    return found


def wrong_lengths(data: bytes) -> str:
    """Whether the sizes of a WAV and of its chunks add up to the file; written for this alone."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return "no RIFF"
    riff = struct.unpack_from("<I", data, 4)[0]
    if abs(riff + 8 - len(data)) > 1:
        return f"RIFF tells of {riff + 8} bytes, {len(data)} are there"
    at, names = 12, []
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        names.append(name)
        at += 8 + size + size % 2
    if abs(at - len(data)) > 1:
        return f"its chunks end at byte {at}, the file at {len(data)}"
    return "" if b"fmt " in names and b"data" in names else f"chunks are {names}"


def _run(*words: str) -> str:
    ran = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    lines = ran.stderr.strip().splitlines()
    if not ran.returncode and not lines:
        return ""
    return lines[-1] if lines else f"exit {ran.returncode}"


def _bases(clips: list[Path], work: Path) -> list[Base]:
    """The clips in every form that is to be damaged."""
    found = []
    for number, clip in enumerate(clips):
        samples, rate_hz = soundfile.read(clip, dtype="int16")
        for form in ("wav", "flac"):
            path = work / f"base-{number}.{form}"
            soundfile.write(path, samples, rate_hz, subtype="PCM_16")
            found.append(Base(form.upper(), path))
    plain = found[0].path
    found += [
        Base("FLAC stereo 24 bit", _ffmpeg(plain, work / "stereo.flac", "-ac", "2", *_BITS_24)),
        Base("FLAC in Ogg", _flac(plain, work / "base.oga", "--ogg")),
        Base("WAV with LIST", _with_list(plain, work / "list.wav")),
        Base("WAV stereo 24 bit", _ffmpeg(plain, work / "s.wav", "-ac", "2", "-c:a", "pcm_s24le")),
    ]
    return found


_BITS_24 = ("-sample_fmt", "s32", "-bits_per_raw_sample", "24")


def _rewritten(clips: list[Path], rng: Generator, work: Path) -> list[Base]:
    """Whole files of many forms, by four writers."""
    found = []
    for number, clip in enumerate(clips):
        samples, rate_hz = soundfile.read(clip, dtype="int16")
        samples = samples[: len(samples) - int(rng.integers(64))]
        form = number % 6
        subtype = _WAV_SUBTYPES[int(rng.integers(len(_WAV_SUBTYPES)))]
        path = work / f"whole-{number}"
        if form == 0:
            path = path.with_suffix(".wav")
            soundfile.write(path, samples, rate_hz, subtype=subtype)
            found.append(Base(f"WAV {subtype}", path))
        elif form == 1:
            container = ("WAVEX", "RF64", "W64", "AIFF")[number // 6 % 4]
            path = path.with_suffix(f".{container.lower()}")
            soundfile.write(path, samples, rate_hz, format=container, subtype="PCM_16")
            found.append(Base(container, path))
        elif form == 2:
            found.append(Base("WAV of ffmpeg", _ffmpeg(clip, path.with_suffix(".wav"))))
        elif form == 3:
            found.append(Base("FLAC of ffmpeg", _ffmpeg(clip, path.with_suffix(".flac"))))
        elif form == 4:
            found.append(Base("FLAC in Ogg", _ffmpeg(clip, path.with_suffix(".oga"), *_OGG)))
        else:
            found.append(Base("FLAC as it is", clip))
    return found


_OGG = ("-c:a", "flac", "-f", "ogg")


def _ffmpeg(source: Path, made: Path, *options: str) -> Path:
    words = ("ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(made))
    subprocess.run(words, check=True)
    return made


def _flac(source: Path, made: Path, *options: str) -> Path:
    subprocess.run(("flac", "-s", "-f", *options, "-o", str(made), str(source)), check=True)
    return made


def _with_list(source: Path, made: Path) -> Path:
    data = bytearray(source.read_bytes())
    data += struct.pack("<4sI", b"LIST", 27) + b"INFOISFT" + struct.pack("<I", 15)
    data += b"a recorder v1.0" + b"\0"
    data[4:8] = struct.pack("<I", len(data) - 8)
    made.write_bytes(bytes(data))
    return made


def _is_same(one: NDArray[np.int16] | None, two: NDArray[np.int16] | None) -> bool:
    return one is not None and two is not None and np.array_equal(one, two)


def _flip(data: bytes, rng: Generator, first: int, end: int, bits: int) -> bytes:
    changed = bytearray(data)
    for _ in range(bits):
        changed[int(rng.integers(first, max(first + 1, end)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _filled(data: bytes, rng: Generator, make: Callable[[int], bytes]) -> bytes:
    size = int(rng.integers(16, 4_096))
    at = int(rng.integers(_HEAD_BYTES, max(_HEAD_BYTES + 1, len(data) - size)))
    return data[:at] + make(size)[: len(data) - at] + data[at + size :]


def _cut(data: bytes, rng: Generator) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


def _without_some(data: bytes, rng: Generator) -> bytes:
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 2_048))
    return data[:at] + data[at + size :]


def _with_more(data: bytes, rng: Generator) -> bytes:
    at = int(rng.integers(_HEAD_BYTES, len(data)))
    return data[:at] + rng.bytes(int(rng.integers(1, 2_048))) + data[at:]


DAMAGES: dict[str, Callable[[bytes, Generator], bytes]] = {
    "one bit flipped": lambda data, rng: _flip(data, rng, 0, len(data), 1),
    "bits flipped": lambda data, rng: _flip(data, rng, 0, len(data), int(rng.integers(2, 64))),
    "a bit of its header flipped": lambda data, rng: _flip(data, rng, 0, _HEAD_BYTES, 1),
    "cut": _cut,
    "zeros inside": lambda data, rng: _filled(data, rng, bytes),
    "noise inside": lambda data, rng: _filled(data, rng, rng.bytes),
    "bytes missing": _without_some,
    "bytes too many": _with_more,
    "bytes behind its end": lambda data, rng: data + rng.bytes(int(rng.integers(3, 2_048))),
    "twice in one file": lambda data, _: data + data,
}
"""Each makes other bytes of a whole file's."""
