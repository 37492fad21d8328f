"""Sound files that are not what they say, each made out of a whole one."""

from __future__ import annotations

import struct
import subprocess
import wave
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 16_000
COUNT = 24_000
HEADER = 44


def sound(seed: int = 0, count: int = COUNT) -> NDArray[np.int16]:
    """Noise that swells: no two samples and no two seconds are alike."""
    rng = np.random.default_rng(seed)
    swell = 2_000 + 6_000 * np.sin(np.arange(count) / count * np.pi)
    return np.asarray(np.rint(rng.normal(0, 1, count) * swell / 3), np.int16)


def wav_bytes(samples: NDArray[np.int16], *, tail: bytes = b"", data: int | None = None) -> bytes:
    """A WAV; `data`: what its header says in place of the right size; `tail`: chunks behind."""
    raw = samples.astype("<i2").tobytes()
    size = len(raw) if data is None else data
    riff = min(36 + size + len(tail), 0xFFFF_FFFF)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ,
                       RATE_HZ * 2, 2, 16)  # fmt: skip
    return head + struct.pack("<4sI", b"data", size) + raw + tail


def flac_bytes(folder: Path, samples: NDArray[np.int16], *options: str) -> bytes:
    """As the reference encoder writes it."""
    source, made = folder / "plain.wav", folder / "made.flac"
    source.write_bytes(wav_bytes(samples))
    subprocess.run(["flac", "-s", "-f", *options, "-o", str(made), str(source)], check=True)
    return made.read_bytes()


def of_unknown_length(flac: bytes) -> bytes:
    """As a streaming encoder leaves it: no count, no checksum."""
    data = bytearray(flac)
    data[21] &= 0xF0
    data[22:42] = bytes(20)
    return bytes(data)


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _wav(name: str, make: Callable[[], bytes]) -> Callable[[Path], Path]:
    return lambda folder: _write(folder, name, make())


def _flac(name: str, make: Callable[[bytes], bytes], *options: str) -> Callable[[Path], Path]:
    return lambda folder: _write(folder, name, make(flac_bytes(folder, sound(), *options)))


def _list_chunk(size: int) -> bytes:
    return struct.pack("<4sI", b"LIST", size) + b"INFO" + bytes(size - 4 + (size & 1))


def _rf64() -> bytes:
    raw = sound().tobytes()
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 72 + len(raw), len(raw), len(raw) // 2, 0)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, RATE_HZ * 2, 2, 16)
    head = struct.pack("<4sI4s", b"RF64", 0xFFFF_FFFF, b"WAVE")
    return head + ds64 + fmt + struct.pack("<4sI", b"data", 0xFFFF_FFFF) + raw


def _stereo(folder: Path, name: str, left: NDArray[np.int16]) -> Path:
    path = folder / name
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.stack([left, sound()], axis=1).astype("<i2").tobytes())
    return path


def _converted(folder: Path, name: str, *options: str) -> Path:
    source = _write(folder, "source.wav", wav_bytes(sound()))
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(folder / name)],
        check=True,
    )
    return folder / name


SOUNDS: dict[str, Callable[[Path], Path]] = {
    "WAV": _wav("a.wav", lambda: wav_bytes(sound())),
    "WAV named .wave": _wav("a.wave", lambda: wav_bytes(sound())),
    "WAV with chunks behind its sound": _wav(
        "a.wav", lambda: wav_bytes(sound(), tail=_list_chunk(26))
    ),
    "WAV of an odd size with a chunk behind it": _wav(
        "a.wav", lambda: wav_bytes(sound(), tail=_list_chunk(27))
    ),
    "RF64": _wav("a.wav", _rf64),
    "WAV of a recorder that was killed: size 0": _wav("a.wav", lambda: wav_bytes(sound(), data=0)),
    "WAV of a stream: size 0xFFFFFFFF": _wav("a.wav", lambda: wav_bytes(sound(), data=0xFFFF_FFFF)),
    "WAV whose header covers its first block": _wav(
        "a.wav", lambda: wav_bytes(sound(), data=8_192)
    ),
    "WAV cut in half": _wav("a.wav", lambda: wav_bytes(sound())[: HEADER + COUNT]),
    "WAVs joined in one file": _wav("a.wav", lambda: wav_bytes(sound(0)) + wav_bytes(sound(1))),
    "WAV without a sample": _wav("a.wav", lambda: wav_bytes(sound(0, 0))),
    "WAV whose header contradicts itself": _wav(
        "a.wav", lambda: wav_bytes(sound()).replace(struct.pack("<I", 32_000), b"\1\1\0\0", 1)
    ),
    "FLAC": _flac("a.flac", lambda data: data),
    "FLAC of a stream: length not known": _flac("a.flac", of_unknown_length),
    "FLAC cut in half": _flac("a.flac", lambda data: data[: len(data) // 2]),
    "FLAC with a flipped bit": _flac("a.flac", lambda data: flipped(data, len(data) * 2 // 3)),
    "FLAC whose checksum is of another sound": _flac("a.flac", lambda data: flipped(data, 30)),
    "FLACs joined in one file": _flac("a.flac", lambda data: data + data),
    "FLAC in Ogg": _flac("a.oga", lambda data: data, "--ogg"),
    "FLAC in Ogg named .flac": _flac("a.flac", lambda data: data, "--ogg"),
    "FLAC in Ogg, cut": _flac("a.oga", lambda data: data[: len(data) // 2], "--ogg"),
    "FLAC named .wav": _flac("a.wav", lambda data: data),
    "AIFF": lambda folder: _converted(folder, "a.aiff"),
    "MP3": lambda folder: _converted(folder, "a.mp3"),
    "Ogg Vorbis": lambda folder: _converted(folder, "a.ogg", "-c:a", "libvorbis"),
    "text named .wav": _wav("a.wav", lambda: b"no sound at all, only words"),
    "digital silence": _wav("a.wav", lambda: wav_bytes(np.zeros(COUNT, np.int16))),
    "an offset without a sound": _wav("a.wav", lambda: wav_bytes(np.full(COUNT, -9_000, np.int16))),
    "stereo whose chosen channel is dead": lambda folder: _stereo(
        folder, "a.wav", np.zeros(COUNT, np.int16)
    ),
}
"""By what the documents call them."""


def flipped(data: bytes, at: int, bit: int = 3) -> bytes:
    """One bit the other way round."""
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)
