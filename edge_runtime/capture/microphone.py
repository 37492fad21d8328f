"""A microphone through PortAudio, by its stable name.  The only importer of sounddevice.

PortAudio lists devices once, when it starts, so every `open` starts it anew: that is how a
microphone that was plugged in again is found.

PortAudio's own thread calls back with each block, and that callback makes one copy and one put that
never waits.  Reading without a callback looks simpler, but when the sound server or the device goes
away, PortAudio's read and also its question how much there is to read never return (measured with
PulseAudio), and with them the lane; a callback that no longer comes is seen after
``read_timeout_s``, and the stream can still be closed.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime import codes
from edge_runtime.capture import inputs
from edge_runtime.capture.level import Level
from edge_runtime.capture.sound_server import Answering
from edge_runtime.capture.sound_watch import Watch
from edge_runtime.capture.timeline import Timeline
from edge_runtime.channel import Channel, OnFull
from edge_runtime.config.advice import SERVED
from edge_runtime.errors import SourceUnavailable
from edge_runtime.types import AudioBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

WANTED_RATE_HZ = 16_000
LATENCY_S = 0.2
"""What PortAudio may buffer: a busy lane must not overrun the device."""
LEAST_OFFSET = 0.005
"""Of full scale: less is no fault of a sound card."""
RING_S = 2.0
"""What waits between PortAudio's thread and ours, which does nothing but read."""


