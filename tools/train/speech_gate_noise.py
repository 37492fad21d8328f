"""Made factory noise: everything a speech gate is to leave out.  Pure numpy, 16 kHz float32.

A noise is one to three steady layers (coloured hiss, hum, fans, motors) and up to four kinds of
events (valves, hisses, clanks, beeps, rattles, impacts, grinders, squeals ...), some of them played
backwards.  No recorded noise is used.
"""

from __future__ import annotations

import numpy as np

RATE_HZ = 16000
LAYERS_MADE, EVENTS_MADE = 280, 90
"""In a bank, the events of each kind."""


class Bank:
    """Layers and events to choose from, made once: choosing is much cheaper than making."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        """`count`: samples in a stream."""
        self._layers = [LAYERS[i % len(LAYERS)](rng, count) for i in range(LAYERS_MADE)]
        self._events = [
            [kind(rng).astype(np.float32) for _ in range(EVENTS_MADE)] for kind in EVENTS
        ]

    def stream(self, rng: np.random.Generator) -> np.ndarray:
        """(count,) float32 noise of unit deviation."""
        sound = np.zeros_like(self._layers[0])
        for layer in rng.choice(len(self._layers), int(rng.integers(1, 4)), replace=False):
            turned = np.roll(self._layers[layer], int(rng.integers(len(sound))))
            sound += turned * np.float32(10 ** (rng.uniform(-12, 0) / 20))
        sound /= sound.std() + 1e-9
        # Some halls are quiet, but for their events.
        sound *= 1.0 if rng.random() < 0.8 else 10 ** (-rng.uniform(5, 30) / 20)
        for kind in rng.choice(len(self._events), int(rng.integers(0, 5)), replace=False):
            _repeat(rng, sound, self._events[kind])
        return (sound / (sound.std() + 1e-9)).astype(np.float32)


def _repeat(rng: np.random.Generator, sound: np.ndarray, events: list[np.ndarray]) -> None:
    """Adds events to `sound`, as a machine repeats one or as they happen."""
    count = len(sound)
    rate = np.exp(rng.uniform(np.log(0.08), np.log(3.0)))  # a second
    times = max(1, round(rate * count / RATE_HZ))
    if rng.random() < 0.5:  # in step with the machine
        starts = rng.uniform(0, 1 / rate) + np.arange(times) / rate
        starts += rng.normal(0, 0.02 * rng.random() / rate, times)
    else:
        starts = rng.uniform(0, count / RATE_HZ, times)
    loud_db, spread_db = rng.uniform(-8, 20), rng.uniform(0, 6)
    same = events[rng.integers(len(events))] if rng.random() < 0.5 else None
    backwards = rng.random() < 0.2
    for start in starts:
        one = events[rng.integers(len(events))] if same is None else same
        one = one[::-1] if backwards else one
        at = int(start * RATE_HZ)
        if not 0 <= at < count:
            continue
        part = one[: count - at]
        # Its loudest 10 ms decide how loud it seems.
        whole = len(one) // 160 * 160
        level = np.sqrt((one[:whole].reshape(-1, 160) ** 2).mean(1).max(initial=1e-9))
        sound[at : at + len(part)] += part * (
            10 ** ((loud_db + rng.normal(0, spread_db)) / 20) / level
        )


def coloured(rng: np.random.Generator, count: int) -> np.ndarray:
    """Hiss of any slope and colour, some of it swelling."""
    spectrum = np.fft.rfft(rng.standard_normal(count, np.float32))
    hz = _bins_hz(count)
    slope = np.maximum(hz, 20.0) ** -rng.uniform(-0.3, 1.6)
    sound = np.fft.irfft(spectrum * slope * curve(rng, hz, rng.uniform(2, 10)), count)
    if rng.random() < 0.5:
        sound = sound * swelling(rng, count)
    return _unit(sound)


def hum(rng: np.random.Generator, count: int) -> np.ndarray:
    """Mains and its harmonics."""
    t = _times(count)
    base = rng.choice([50.0, 60.0, 100.0, 120.0]) * rng.uniform(0.995, 1.005)
    sound = np.zeros(count, np.float32)
    for harmonic in range(1, int(rng.integers(3, 24))):
        level = 10 ** (rng.normal(0, 8) / 20) / harmonic ** rng.uniform(0.3, 1.5)
        sound += level * np.sin(2 * np.pi * base * harmonic * t + rng.uniform(0, 6.3))
    return _unit(sound)


def motor(rng: np.random.Generator, count: int) -> np.ndarray:
    """A harmonic tone whose speed changes, with its load."""
    base = np.exp(rng.uniform(np.log(25), np.log(500)))
    depth = rng.uniform(0, 0.4) if rng.random() < 0.6 else rng.uniform(0, 0.02)
    speed = base * np.exp(depth * slow(rng, count, rng.uniform(0.05, 2.0)))
    phase = _phase(speed)
    harmonics = np.arange(1, int(min(40, 7000 / base)) + 1)
    levels = curve(rng, harmonics * base, 8) / harmonics ** rng.uniform(0, 1.5)
    sound = np.zeros(count, np.float32)
    for harmonic, level in zip(harmonics[:24], levels[:24], strict=True):
        sound += level * np.sin(harmonic * phase + rng.uniform(0, 6.3))
    if rng.random() < 0.5:
        sound *= swelling(rng, count)
    return _unit(sound)


def fan(rng: np.random.Generator, count: int) -> np.ndarray:
    """Hiss that a blade cuts, and the blade's tone."""
    t = _times(count)
    blade = rng.uniform(8, 180)
    cut = 1 + rng.uniform(0.1, 0.9) * np.sin(2 * np.pi * blade * t)
    tone = rng.uniform(0, 0.7) * np.sin(2 * np.pi * blade * rng.integers(1, 6) * t)
    return _unit(coloured(rng, count) * cut + tone)


