"""Made factory noise and made rooms, from random numbers alone.  Pure: no file, no clock.

Every piece is drawn anew: which machines run, how loud each is, how often it strikes, and the
spectrum of what lies under them.  A network that has heard thousands of such halls has to find the
word, because there is no one noise that it could learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.train.speech_data import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Source = Callable[[np.random.Generator, int], np.ndarray]

ROOM_SAMPLES = RATE_HZ // 2


def shaped(rng: np.random.Generator, count: int, *, tilt: float, ripple_db: float) -> np.ndarray:
    """(count,) noise: power falls with hz ** (2 tilt), under a smooth random curve in log hz."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    knots = rng.normal(0, ripple_db, 14)
    curve_db = np.interp(
        np.log(np.maximum(hz, 40.0)), np.linspace(np.log(40), np.log(8000), 14), knots
    )
    gain = 10 ** (curve_db / 20) / np.maximum(hz, 60.0) ** tilt
    return unit(np.fft.irfft(spectrum * gain, count))


def unit(sound: np.ndarray) -> np.ndarray:
    """The sound with a deviation of 1."""
    return sound / (sound.std() + 1e-9)


def hiss(rng: np.random.Generator, count: int) -> np.ndarray:
    """A hall: steady noise of some spectrum, swelling a little."""
    sound = shaped(rng, count, tilt=rng.uniform(0, 1.3), ripple_db=rng.uniform(0, 9))
    return sound * slow(rng, count, depth=rng.uniform(0, 0.4), hz=rng.uniform(0.2, 2))


def pneumatic(rng: np.random.Generator, count: int) -> np.ndarray:
    """Air let out in bursts: high, sudden, dying away."""
    air = shaped(rng, count, tilt=rng.uniform(-0.5, 0.3), ripple_db=6)
    gate = np.zeros(count)
    for at in strikes(rng, count, rate_hz=rng.uniform(0.4, 3)):
        length = int(rng.uniform(0.04, 0.7) * RATE_HZ)
        burst = np.exp(-np.arange(length) / RATE_HZ * rng.uniform(1, 12))
        attack = max(1, int(rng.uniform(0.001, 0.03) * RATE_HZ))
        burst[:attack] *= np.linspace(0, 1, attack)[: len(burst)]
        stop = min(count, at + length)
        gate[at:stop] += burst[: stop - at] * rng.uniform(0.3, 1)
    return air * gate


def valves(rng: np.random.Generator, count: int) -> np.ndarray:
    """Ticks at an even rate, each a click and what rings after it, with air behind some."""
    rate_hz = np.exp(rng.uniform(np.log(0.8), np.log(25)))
    tick = rung(
        rng, int(0.15 * RATE_HZ), modes=int(rng.integers(2, 7)), low_hz=300, damping=(40, 300)
    )
    click = int(rng.uniform(0.001, 0.02) * RATE_HZ)
    tick[:click] += rng.normal(0, rng.uniform(0.2, 1.5), click)
    sound, jitter = np.zeros(count + len(tick)), rng.uniform(0, 0.15)
    for beat in np.arange(rng.uniform(0, 1), count * rate_hz / RATE_HZ, 1.0):
        at = int((beat + rng.normal(0, jitter)) * RATE_HZ / rate_hz)
        if 0 <= at < count:
            sound[at : at + len(tick)] += tick * rng.uniform(0.5, 1)
    return sound[:count]


def clanks(rng: np.random.Generator, count: int) -> np.ndarray:
    """Metal on metal, now and then."""
    sound = np.zeros(count)
    for at in strikes(rng, count, rate_hz=rng.uniform(0.5, 4)):
        length = min(count - at, RATE_HZ)
        ring = rung(rng, RATE_HZ, modes=int(rng.integers(3, 12)), low_hz=250, damping=(6, 90))
        sound[at : at + length] += ring[:length] * rng.uniform(0.2, 1)
    return sound


