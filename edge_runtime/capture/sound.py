"""A WAV or FLAC file as a source of audio blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.capture.pace import Pace
from edge_runtime.errors import ItemError, NoInput, SourceEnded, SourceUnavailable
from edge_runtime.sound_file import SoundFile
from edge_runtime.types import AudioBlock

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

ITEM = "samples:"


class SoundReplay:
    """Satisfies `protocols.Source[AudioBlock]`.

    Segments cut from it are named ``samples:FIRST-END``; `resume_after` one goes on at END.
    """

    def __init__(
        self,
        source: str,
        path: str,
        settings: Capture,
        *,
        clock: Clock,
        resume_after: str | None = None,
    ) -> None:
        self._source = source
        self._path = Path(path)
        self._settings = settings
        self._clock = clock
        self._position = 0
        if resume_after is not None:
            self._position = int(resume_after.removeprefix(ITEM).split("-")[1])
        self._file: SoundFile | None = None
        self._seq = 0
        self._pace: Pace | None = None

    @property
    def live(self) -> bool:
        """Whether blocks that nobody takes are dropped."""
        return self._settings.live

    def open(self) -> None:
        """Open.  Raises `SourceUnavailable` for what is not there or not sound."""
        try:
            self._file = SoundFile(self._path, self._settings.channel)
        except (NoInput, ItemError) as exc:
            raise SourceUnavailable(str(exc)) from exc
        if self._position:
            self._file.seek(self._position)
        paced = self._settings.realtime or self._settings.live
        self._pace = Pace(self._clock) if paced else None

    def read(self) -> AudioBlock | None:
        """The next ``block_ms``; the last may be shorter.  Raises `SourceEnded`."""
        assert self._file is not None
        rate_hz = self._file.rate_hz
        samples = self._file.read(rate_hz * self._settings.block_ms // 1000)
        if len(samples) == 0:
            raise SourceEnded
        position, self._position = self._position, self._position + len(samples)
        if self._pace is not None:
            self._pace.wait_until(self._position / rate_hz)
        seq, self._seq = self._seq, self._seq + 1
        return AudioBlock(self._source, seq, self._clock.stamp(), samples, rate_hz, position)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