def rattle(rng: np.random.Generator, count: int) -> np.ndarray:
    """A conveyor: impacts in an uneven train, each ringing."""
    rate = np.exp(rng.uniform(np.log(4), np.log(60)))
    gaps = rng.gamma(rng.uniform(2, 60), size=int(count / RATE_HZ * rate * 1.5) + 2)
    at = np.cumsum(gaps / gaps.mean() / rate * RATE_HZ).astype(int)
    at = at[at < count]
    hits = np.zeros(count, np.float32)
    hits[at] = rng.lognormal(0, 0.6, len(at))
    return _unit(_convolved(hits, clank(rng, rng.uniform(0.02, 0.15))))


def switched(rng: np.random.Generator, count: int) -> np.ndarray:
    """A compressor, a blower: hiss that goes on and off again, quickly."""
    gaps_s = np.exp(rng.uniform(np.log(0.4), np.log(4)))
    at = np.cumsum(rng.exponential(gaps_s * RATE_HZ, int(count / RATE_HZ / gaps_s * 3) + 4))
    on = np.searchsorted(at, np.arange(count)) % 2
    ramp = int(rng.uniform(0.003, 0.3) * RATE_HZ)
    on = _convolved(on, np.full(ramp, 1 / ramp))
    off = 10 ** (-rng.uniform(5, 40) / 20)
    return _unit(coloured(rng, count) * (off + (1 - off) * on))


def click(rng: np.random.Generator) -> np.ndarray:
    """A relay, a solenoid: some milliseconds of everything, once or some times in a row."""
    gap = int(rng.uniform(0.02, 0.3) * RATE_HZ)
    times = int(rng.integers(1, 5))
    sound = np.zeros(times * gap, np.float32)
    tau_s = np.exp(rng.uniform(np.log(0.0005), np.log(0.008)))
    tail = np.exp(-_times(min(gap, int(6 * tau_s * RATE_HZ) + 4)) / tau_s)
    for index in range(times):
        one = tail * rng.standard_normal(len(tail), np.float32) * rng.uniform(0.3, 1)
        sound[index * gap : index * gap + len(one)] = one
    return sound


def burst(rng: np.random.Generator) -> np.ndarray:
    """A valve: a short burst of band-limited noise, alone or twice (open, close)."""
    one = _shaped(rng, rng.uniform(0.01, 0.25), attack_s=rng.uniform(0.001, 0.01))
    if rng.random() < 0.4:
        gap = np.zeros(int(rng.uniform(0.03, 0.4) * RATE_HZ))
        second = _shaped(rng, rng.uniform(0.01, 0.2), attack_s=0.002)
        return np.concatenate([one, gap, second * rng.uniform(0.3, 1)])
    return one


def hiss(rng: np.random.Generator) -> np.ndarray:
    """Compressed air."""
    return _shaped(
        rng,
        rng.uniform(0.08, 1.5),
        attack_s=rng.uniform(0.003, 0.1),
        low_hz=rng.uniform(300, 3000),
        decays=rng.random() < 0.5,
    )


def rumble(rng: np.random.Generator) -> np.ndarray:
    """A burst with the long-term spectrum of speech, of a word's length, but no voice in it."""
    return _shaped(
        rng,
        rng.uniform(0.1, 0.8),
        attack_s=rng.uniform(0.01, 0.1),
        low_hz=rng.uniform(60, 200),
        high_hz=rng.uniform(400, 4000),
        decays=rng.random() < 0.5,
    )


