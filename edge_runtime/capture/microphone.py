"""A microphone through PortAudio, by its stable name.  The only importer of sounddevice.

PortAudio lists devices once, when it starts, so every `open` starts it anew: that is how a microphone
that was plugged in again is found.  Its callback only copies; a stream whose callback no longer comes
is a microphone that has gone (PortAudio itself does not say so).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.channel import Channel, OnFull
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import SourceUnavailable
from edge_runtime.types import AudioBlock

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

WANTED_RATE_HZ = 16_000
LATENCY_S = 0.2
"""What PortAudio may buffer: a busy lane must not overrun the device."""
_RING_S = 2.0


class Microphone:
    """Satisfies `protocols.Source[AudioBlock]`, live."""

    def __init__(self, source: str, name: str, settings: Capture, *, clock: Clock) -> None:
        self._source = source
        self._name = name
        self._settings = settings
        self._clock = clock
        self._stream: Any = None
        self._rate_hz = WANTED_RATE_HZ
        self._ring: Channel[tuple[bytes, bool]] = Channel(1, OnFull.DROP_OLDEST)
        self._channels = 1
        self._seq = 0
        self._position = 0
        self._lost = threading.Event()

    @property
    def live(self) -> bool:
        """Blocks that nobody takes are dropped, and the gap is marked."""
        return True

    def open(self) -> None:
        """Find the device by name and start it.  Raises `SourceUnavailable`."""
        sounddevice = import_sounddevice()
        try:
            sounddevice._terminate()  # noqa: SLF001 - the only way to list devices anew
            sounddevice._initialize()  # noqa: SLF001
            device = find_microphone(sounddevice.query_devices(), self._name)
            self._channels = max(1, self._settings.channel + 1)
            self._rate_hz = self._rate_for(sounddevice, device)
            self._ring = Channel(
                max(2, round(_RING_S * 1000 / self._settings.block_ms)),
                OnFull.DROP_OLDEST,
                on_drop=lambda _: self._lost.set(),
            )
            self._stream = sounddevice.RawInputStream(
                device=device,
                channels=self._channels,
                samplerate=self._rate_hz,
                dtype="int16",
                blocksize=self._block_samples,
                latency=LATENCY_S,
                callback=self._on_block,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError, OSError) as exc:
            self.close()
            raise SourceUnavailable(f"{self._source}: {exc}") from exc

    def read(self) -> AudioBlock | None:
        """The next block within ``read_timeout_s``.  Raises `SourceUnavailable`."""
        found = self._ring.get(self._settings.read_timeout_s)
        if found is None:
            raise SourceUnavailable(
                f"{self._source}: no sound within {self._settings.read_timeout_s:g} s; "
                "the microphone is gone or hangs"
            )
        data, overflowed = found
        stamp = self._clock.stamp()
        samples = np.frombuffer(data, np.int16).reshape(-1, self._channels)
        mono = np.ascontiguousarray(samples[:, self._settings.channel])
        has_gap = overflowed or self._lost.is_set()
        self._lost.clear()
        seq, self._seq = self._seq, self._seq + 1
        position, self._position = self._position, self._position + len(mono)
        return AudioBlock(self._source, seq, stamp, mono, self._rate_hz, position, has_gap)

    def close(self) -> None:
        """Stop the stream.  Idempotent."""
        stream, self._stream = self._stream, None
        if stream is not None:
            sounddevice = import_sounddevice()
            try:
                stream.abort()
                stream.close()
            except sounddevice.PortAudioError:
                pass  # it went away before us

    @property
    def _block_samples(self) -> int:
        return self._rate_hz * self._settings.block_ms // 1000

    def _rate_for(self, sounddevice: Any, device: int) -> int:  # noqa: ANN401
        """The rate asked for, or 16 kHz where the device can, or its own."""
        for rate_hz in (self._settings.rate_hz, WANTED_RATE_HZ):
            if rate_hz is None:
                continue
            try:
                sounddevice.check_input_settings(
                    device=device, channels=self._channels, dtype="int16", samplerate=rate_hz
                )
            except (sounddevice.PortAudioError, ValueError):
                continue
            return int(rate_hz)
        return int(sounddevice.query_devices(device)["default_samplerate"])

    def _on_block(self, data: Any, _frames: int, _time: object, status: Any) -> None:  # noqa: ANN401
        """PortAudio's own thread: one copy, one put that never waits."""
        self._ring.put((bytes(data), bool(status.input_overflow)))


def import_sounddevice() -> Any:  # noqa: ANN401 - the library has no types
    """The library, or `SourceUnavailable` that says what to install."""
    try:
        import sounddevice
    except ImportError as exc:
        raise SourceUnavailable("sounddevice is not installed (pip install sounddevice)") from exc
    except OSError as exc:
        raise SourceUnavailable(
            "PortAudio is not installed: run 'apt install libportaudio2'"
        ) from exc
    return sounddevice


def find_microphone(devices: Any, wanted: str) -> int:  # noqa: ANN401 - the library's list
    """The index of the device called `wanted` (whole name, else part of it; ``default``: the system's).

    Indices change when something is plugged in, names do not.  Raises ValueError naming what is there.
    """
    inputs = {i: str(d["name"]) for i, d in enumerate(devices) if d["max_input_channels"] > 0}
    exact = [i for i, name in inputs.items() if name.lower() == wanted.lower()]
    partial = [i for i, name in inputs.items() if wanted.lower() in name.lower()]
    for found in (exact, partial):
        if found:
            return found[0]
    there = ", ".join(f"'{name}'" for name in inputs.values()) or "none"
    if wanted == "default" and inputs:
        return next(iter(inputs))
    raise ValueError(f"no microphone called '{wanted}'; found: {there}")