def motor(rng: np.random.Generator, count: int) -> np.ndarray:
    """Harmonics of a turning shaft whose speed wanders, and its gears."""
    base_hz = np.exp(rng.uniform(np.log(20), np.log(400)))
    drift = 1 + 0.03 * (slow(rng, count, depth=1, hz=rng.uniform(0.1, 4)) - 1)
    phase = 2 * np.pi * np.cumsum(base_hz * drift) / RATE_HZ + rng.uniform(0, 6)
    sound = np.zeros(count)
    fall = rng.uniform(0.3, 1.6)
    for harmonic in range(1, int(min(40, 7000 // base_hz)) + 1):
        sound += rng.uniform(0, 1) / harmonic**fall * np.sin(harmonic * phase + rng.uniform(0, 6))
    if rng.random() < 0.5:  # a gear's whine with the shaft's speed as side bands
        mesh = float(rng.integers(8, 40))
        sound += rng.uniform(0, 0.6) * np.sin(mesh * phase) * (1 + 0.5 * np.sin(phase))
    rough = shaped(rng, count, tilt=0.6, ripple_db=5) * (1 + 0.8 * np.sin(phase))
    return unit(sound) + rng.uniform(0, 1) * rough


def fan(rng: np.random.Generator, count: int) -> np.ndarray:
    """Low rushing, chopped by blades."""
    blades = 2 * np.pi * rng.uniform(20, 160) * np.arange(count) / RATE_HZ
    rush = shaped(rng, count, tilt=rng.uniform(0.5, 1.4), ripple_db=4)
    return rush * (1 + rng.uniform(0, 0.6) * np.sin(blades)) + rng.uniform(0, 0.5) * np.sin(blades)


def grinding(rng: np.random.Generator, count: int) -> np.ndarray:
    """Scraping: bright noise, pressed on and let go."""
    sound = shaped(rng, count, tilt=rng.uniform(-0.4, 0.5), ripple_db=10)
    buzz = 1 + 0.7 * np.sign(np.sin(2 * np.pi * rng.uniform(15, 120) * np.arange(count) / RATE_HZ))
    return sound * buzz * slow(rng, count, depth=0.9, hz=rng.uniform(0.5, 5))


def beeps(rng: np.random.Generator, count: int) -> np.ndarray:
    """A signal: one or two tones, on and off."""
    t = np.arange(count) / RATE_HZ
    tone = np.sin(2 * np.pi * rng.uniform(400, 3500) * t)
    other = np.sin(2 * np.pi * rng.uniform(400, 3500) * t)
    period = rng.uniform(0.1, 1.2)
    on = (t / period + rng.uniform()) % 1
    return tone * (on < 0.5) + other * (on >= 0.5) * (rng.random() < 0.5)


def crackle(rng: np.random.Generator, count: int) -> np.ndarray:
    """Sparks, rattling: many short clicks of very different size."""
    hits = (rng.random(count) < rng.uniform(10, 300) / RATE_HZ) * rng.lognormal(0, 1.2, count)
    ring = rung(rng, 400, modes=3, low_hz=800, damping=(200, 1500))
    return np.convolve(hits * rng.choice([-1, 1], count), ring)[:count]


SOURCES: Sequence[Source] = (
    hiss, hiss, pneumatic, valves, valves, clanks, motor, motor, fan, grinding, beeps, crackle,
)  # fmt: skip


def hall(rng: np.random.Generator, count: int, talk: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(count,) float32, unit deviation: a floor of hiss and up to four sources, in a room.

    `talk`: seconds of speech; people talking far away are sometimes among the sources.
    """
    sound = shaped(rng, count, tilt=rng.uniform(0, 1.3), ripple_db=rng.uniform(0, 8))
    sound *= rng.uniform(0.05, 1)
    for _ in range(rng.integers(0, 5)):
        source = SOURCES[rng.integers(len(SOURCES))]
        sound += unit(source(rng, count)) * 10 ** (rng.uniform(-14, 6) / 20)
    if len(talk) and rng.random() < 0.25:
        sound += unit(babble(rng, count, talk)) * 10 ** (rng.uniform(-12, 4) / 20)
    if rng.random() < 0.6:
        sound = convolved(sound, room(rng))
    return unit(sound).astype(np.float32)


def babble(rng: np.random.Generator, count: int, talk: Sequence[np.ndarray]) -> np.ndarray:
    """Three to eight people at once."""
    sound = np.zeros(count)
    for _ in range(rng.integers(3, 9)):
        voice = unit(talk[rng.integers(len(talk))].astype(np.float64))
        voice = np.tile(voice, count // len(voice) + 2)
        at = rng.integers(len(voice) - count)
        sound += voice[at : at + count] * rng.uniform(0.3, 1)
    return sound


def room(rng: np.random.Generator) -> np.ndarray:
    """(ROOM_SAMPLES,) impulse response: direct sound, six early echoes, noise that dies away.

    60 dB in 0.1 to 0.9 s; high tones die sooner.  The direct sound is between 6 dB under and 15 dB
    over the rest.
    """
    t = np.arange(ROOM_SAMPLES) / RATE_HZ
    decay_s = rng.uniform(0.1, 0.9)
    tail = rng.normal(0, 1, ROOM_SAMPLES) * 10 ** (-3 * t / decay_s)
    dull = tail.copy()
    dull[1:] = 0.5 * (tail[1:] + tail[:-1])
    mix = np.minimum(1, t / decay_s)
    tail = tail * (1 - mix) + dull * mix
    tail[: int(rng.uniform(0.002, 0.02) * RATE_HZ)] = 0
    for _ in range(6):
        tail[int(rng.uniform(0.001, 0.04) * RATE_HZ)] += rng.normal(0, 4)
    tail *= 10 ** (-rng.uniform(-6, 15) / 20) / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] += 1
    return tail.astype(np.float32)


def convolved(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The sound in a room, no longer than it was."""
    size = 1 << (len(sound) + len(response) - 1).bit_length()
    both = np.fft.rfft(sound, size) * np.fft.rfft(response, size)
    return np.fft.irfft(both, size)[: len(sound)].astype(np.float32)


def slow(rng: np.random.Generator, count: int, *, depth: float, hz: float) -> np.ndarray:
    """(count,) 1 +- depth, wandering at about `hz`, never under zero."""
    steps = max(3, int(count / RATE_HZ * hz * 2) + 2)
    curve = np.interp(np.linspace(0, steps - 1, count), np.arange(steps), rng.uniform(-1, 1, steps))
    return np.maximum(0, 1 + depth * curve)


def strikes(rng: np.random.Generator, count: int, *, rate_hz: float) -> np.ndarray:
    """Positions of things that happen now and then."""
    return rng.integers(0, count, rng.poisson(rate_hz * count / RATE_HZ) + 1)


def rung(
    rng: np.random.Generator, count: int, *, modes: int, low_hz: float, damping: tuple[float, float]
) -> np.ndarray:
    """(count,) a struck thing: modes at any frequency, each dying at its own pace."""
    t = np.arange(count) / RATE_HZ
    sound = np.zeros(count)
    for _ in range(modes):
        ring_hz = np.exp(rng.uniform(np.log(low_hz), np.log(7000)))
        fade = np.exp(-t * rng.uniform(*damping))
        sound += rng.uniform(0.1, 1) * fade * np.sin(2 * np.pi * ring_hz * t + rng.uniform(0, 6))
    return sound
