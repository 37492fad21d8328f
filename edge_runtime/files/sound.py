"""Sound files into samples: WAV, FLAC and AIFF, one channel, 16 bit, in blocks or whole.

A `SoundFile` is owned by one thread.  The file's own rate is kept; resampling is for those who know
what rate they need.  What is there is read, and what is wrong or odd about it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.config import sound_names
from edge_runtime.errors import ItemError
from edge_runtime.files import flac
from edge_runtime.files.channels import Channels
from edge_runtime.files.naming import printable
from edge_runtime.files.sound_streams import decoder, find_streams, length, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

SUFFIXES = sound_names.READ
MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 384_000
MAX_WHOLE_S = 1800.0
"""What `read_sound` takes into memory: half an hour at 48 kHz is 173 MB."""
_BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class Sound:
    """A whole sound."""

    samples: NDArray[np.int16]
    """(n,) of one channel, n >= 1."""
    rate_hz: int
    is_silent: bool
    """No sample stands out from the others: digital silence, whatever its offset."""
    told: tuple[str, ...]
    """What is wrong with the file, or odd, without its name; each for people."""


class SoundFile:
    """An open sound file, read forward.  Use as a context manager or call `close`."""

    def __init__(self, path: Path, channel: int = 0) -> None:
        """Open `path` to read `channel` (0 is the first).

        Raises `NoInput` when it is not there, and `ItemError` when it is not sound, has no such
        channel, or has a rate that no device has.
        """
        self.path = path
        self._decoder: Any = None
        self._streams = find_streams(path)
        self._channel = channel
        try:
            self._decoder = self._begin(0)
            self.rate_hz = int(self._decoder.samplerate)
            self.channels = int(self._decoder.channels)
            self.samples_total = self._total()
            self._refuse()
        except BaseException:
            self.close()
            raise
        self._heard = Channels(self.channels)

    @property
    def told(self) -> tuple[str, ...]:
        """What is wrong with the file and does not keep it from being read.

        Complete once all was read.
        """
        dead = self._heard.dead(self._channel)
        return (*self._streams.told, *([dead] if dead else []))

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know, and nothing is wrong with."""
        return tuple(self._streams.notes)

    @property
    def is_silent(self) -> bool:
        """Whether what was read of the channel is digital silence."""
        return not self._heard.moves(self._channel)

    def read(self, count: int) -> NDArray[np.int16]:
        """The next `count` samples, (n,) int16; fewer at the end, none behind it.

        Raises `ItemError` when the file is damaged from here on.
        """
        found: list[NDArray[np.int16]] = []
        left = count
        while left > 0 and self._decoder is not None:
            block = self._decoded(left)
            if len(block):
                self._heard.add(block)
                found.append(block[:, self._channel])
                left -= len(block)
            if left > 0 and not self._next_stream():
                break
        if not found:
            return np.empty(0, np.int16)
        return np.ascontiguousarray(found[0] if len(found) == 1 else np.concatenate(found))

    def blocks(self, count: int) -> Iterator[NDArray[np.int16]]:
        """Blocks of `count` samples, the last may be shorter."""
        while True:
            block = self.read(count)
            if len(block):
                yield block
            if len(block) < count:
                return

    def seek(self, sample: int) -> int:
        """Go on at this sample, counted from the file's start, or at the end; where that is."""
        at = 0
        for number, stream in enumerate(self._streams.streams):
            self._decoder = self._begin(number)
            told = stream.flac.samples if stream.flac is not None else length(self._decoder)
            is_last = number == len(self._streams.streams) - 1
            if told is not None and sample - at >= told and not is_last:
                at += told
                continue
            return at + self._go_to(max(0, sample - at), told)
        return at

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        self._streams.file.close()

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

    def _begin(self, number: int) -> Any:  # noqa: ANN401 - untyped
        """A decoder at the first sample of a stream; the one before is closed."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        self._number = number
        stream = self._streams.streams[number]
        found = decoder(stream, self._streams, self.path)
        self._checked = None if stream.flac is None else flac.Checked(stream.flac)
        # libsndfile truncates floats to integers: those are read as floats and scaled here.
        self._is_float = found.subtype in ("FLOAT", "DOUBLE")
        return found

    def _decoded(self, count: int) -> NDArray[np.int16]:
        """(n, channels), n at most `count`; 0 at the stream's end."""
        dtype = "float32" if self._is_float else "int16" if self._checked is None else "int32"
        try:
            block = self._decoder.read(count, dtype=dtype, always_2d=True)
        except RuntimeError as exc:  # what the library raises is of this kind, too
            told = self._streams.damage or f"damaged: {said(exc)}"
            raise ItemError(f"{printable(self.path)}: {told}") from exc
        if self._checked is not None:
            self._checked.add(block)
            block >>= 16
        elif self._is_float:
            unit = np.clip(np.nan_to_num(block, posinf=1.0, neginf=-1.0), -1.0, 1.0)
            block = np.minimum(np.rint(unit * np.float32(32768.0)), 32767)
        return np.asarray(block, np.int16)

    def _next_stream(self) -> bool:
        """At a stream's end: whether another one follows.  Raises `ItemError` as `read`."""
        name = printable(self.path)
        if self._checked is not None:
            if damage := self._checked.damage():
                self._end()
                raise ItemError(f"{name}: {self._streams.damage or damage}")
            if remark := self._checked.remark():
                self._streams.told.append(remark)
        if self._number + 1 < len(self._streams.streams):
            self._decoder = self._begin(self._number + 1)
            if (self._decoder.samplerate, self._decoder.channels) == (self.rate_hz, self.channels):
                return True
            self._streams.told.append("the next of them has another rate or channels: left out")
        self._end()
        if self._streams.damage:
            raise ItemError(f"{name}: {self._streams.damage}")
        return False

    def _end(self) -> None:
        """Nothing more is read."""
        self._decoder.close()
        self._decoder = None

    def _go_to(self, sample: int, told: int | None) -> int:
        """Within the stream that was just begun."""
        wanted = sample if told is None else min(sample, told)
        if wanted == 0:
            return 0
        try:
            at = int(self._decoder.seek(wanted))
        except RuntimeError:  # beyond its end, or nobody can say where: the slow way
            self._decoder = self._begin(self._number)
            at = 0
            while at < wanted:
                skipped = len(self._decoded(min(_BLOCK_FRAMES, wanted - at)))
                if not skipped:
                    return at
                at += skipped
            return at
        if self._checked is not None:
            self._checked.went_to(at)
        return at

    def _total(self) -> int | None:
        """Samples, as the headers tell; None where one of them does not."""
        total = 0
        for number, stream in enumerate(self._streams.streams):
            if stream.flac is None and number:
                self._decoder = self._begin(number)
            told = stream.flac.samples if stream.flac is not None else length(self._decoder)
            if told is None:
                return None
            total += told
        if self._number:
            self._decoder = self._begin(0)
        return total

    def _refuse(self) -> None:
        problem = self._problem()
        if problem:
            raise ItemError(f"{printable(self.path)}: {problem}")

    def _problem(self) -> str:
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            return f"{self.rate_hz} Hz is no sample rate; {MIN_RATE_HZ}..{MAX_RATE_HZ} Hz are read"
        if not 0 <= self._channel < self.channels:
            have = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            return f"no channel {self._channel}: it has {have}, counted from 0"
        if self.samples_total == 0:
            return NO_SOUND
        return ""