def clank(rng: np.random.Generator, longest_s: float | None = None) -> np.ndarray:
    """Struck metal: some inharmonic tones that die away."""
    tau_s = np.exp(rng.uniform(np.log(0.008), np.log(0.25)))
    seconds = min(longest_s or 1.2, 5 * tau_s)
    t = _times(int(seconds * RATE_HZ) + 8)
    sound = np.zeros(len(t))
    for _ in range(int(rng.integers(1, 9))):
        hz = np.exp(rng.uniform(np.log(150), np.log(7500)))
        fading = np.exp(-t / (tau_s * rng.uniform(0.4, 1.2)))
        sound += rng.uniform(0.1, 1) * fading * np.sin(2 * np.pi * hz * t + rng.uniform(0, 6.3))
    knock = rng.standard_normal(len(t), np.float32) * np.exp(-t / rng.uniform(0.001, 0.02))
    return sound + rng.uniform(0, 1) * knock


def thump(rng: np.random.Generator) -> np.ndarray:
    """A press, a dropped box."""
    tau_s = rng.uniform(0.02, 0.2)
    t = _times(int(4 * tau_s * RATE_HZ))
    hz = rng.uniform(40, 300) * np.exp(-t / tau_s * rng.uniform(0, 0.3))
    tone = np.sin(_phase(hz))
    knock = rng.standard_normal(len(t), np.float32) * np.exp(-t / rng.uniform(0.002, 0.03))
    return np.exp(-t / tau_s) * tone + rng.uniform(0, 0.5) * knock


def beep(rng: np.random.Generator) -> np.ndarray:
    """An alarm: a tone, a chirp or a two-tone call, with some harmonics."""
    count = int(rng.uniform(0.05, 1.2) * RATE_HZ)
    t = _times(count)
    base = np.exp(rng.uniform(np.log(250), np.log(4500)))
    kind = rng.integers(4)
    hz = np.full(count, base)
    if kind == 1:
        hz = base * np.exp(np.linspace(0, rng.uniform(-1, 1), count))
    elif kind == 2:
        hz = np.where(np.sin(2 * np.pi * rng.uniform(2, 10) * t) > 0, base, base * 1.25)
    elif kind == 3:
        hz = base * (1 + rng.uniform(0.01, 0.2) * np.sin(2 * np.pi * rng.uniform(1, 8) * t))
    phase = _phase(hz)
    harmonics = range(1, int(min(rng.integers(2, 12), max(2, 7500 / base))))
    fall = rng.uniform(0.5, 2)
    sound = np.sum([np.sin(k * phase) / k**fall for k in harmonics], axis=0)
    return sound * _fade(count, 0.004)


def grinder(rng: np.random.Generator) -> np.ndarray:
    """A tool that starts, works and stops: harmonics and hiss that follow its speed."""
    count = _even(rng.uniform(0.4, 3.0))
    t = _times(count)
    up = 1 - np.exp(-t / rng.uniform(0.05, 0.5))
    base = np.exp(rng.uniform(np.log(60), np.log(900))) * up
    base *= np.exp(0.08 * slow(rng, count, rng.uniform(1, 8)))
    phase = _phase(base)
    fall = rng.uniform(0.2, 1.5)
    tone = np.sum([np.sin(k * phase) / k**fall for k in range(1, 10)], axis=0)
    return (tone + rng.uniform(0.2, 3) * coloured(rng, count)) * up * _fade(count, 0.05)


def squeal(rng: np.random.Generator) -> np.ndarray:
    """Friction: a shrill tone that jitters, with few harmonics."""
    count = int(rng.uniform(0.1, 1.5) * RATE_HZ)
    base = np.exp(rng.uniform(np.log(500), np.log(5000)))
    hz = base * np.exp(rng.uniform(0.02, 0.3) * slow(rng, count, rng.uniform(2, 30)))
    phase = _phase(hz)
    tone = np.sum([np.sin(k * phase) / k**1.5 for k in range(1, 5)], axis=0)
    return tone * np.abs(1 + 0.6 * slow(rng, count, 12)) * _fade(count, 0.03)


def clatter(rng: np.random.Generator) -> np.ndarray:
    """Parts that fall into a bin."""
    count = int(rng.uniform(0.15, 1.2) * RATE_HZ)
    sound = np.zeros(count, np.float32)
    for at in rng.integers(0, count, int(rng.integers(3, 30))):
        one = clank(rng, 0.15)[: count - at]
        sound[at : at + len(one)] += one * rng.lognormal(0, 0.7)
    return sound


def ratchet(rng: np.random.Generator) -> np.ndarray:
    """A screwdriver's clutch, a pneumatic hammer: a short even train of knocks."""
    count = int(rng.uniform(0.1, 1.5) * RATE_HZ)
    sound = np.zeros(count, np.float32)
    knock = clank(rng, rng.uniform(0.01, 0.06))
    step = int(RATE_HZ / rng.uniform(8, 60))
    for at in range(0, count, step):
        part = knock[: count - at]
        sound[at : at + len(part)] += part * rng.uniform(0.7, 1)
    return sound


