"""What a lane has in hand: one page of memory, mapped from a preallocated file, that outlives it.

A lane that dies at any instant (kill -9, an abort inside a decoder) leaves here which item it was
at, how many parts it acted upon whose rows it had not handed over yet, and how many it could not
store because the ledger was full.  The supervisor reads it when the lane is gone: so an item that
kills the lane is known and can be buried, and what was lost is a number and not a guess.

The page is written in place by plain stores into the mapping.  It survives the process and the
daemon, and is not meant to survive a power cut (the numbers would be old, the file stays whole).
One writer, the lane's process, each field by one thread; readers only when the writer is dead.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PAGE_BYTES: Final = 4096
FOLDER: Final = "in_hand"
_MAGIC: Final = b"edgepage"
_VERSION: Final = 1
_HEAD = struct.Struct("<8sI")
_COUNTS = struct.Struct("<QQQqqQqq")
"""acted, set aside, and unstored: number, first and last wall clock, generation; then the last part
acted upon: wall clock and boottime."""
_COUNTS_AT: Final = 64
_TOLD = struct.Struct("<Q")
_TOLD_AT: Final = 384
"""How many unstored parts the tombstone tells of that is on its way, under this generation."""
_BASE = struct.Struct("<qQ")
_BASE_AT: Final = 256
"""How many rows of this lane the ledger had when this life began (-1: not known), and how many of
earlier lives were on their way into it."""
_OPEN = struct.Struct("<Q")
_OPEN_AT: Final = 320
"""How many parts have begun and are not decided."""
_ITEM_AT: Final = 512
_ITEM = struct.Struct("<H")
_ITEM_MAX: Final = 1152
"""A name of 255 bytes, each written ``\\xNN``, with the file's size and time."""
STAGES: Final = ("capture", "infer")
"""Who may have an item in hand; each has a slot of its own."""


@dataclass(frozen=True, slots=True)
class InHand:
    """The page as read."""

    items: dict[str, str]
    """Stage -> item; only stages that had one."""
    acted: int
    """Parts that were decided and acted upon in this process's life."""
    aside: int
    """Of these, parts that were counted as `unstored`, or sent again by another way."""
    base: int | None
    """How many rows of this lane the ledger had when this life began; None: not known."""
    carried: int
    """And how many of earlier lives were on their way into it."""
    last_wall_ns: int
    """Of the last part acted upon; 0 for none."""
    last_boottime_ns: int
    unstored: int
    """Parts, over all lives, that could not be stored and are not accounted for by a tombstone."""
    unstored_first_ns: int
    """Wall clock of the first of them."""
    unstored_last_ns: int
    generation: int
    """Of `unstored`: changes each time a tombstone has accounted for them."""
    open: int = 0
    """Parts that had begun and were not decided: nothing was done about them."""

    def lost(self, rows: int) -> int | None:
        """Parts that were acted upon and have no row, of `rows` that there are now.

        None where nobody can know.
        """
        if self.base is None:
            return None
        return max(0, self.carried + self.acted - self.aside - max(0, rows - self.base))


