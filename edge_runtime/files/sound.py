"""Sound files into samples: WAV and FLAC, one channel, 16 bit, in blocks or whole.

A `SoundFile` is owned by one thread.  The file's own rate is kept; resampling is for those who know
what rate they need.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ItemError, NoInput
from edge_runtime.files.naming import printable
from edge_runtime.files.regular import not_a_file, other_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

SUFFIXES = frozenset({".wav", ".flac"})
MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 384_000
MAX_WHOLE_S = 1800.0
"""What `read_sound` takes into memory: half an hour at 48 kHz is 173 MB."""
_BLOCK_FRAMES = 1 << 16


class SoundFile:
    """An open WAV or FLAC file, read forward.  Use as a context manager or call `close`."""

    def __init__(self, path: Path, channel: int = 0) -> None:
        """Open `path` to read `channel` (0 is the first).

        Raises `NoInput` when it is not there, and `ItemError` when it is not sound, has no such
        channel, or has a rate that no device has.
        """
        self.path = path
        self._file = _open(path)
        self._channel = channel
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.samples_total = int(self._file.frames)
        # libsndfile truncates floats to integers: those are read as floats and scaled here.
        self._is_float = self._file.subtype in ("FLOAT", "DOUBLE")
        problem = self._problem()
        if problem:
            self.close()
            raise ItemError(f"{printable(path)}: {problem}")

    def read(self, count: int) -> NDArray[np.int16]:
        """The next `count` samples, (n,) int16; fewer at the end, none behind it.

        Raises `ItemError` when the file is damaged from here on.
        """
        import soundfile

        dtype = "float32" if self._is_float else "int16"
        try:
            block = self._file.read(count, dtype=dtype, always_2d=True)[:, self._channel]
        except (soundfile.SoundFileError, RuntimeError) as exc:
            raise ItemError(f"{printable(self.path)}: damaged: {_said(exc)}") from exc
        if self._is_float:
            unit = np.clip(np.nan_to_num(block, posinf=1.0, neginf=-1.0), -1.0, 1.0)
            block = np.minimum(np.rint(unit * np.float32(32768.0)), 32767)
        return np.ascontiguousarray(block, np.int16)

    def blocks(self, count: int) -> Iterator[NDArray[np.int16]]:
        """Blocks of `count` samples, the last may be shorter."""
        while True:
            block = self.read(count)
            if len(block):
                yield block
            if len(block) < count:
                return

    def seek(self, sample: int) -> None:
        """Go on at this sample, counted from the file's start."""
        self._file.seek(max(0, min(sample, self.samples_total)))

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _problem(self) -> str:
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            return f"{self.rate_hz} Hz is no sample rate; {MIN_RATE_HZ}..{MAX_RATE_HZ} Hz are read"
        if not 0 <= self._channel < self.channels:
            have = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            return f"no channel {self._channel}: it has {have}, counted from 0"
        if self.samples_total == 0:
            return "it holds no sound (0 samples)"
        return ""


def read_sound(path: Path, *, channel: int = 0) -> tuple[NDArray[np.int16], int]:
    """All samples of one channel, (n,) int16 with n >= 1, and their rate in Hz.

    Raises `NoInput` or `ItemError` as `SoundFile`; also for more than `MAX_WHOLE_S`.
    """
    with SoundFile(path, channel) as sound:
        if sound.samples_total > MAX_WHOLE_S * sound.rate_hz:
            raise ItemError(
                f"{printable(path)}: {sound.samples_total / sound.rate_hz:.0f} s is longer than "
                f"{MAX_WHOLE_S:.0f} s; run it as a lane's source instead"
            )
        return np.concatenate(list(sound.blocks(_BLOCK_FRAMES))), sound.rate_hz


def _open(path: Path) -> Any:  # noqa: ANN401 - the library has no types
    import soundfile

    name = printable(path)
    try:
        kind = other_kind(path.stat().st_mode)
    except (OSError, ValueError) as exc:
        raise NoInput(f"{name}: there is no such file") from exc
    if kind:  # libsndfile would wait for ever for a pipe's other end
        raise ItemError(not_a_file(path, kind))
    try:
        # As bytes: the library cannot encode a name that is not UTF-8.
        file = soundfile.SoundFile(os.fsencode(path))
    except (soundfile.SoundFileError, RuntimeError, OSError, TypeError) as exc:
        raise ItemError(f"{name}: not a sound file that can be read: {_said(exc)}") from exc
    if file.format not in ("WAV", "WAVEX", "FLAC", "RF64"):
        found = file.format
        file.close()
        raise ItemError(f"{name}: {found} sound; WAV and FLAC are read")
    return file


def _said(exc: Exception) -> str:
    """The library's own words, without the path it repeats."""
    return str(exc).rpartition("': ")[2].strip().rstrip(".") or type(exc).__name__