LAYERS = [coloured, coloured, coloured, hum, motor, fan, rattle, switched]
EVENTS = [
    burst, burst, click, click, hiss, hiss, clank, clank, thump,
    beep, grinder, squeal, clatter, ratchet, rumble,
]  # fmt: skip


def in_room(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """(count,) heard in a hall: echoes that die away, of the same level."""
    tau_s = np.exp(rng.uniform(np.log(0.02), np.log(0.18)))
    length = int(4 * tau_s * RATE_HZ)
    t = _times(length)
    echoes = rng.standard_normal(length, np.float32) * np.exp(-t / tau_s)
    echoes *= 10 ** (-rng.uniform(0, 15) / 20) / np.sqrt((echoes**2).sum())
    echoes[0] += 1.0
    return _like(sound, _convolved(sound, echoes))


def curve(rng: np.random.Generator, hz: np.ndarray, deviation_db: float) -> np.ndarray:
    """A smooth random gain over `hz`."""
    knots = np.linspace(np.log(30), np.log(8000), int(rng.integers(4, 14)))
    gains_db = rng.normal(0, deviation_db, len(knots))
    gain = 10 ** (np.interp(np.log(np.maximum(hz, 30)), knots, gains_db) / 20)
    return gain.astype(np.float32)


def slow(rng: np.random.Generator, count: int, hz: float) -> np.ndarray:
    """(count,) a random signal of about unit deviation that changes `hz` times a second."""
    points = max(4, int(count / RATE_HZ * hz) + 3)
    at = np.linspace(0, points - 1, count)
    return np.interp(at, np.arange(points), rng.normal(size=points)).astype(np.float32)


def swelling(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count,) a gain that comes and goes, slowly or as fast as syllables."""
    speed_hz = np.exp(rng.uniform(np.log(0.1), np.log(12)))
    return np.exp(rng.uniform(0.05, 0.7) * slow(rng, count, speed_hz))


def _shaped(
    rng: np.random.Generator,
    seconds: float,
    *,
    attack_s: float,
    low_hz: float | None = None,
    high_hz: float | None = None,
    decays: bool = True,
) -> np.ndarray:
    """A burst of noise in a band, with an attack and, where it decays, a tail."""
    count = _even(seconds)
    low = low_hz or np.exp(rng.uniform(np.log(60), np.log(3000)))
    high = high_hz or low * np.exp(rng.uniform(0.5, 3))
    hz = _bins_hz(count)
    band = 1 / (1 + (low / np.maximum(hz, 1)) ** 4) / (1 + (hz / max(high, low * 1.3)) ** 4)
    noise = np.fft.irfft(
        np.fft.rfft(rng.standard_normal(count, np.float32)) * band * curve(rng, hz, 4), count
    )
    t = _times(count)
    envelope = 1 - np.exp(-t / attack_s)
    envelope *= np.exp(-t / (seconds / rng.uniform(2, 5))) if decays else _fade(count, 0.02)
    return noise * envelope


def _even(seconds: float) -> int:
    """Samples; a number whose Fourier transform is fast."""
    size = max(64, int(seconds * RATE_HZ))
    step = max(32, (1 << size.bit_length()) // 16)
    return size // step * step


def _times(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32) / np.float32(RATE_HZ)


def _bins_hz(count: int) -> np.ndarray:
    return np.fft.rfftfreq(count, 1 / RATE_HZ).astype(np.float32)


def _phase(hz: np.ndarray) -> np.ndarray:
    turns = np.cumsum(hz, dtype=np.float64) / RATE_HZ
    return (2 * np.pi * (turns % 1000.0)).astype(np.float32)


def _convolved(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """(count,) `sound` through `response`, without the tail."""
    size = 1 << int(len(sound) + len(response) - 1).bit_length()
    sound, response = sound.astype(np.float32), response.astype(np.float32)
    mixed = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)
    return mixed[: len(sound)]


def _fade(count: int, seconds: float) -> np.ndarray:
    ramp = max(1, min(count // 2, int(seconds * RATE_HZ)))
    gain = np.ones(count, np.float32)
    gain[:ramp] = np.linspace(0, 1, ramp)
    gain[-ramp:] = np.linspace(1, 0, ramp)
    return gain


def _unit(sound: np.ndarray) -> np.ndarray:
    return (sound / (sound.std() + 1e-9)).astype(np.float32)


def _like(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (after * (before.std() / (after.std() + 1e-9))).astype(np.float32)
