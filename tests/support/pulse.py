"""A microphone without hardware: a PulseAudio daemon of our own with a sink whose monitor records.

PortAudio reaches it through ALSA's ``pulse`` device.  What is played into the sink is heard.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BINARIES = ("pulseaudio", "paplay", "espeak-ng")
SINK = "mic"
START_S = 10.0
NOISE_HZ = 16_000
NOISE_S = 180
"""Longer than any test."""


def missing() -> str:
    """What has to be installed before this works; empty when nothing."""
    absent = [name for name in BINARIES if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)}: apt install pulseaudio libasound2-plugins espeak-ng"
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return "no PortAudio: apt install libportaudio2"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "no ALSA plugin for PulseAudio: apt install libasound2-plugins"
    return ""


def need_pulse() -> None:
    """Skip the test where there is no PulseAudio; in CI that is a failure."""
    reason = missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


class Pulse:
    """One daemon.  `start` after `kill` is the microphone being plugged in again."""

    def __init__(self, runtime_dir: Path, *, noise: bool = True) -> None:
        """A sink that nobody plays into gives digital zero, as a dead microphone; `noise`: this
        one has the faint noise of a real one, -66 dBFS.
        """
        self._runtime_dir = runtime_dir
        self._noise = noise
        self._process: subprocess.Popen[bytes] | None = None
        self._hisses: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """For this process too: PortAudio reads it."""
        return {"XDG_RUNTIME_DIR": str(self._runtime_dir), "HOME": str(self._runtime_dir)}

    def start(self) -> None:
        # A killed daemon leaves these, and the next one waits for them.
        shutil.rmtree(self._runtime_dir / "pulse", ignore_errors=True)
        self._process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"),
                *("-L", "module-native-protocol-unix"),
                *("-L", f"module-null-sink sink_name={SINK}"),
            ],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        never = threading.Event()
        until_ns = SYSTEM_CLOCK.boottime_ns() + int(START_S * 1e9)
        while not self._is_up():
            assert SYSTEM_CLOCK.boottime_ns() < until_ns, "PulseAudio did not start"
            assert self._process.poll() is None, "PulseAudio ended at once"
            SYSTEM_CLOCK.wait(never, 0.05)
        if self._noise:
            self._start_hiss(SINK)

    def play(self, wav: Path) -> subprocess.Popen[bytes]:
        """Say it into the microphone; returns at once."""
        return subprocess.Popen(
            ["paplay", f"--device={SINK}", str(wav)], env={**os.environ, **self.environment}
        )

    def control(self, *words: str) -> str:
        """``pactl`` with these words; what it said."""
        return subprocess.run(
            ["pactl", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def add_microphone(self, name: str) -> None:
        """Another one, with noise of its own."""
        self.control("load-module", "module-null-sink", f"sink_name={name}")
        self._start_hiss(name)

    def move_streams(self, to: str) -> None:
        """As a server does that changes its mind: everything that records hears another one."""
        for line in self.control("list", "short", "source-outputs").splitlines():
            self.control("move-source-output", line.split()[0], f"{to}.monitor")

    def kill(self) -> None:
        """As pulling the plug."""
        for hiss in self._hisses:
            hiss.kill()
            hiss.wait()
        self._hisses = []
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start_hiss(self, sink: str) -> None:
        path = self._runtime_dir / "noise.raw"
        if not path.exists():
            rng = np.random.default_rng(1)
            path.write_bytes(rng.normal(0, 16, NOISE_S * NOISE_HZ).astype("<i2").tobytes())
        form = ("--raw", "--format=s16le", f"--rate={NOISE_HZ}", "--channels=1")
        hiss = subprocess.Popen(
            ["paplay", f"--device={sink}", *form, str(path)],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._hisses.append(hiss)

    def _is_up(self) -> bool:
        asked = subprocess.run(
            ["pactl", "info"],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return asked.returncode == 0


@contextlib.contextmanager
def pulse_microphone(folder: Path, *, noise: bool = True) -> Iterator[Pulse]:
    """A running daemon that this process's PortAudio finds, and nothing else."""
    pulse = Pulse(folder, noise=noise)
    before = {name: os.environ.get(name) for name in pulse.environment}
    try:
        os.environ.update(pulse.environment)
        pulse.start()
        yield pulse
    finally:
        pulse.kill()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def say(words: str, wav: Path) -> tuple[NDArray[np.int16], int]:
    """Have a voice speak into `wav`; the samples without the silence around them, and the rate."""
    import soundfile

    subprocess.run(["espeak-ng", "-w", str(wav), words], check=True)
    samples, rate_hz = soundfile.read(wav, dtype="int16")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 300)
    return samples[loud[0] : loud[-1] + 1], int(rate_hz)
