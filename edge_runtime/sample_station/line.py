"""A line that runs: which part is under the camera when, and what the camera sees of it.

The schedule is pure arithmetic, so whoever knows the line's start knows when each part was there.
Pictures come from a small stock drawn beforehand, with fresh noise and the part's number in a strip
of squares along the upper edge, which survives JPEG and other sizes: evidence tells which part it
shows.  Owned by one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from edge_runtime.clock import NS_PER_MS
from edge_runtime.sample_station.belt import SIZE, draw_empty, draw_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

Look = Literal["belt", "plain"]
"""``plain``: grey parts, a bad one with a white stripe, for a model that only looks for white."""

GOOD_DRAWN, BAD_DRAWN = 6, 4
_NUMBER_BITS, _CHECK_BITS = 20, 4
_CELLS = _NUMBER_BITS + _CHECK_BITS
_STRIP_ROWS, _STRIP_COLUMNS = 45, 48
"""A square of the strip is a 45th of the picture high and a 48th wide."""
_DARK, _LIGHT = 96, 150
"""The rail's own greys: a strip of black and white would look like a defect."""
_NOISE_SPARE_PX = 64
_NOISE_DEVIATION = 2.0
EMPTY = (1 << _NUMBER_BITS) - 1
"""The number in the strip while there is no part."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each part is under the camera."""

    start_ns: int
    """CLOCK_BOOTTIME, ns: part 0 arrives."""
    every_ns: int
    visible_ns: int
    parts: int | None = None
    """How many come; None: no end."""

    def part_at(self, at_ns: int) -> int | None:
        """The part under the camera; None between two, before the first and after the last."""
        since_ns = at_ns - self.start_ns
        number, within_ns = divmod(since_ns, self.every_ns)
        if since_ns < 0 or within_ns >= self.visible_ns:
            return None
        return number if self.parts is None or number < self.parts else None

    def span_ns(self, number: int) -> tuple[int, int]:
        """From when until when part `number` is there, CLOCK_BOOTTIME."""
        from_ns = self.start_ns + number * self.every_ns
        return from_ns, from_ns + self.visible_ns

    @property
    def end_ns(self) -> int | None:
        """When the last part is gone; None: never."""
        return None if self.parts is None else self.span_ns(self.parts - 1)[1]


def make_schedule(
    start_ns: int, *, every_ms: float, visible_ms: float, parts: int | None = None
) -> Schedule:
    """Times in ms; a part cannot be there longer than until the next one comes."""
    every_ns = round(every_ms * NS_PER_MS)
    return Schedule(start_ns, every_ns, min(every_ns, round(visible_ms * NS_PER_MS)), parts)


def is_bad(seed: int, number: int, share: float) -> bool:
    """Whether part `number` of the line with this seed is bad; `share` of them are."""
    return bool(np.random.default_rng([seed, number]).random() < share)


class Scenery:
    """Pictures of the line."""

    def __init__(self, *, seed: int, bad_share: float, look: Look = "belt") -> None:
        """Draw the stock: a second or so."""
        self._seed, self._bad_share = seed, bad_share
        self._rng = np.random.default_rng(seed)
        self._size = SIZE
        self._drawn = _stock(self._rng, look)
        self._fit()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, in pixels."""
        return self._size

    def resize(self, width: int, height: int) -> None:
        """Pictures are of this size from now on, in pixels."""
        self._size = width, height
        self._fit()

    def is_bad(self, number: int) -> bool:
        """Whether this part is bad."""
        return is_bad(self._seed, number, self._bad_share)

    def picture(self, number: int | None) -> NDArray[np.uint8]:
        """(height, width, 3) BGR, the caller's: part `number`, or the empty belt."""
        if number is None:
            shown = self._empty
        else:
            stock = self._bad if self.is_bad(number) else self._good
            shown = stock[number % len(stock)]
        x, y = (int(self._rng.integers(0, _NOISE_SPARE_PX)) for _ in range(2))
        noise = self._noise[y : y + self._size[1], x : x + self._size[0]]
        pixels = np.asarray(cv2.add(shown, noise, dtype=cv2.CV_8U), np.uint8)
        _write_number(pixels, EMPTY if number is None else number)
        return pixels

    def _fit(self) -> None:
        empty, good, bad = self._drawn
        self._empty = _sized(empty, self._size)
        self._good = [_sized(one, self._size) for one in good]
        self._bad = [_sized(one, self._size) for one in bad]
        width, height = self._size
        shape = (height + _NOISE_SPARE_PX, width + _NOISE_SPARE_PX, 1)
        noise = self._rng.standard_normal(shape, dtype=np.float32) * np.float32(_NOISE_DEVIATION)
        self._noise = np.repeat(np.round(noise).astype(np.int8), 3, axis=2)


def read_number(pixels: NDArray[np.uint8]) -> int | None:
    """What the strip of a (height, width, 3) picture says; `EMPTY` is no part; None: unreadable."""
    height, width = pixels.shape[:2]
    bits = []
    for cell in range(_CELLS):
        rows, columns = _cell(cell, width, height)
        inner = pixels[_middle(rows), _middle(columns)]
        bits.append(float(inner.mean()) > (_DARK + _LIGHT) / 2)
    number = sum(1 << at for at, bit in enumerate(bits[:_NUMBER_BITS]) if bit)
    check = sum(1 << at for at, bit in enumerate(bits[_NUMBER_BITS:]) if bit)
    return number if check == _check_of(number) else None


def _write_number(pixels: NDArray[np.uint8], number: int) -> None:
    height, width = pixels.shape[:2]
    word = (number & EMPTY) | _check_of(number & EMPTY) << _NUMBER_BITS
    for cell in range(_CELLS):
        rows, columns = _cell(cell, width, height)
        pixels[rows, columns] = _LIGHT if word >> cell & 1 else _DARK


def _check_of(number: int) -> int:
    """Never that of a picture that is all dark or all light."""
    return (number.bit_count() * 7 + 5) % (1 << _CHECK_BITS)


def _cell(cell: int, width: int, height: int) -> tuple[slice, slice]:
    x0, x1 = (round((cell + at) * width / _STRIP_COLUMNS) for at in (1, 2))
    return slice(0, max(3, round(height / _STRIP_ROWS))), slice(x0, max(x0 + 3, x1))


def _middle(span: slice) -> slice:
    quarter = (span.stop - span.start) // 4
    return slice(span.start + quarter, span.stop - quarter)


def _sized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _stock(
    rng: np.random.Generator, look: Look
) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Empty belt, good parts, bad parts."""
    if look == "plain":
        good = [_plain(110 + 4 * at, striped=False) for at in range(GOOD_DRAWN)]
        bad = [_plain(110 + 4 * at, striped=True) for at in range(BAD_DRAWN)]
        return _plain(48, striped=False), good, bad
    good = [draw_part(rng, at, scratched=False).pixels for at in range(GOOD_DRAWN)]
    bad = [draw_part(rng, at, scratched=True).pixels for at in range(BAD_DRAWN)]
    return draw_empty(rng, 0), good, bad


def _plain(grey: int, *, striped: bool) -> NDArray[np.uint8]:
    width, height = SIZE
    pixels = np.full((height, width, 3), 48, np.uint8)
    pixels[height // 5 : -height // 5, width // 5 : -width // 5] = grey
    if striped:
        pixels[height // 2 - 20 : height // 2 + 20, width // 4 : -width // 4] = 250
    return pixels