class Page:
    """The lane's side.  `put`: the thread of that stage; the rest: any thread."""

    def __init__(self, path: Path) -> None:
        """Map `path`, made by `prepare`.  Raises `OSError`."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(descriptor, PAGE_BYTES)
        finally:
            os.close(descriptor)
        self._lock = threading.Lock()
        found = _read(bytes(self._map))
        self._acted = self._aside = self._open = 0
        (self._told,) = _TOLD.unpack_from(self._map, _TOLD_AT)
        self._last = (0, 0)
        self._unstored = (
            found.unstored,
            found.unstored_first_ns,
            found.unstored_last_ns,
            found.generation,
        )
        for stage in STAGES:
            self.put(stage, None)
        self._opened(0)
        self._write_counts()

    def put(self, stage: str, item: str | None) -> None:
        """`stage` takes this item in hand, or has none."""
        data = (item or "").encode("utf-8", "surrogateescape")[:_ITEM_MAX]
        at = _ITEM_AT + STAGES.index(stage) * (_ITEM_MAX + _ITEM.size)
        # The length goes to 0 first and is set last: a reader never sees half a name.
        self._map[at : at + _ITEM.size] = _ITEM.pack(0)
        self._map[at + _ITEM.size : at + _ITEM.size + len(data)] = data
        self._map[at : at + _ITEM.size] = _ITEM.pack(len(data))

    def begun(self) -> None:
        """A part has begun."""
        self._opened(1)

    def closed(self) -> None:
        """One of those was decided."""
        self._opened(-1)

    def acted(self, wall_ns: int, boottime_ns: int) -> None:
        """A part was decided and what drives the line was asked."""
        with self._lock:
            self._acted += 1
            self._last = (wall_ns, boottime_ns)
            self._write_counts()

    def unstored(self, wall_ns: int) -> None:
        """A part that was acted upon cannot be stored: there is no room."""
        with self._lock:
            self._aside += 1
            count, first, _, generation = self._unstored
            self._unstored = (count + 1, first or wall_ns, wall_ns, generation)
            self._write_counts()

    def unstored_now(self) -> tuple[int, int, int, int]:
        """(count, first wall ns, last wall ns, generation)."""
        with self._lock:
            return self._unstored

    def tell_unstored(self) -> tuple[int, int, int, int] | None:
        """What a tombstone is to tell of now, as `unstored_now`; None where there is nothing.

        The same again until `accounted`, also after a death in between: what is told under one
        generation never becomes more.
        """
        with self._lock:
            count, first, last, generation = self._unstored
            told = min(self._told, count) or count
            if not told:
                return None
            self._told = told
            self._write_counts()
            return told, first, last, generation

    def accounted(self, count: int) -> None:
        """A tombstone for `count` of the unstored parts is durable."""
        with self._lock:
            there, first, last, generation = self._unstored
            left = max(0, there - count)
            self._unstored = (left, first if left else 0, last if left else 0, generation + 1)
            self._told = 0
            self._write_counts()

    def close(self) -> None:
        """Let go of the mapping.  Idempotent."""
        with contextlib.suppress(ValueError):
            self._map.close()

    def _opened(self, number: int) -> None:
        with self._lock:
            self._open += number
            self._map[_OPEN_AT : _OPEN_AT + _OPEN.size] = _OPEN.pack(self._open)

    def _write_counts(self) -> None:
        data = _COUNTS.pack(self._acted, self._aside, *self._unstored[:3], self._unstored[3],
                            *self._last)  # fmt: skip
        self._map[_COUNTS_AT : _COUNTS_AT + _COUNTS.size] = data
        self._map[_TOLD_AT : _TOLD_AT + _TOLD.size] = _TOLD.pack(self._told)


def prepare(data_dir: Path, lane: str, rows: int | None = None, carried: int = 0) -> Path:
    """The lane's page file for a life that begins now; what it holds of `unstored` stays.

    `rows`: how many of this lane the ledger has, and `carried`: how many are on their way into it,
    so that what is lost can be told later.  To be read for the life before first.  Written with
    real zeros: a store into a hole of a full disk would kill the lane (SIGBUS).  Raises `OSError`.
    """
    folder = data_dir / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / lane
    if not path.is_file() or path.stat().st_size != PAGE_BYTES:
        unfinished = folder / f".{lane}.new"
        with unfinished.open("wb") as file:
            file.write((_HEAD.pack(_MAGIC, _VERSION)).ljust(PAGE_BYTES, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    Page(path).close()  # nothing acted upon, nothing in hand
    with path.open("r+b") as file:
        file.seek(_BASE_AT)
        file.write(_BASE.pack(-1 if rows is None else rows, carried))
    return path


def read(path: Path) -> InHand | None:
    """What a dead lane left; None where there is no page or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) != PAGE_BYTES or _HEAD.unpack_from(data) != (_MAGIC, _VERSION):
        return None
    return _read(data)


def _read(data: bytes) -> InHand:
    acted, aside, unstored, first, last, generation, wall_ns, boottime_ns = _COUNTS.unpack_from(
        data, _COUNTS_AT
    )
    base, carried = _BASE.unpack_from(data, _BASE_AT)
    (opened,) = _OPEN.unpack_from(data, _OPEN_AT)
    items = {}
    for number, stage in enumerate(STAGES):
        at = _ITEM_AT + number * (_ITEM_MAX + _ITEM.size)
        (length,) = _ITEM.unpack_from(data, at)
        if 0 < length <= _ITEM_MAX:
            raw = data[at + _ITEM.size : at + _ITEM.size + length]
            items[stage] = raw.decode("utf-8", "surrogateescape")
    return InHand(
        items=items,
        acted=acted,
        open=opened,
        aside=aside,
        base=None if base < 0 else base,
        carried=carried,
        last_wall_ns=wall_ns,
        last_boottime_ns=boottime_ns,
        unstored=unstored,
        unstored_first_ns=first,
        unstored_last_ns=last,
        generation=generation,
    )