NO_SOUND = "it holds no sound (0 samples)"


def read_whole(path: Path, *, channel: int = 0) -> Sound:
    """All samples of one channel, and what is odd about the file.

    Raises `NoInput` or `ItemError` as `SoundFile`; also for more than `MAX_WHOLE_S`.
    """
    with SoundFile(path, channel) as sound:
        most = int(MAX_WHOLE_S * sound.rate_hz)
        _check_length(path, sound.samples_total or 0, sound.rate_hz)
        blocks, count = [], 0
        for block in sound.blocks(_BLOCK_FRAMES):
            blocks.append(block)
            count += len(block)
            if count > most:
                break
        _check_length(path, count, sound.rate_hz)
        if not count:
            raise ItemError(f"{printable(path)}: {NO_SOUND}")
        told = (*sound.notes, *sound.told)
        return Sound(np.concatenate(blocks), sound.rate_hz, sound.is_silent, told)


def read_sound(path: Path, *, channel: int = 0) -> tuple[NDArray[np.int16], int]:
    """`read_whole` for those who only need (n,) int16 and the rate in Hz."""
    sound = read_whole(path, channel=channel)
    return sound.samples, sound.rate_hz


def _check_length(path: Path, samples: int, rate_hz: int) -> None:
    if samples > MAX_WHOLE_S * rate_hz:
        raise ItemError(
            f"{printable(path)}: {samples / rate_hz:.0f} s is longer than "
            f"{MAX_WHOLE_S:.0f} s; run it as a lane's source instead"
        )