class Microphone:
    """Satisfies `protocols.Source[AudioBlock]`, live."""

    def __init__(self, source: str, name: str, settings: Capture, *, clock: Clock) -> None:
        """`name`: ``default``, or as `inputs.choose` finds it."""
        self._source = source
        self._name = name
        self._settings = settings
        self._clock = clock
        self._stream: Any = None
        self._ring: Channel[tuple[bytes, bool]] = Channel(1, OnFull.DROP_OLDEST)
        self._first: tuple[bytes, bool] | None = None
        self._lost = threading.Event()
        self._channels = 1
        self._seq = 0
        self._timeline = Timeline(WANTED_RATE_HZ)
        self._same = 0
        self._value: int | None = None
        self._level = Level()
        self._level_dbfs: float | None = None
        self._device = ""
        self._watch = Watch()

    @property
    def live(self) -> bool:
        """Blocks that nobody takes are dropped, and the gap is marked."""
        return True

    def open(self) -> None:
        """Find the device, start it and wait for its first block, ``open_timeout_s`` at most.

        Raises `SourceUnavailable` naming what is there, or what to install.
        """
        self.close()
        sounddevice = import_sounddevice()
        with self._telling(sounddevice):
            _start_anew(sounddevice)
            device = inputs.choose(_inputs(sounddevice), self._name)
            self._device = "" if device.name in SERVED else device.name
            rate_hz = self._agree(sounddevice, device)
            self._ring = Channel(self._ring_blocks, OnFull.DROP_OLDEST, on_drop=self._on_drop)
            self._lost.clear()
            self._seq = 0
            self._timeline.reopened(rate_hz)
            self._stream = sounddevice.RawInputStream(
                device=device.index,
                channels=self._channels,
                samplerate=rate_hz,
                dtype="int16",
                blocksize=max(1, rate_hz * self._settings.block_ms // 1000),
                latency=LATENCY_S,
                callback=self._on_block,
            )
            self._stream.start()
        self._first = self._ring.get(self._settings.open_timeout_s)
        if self._first is None:
            self.close()
            raise self._away(f"no sound within {self._settings.open_timeout_s:g} s of opening it")
        self._watch.begin()
        self._check_muted()

    def read(self) -> AudioBlock:
        """The next block within ``read_timeout_s``.  Raises `SourceUnavailable`."""
        found, self._first = self._first, None
        if found is None:
            found = self._ring.get(self._settings.read_timeout_s)
        if found is None:
            raise self._away(
                f"no sound within {self._settings.read_timeout_s:g} s; "
                "the microphone is gone or hangs"
            )
        data, overflowed = found
        stamp = self._clock.stamp()
        whole = np.frombuffer(data, np.int16).reshape(-1, self._channels)
        samples = np.ascontiguousarray(whole[:, self._settings.channel])
        samples.flags.writeable = False
        if overflowed or self._lost.is_set():
            self._lost.clear()
            self._timeline.lost()
        self._level_dbfs = self._level.add(samples, self._timeline.rate_hz)
        self._check_alive(samples)
        self._check_muted()
        has_gap, position = self._timeline.place(len(samples), stamp)
        seq, self._seq = self._seq, self._seq + 1
        rate_hz = self._timeline.rate_hz
        return AudioBlock(self._source, seq, stamp, samples, rate_hz, position, has_gap)

    def vitals(self) -> dict[str, float]:
        """``level_dbfs`` while it is open, and an ``offset`` that is worth telling.  Any thread."""
        level_dbfs, offset = self._level_dbfs, self._level.offset
        if level_dbfs is None:
            return {}
        told = {"level_dbfs": level_dbfs}
        return told | {"offset": offset} if abs(offset) >= LEAST_OFFSET else told

    def answering(self) -> Answering | None:
        """Which device really answers; None while nobody knows.  Any thread."""
        return self._watch.found or (Answering(self._device) if self._device else None)

    def close(self) -> None:
        """Stop the stream.  Idempotent.  May hang with the driver: then the process is replaced."""
        stream, self._stream = self._stream, None
        self._first = None
        self._device = ""
        self._watch.end()
        self._level, self._level_dbfs = Level(), None
        if stream is not None:
            # Errors are of a device that went away before us; there is nothing left to do.
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    @property
    def _ring_blocks(self) -> int:
        return max(2, round(RING_S * 1000 / self._settings.block_ms))

    def _agree(self, sounddevice: Any, device: inputs.SoundInput) -> int:  # noqa: ANN401
        """Choose a rate and number of channels that the device can; the rate.

        Some cards give only all of their channels, or only their own rate.
        """
        channel = self._settings.channel
        if channel >= device.channels:
            raise SourceUnavailable(
                f"'{device.name}' has no channel {channel}: it has {device.channels}, from 0"
            )
        wanted_hz = self._settings.rate_hz or WANTED_RATE_HZ
        for rate_hz in (wanted_hz, device.rate_hz):
            for channels in (channel + 1, device.channels):
                try:
                    sounddevice.check_input_settings(
                        device=device.index, channels=channels, dtype="int16", samplerate=rate_hz
                    )
                except sounddevice.PortAudioError:
                    continue
                self._channels = channels
                return rate_hz
        raise SourceUnavailable(
            f"'{device.name}' can neither {wanted_hz} nor {device.rate_hz} Hz, or is in use"
        )

    def _check_alive(self, samples: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        """A microphone has noise; a muted or dead one gives the same number for ever."""
        first = int(samples[0])
        is_same = bool((samples == first).all())
        goes_on = is_same and first == self._value
        self._same = len(samples) * is_same + self._same * goes_on
        self._value = first if is_same else None
        same_s = self._same / self._timeline.rate_hz
        if self._settings.dead_s and same_s > self._settings.dead_s:
            told = "digital zero" if first == 0 else f"the number {first}"
            raise self._away(
                f"nothing but {told} for {same_s:.1f} s; is the microphone muted or broken? "
                "If that is right for it, set capture.dead_s = 0",
                codes.SOURCE_DEAD,
            )

    def _check_muted(self) -> None:
        """The sound server knows at once what the sound itself tells only after ``dead_s``."""
        found = self._watch.found
        if found is not None and found.why_silent and self._settings.dead_s:
            raise self._away(found.why_silent, codes.SOURCE_DEAD)

    @contextlib.contextmanager
    def _telling(self, sounddevice: Any) -> Iterator[None]:  # noqa: ANN401
        """What goes wrong in here comes out as `SourceUnavailable` with the source's name."""
        try:
            yield
        except SourceUnavailable as exc:
            self.close()
            raise self._away(str(exc)) from exc
        except MemoryError as exc:  # the callback needs memory that is both written and run
            self.close()
            raise self._away("take MemoryDenyWriteExecute out of the service's unit") from exc
        except (sounddevice.PortAudioError, ValueError, OSError) as exc:
            self.close()
            raise self._away(str(exc)) from exc

    def _away(self, reason: str, code: str = codes.SOURCE_AWAY) -> SourceUnavailable:
        return SourceUnavailable(f"{self._source}: {reason}", code=code)

    def _on_block(self, data: Any, _frames: int, _time: object, status: Any) -> None:  # noqa: ANN401
        """PortAudio's own thread."""
        self._ring.put((bytes(data), bool(status.input_overflow)))

    def _on_drop(self, _: object) -> None:
        """PortAudio's own thread: our side did not take a block for `RING_S`."""
        self._lost.set()


def import_sounddevice() -> Any:  # noqa: ANN401 - the library has no types
    """The library, or `SourceUnavailable` that says what to install."""
    try:
        import sounddevice
    except ImportError as exc:
        raise SourceUnavailable("sounddevice is not installed: 'pip install sounddevice'") from exc
    except OSError as exc:
        raise SourceUnavailable(
            "PortAudio is not installed: run 'apt install libportaudio2'"
        ) from exc
    return sounddevice


def list_inputs() -> list[inputs.SoundInput]:
    """What records, as PortAudio saw it when this process first asked.

    Raises `SourceUnavailable` where the library is missing or fails.
    """
    sounddevice = import_sounddevice()
    try:
        return _inputs(sounddevice)
    except sounddevice.PortAudioError as exc:
        raise SourceUnavailable(f"PortAudio cannot list devices: {exc}") from exc


def _inputs(sounddevice: Any) -> list[inputs.SoundInput]:  # noqa: ANN401
    default_index = int(sounddevice.default.device[0])
    return inputs.sound_inputs(sounddevice.query_devices(), default_index, inputs.card_id)


def _start_anew(sounddevice: Any) -> None:  # noqa: ANN401
    """The only way to have PortAudio look for devices again; nothing else here uses it."""
    with contextlib.suppress(sounddevice.PortAudioError):  # not started: an earlier start failed
        sounddevice._terminate()  # noqa: SLF001 - there is no public way
    sounddevice._initialize()  # noqa: SLF001
