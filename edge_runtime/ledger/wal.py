"""SQLite's write-ahead log, read by ourselves: what lies behind a frame that is damaged.

Each frame has a checksum that goes on from the one before it.  SQLite reads up to the first that
does not fit and takes the rest for never written, without a word: right after a power cut, whose
last transaction was never acknowledged, and wrong where a byte changed in the middle.  The
checksum that a frame goes on from stands in the one before it, so a frame behind the damage can
still be proven whole.  No SQLite here; nothing is written.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge_runtime.ledger.records import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAGE_BYTES
_BIG_ENDIAN_SUMS: Final = 0x377F0683
_MAGIC: Final = 0x377F0682
_SHM_LAST_FRAME_AT: Final = 16
"""In the log's index (``-shm``): how many frames SQLite believes, up to the last commit."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One page in the log."""

    index: int
    """From 0."""
    page: int
    is_commit: bool
    salt: bytes
    sums: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Log:
    """The frames of the log's present round: those of earlier rounds have another salt."""

    path: Path
    frames: tuple[Frame, ...]
    seed: tuple[int, int]
    """What the first frame's checksum goes on from."""
    order: str
    """Of the words that are summed, as `struct` says it."""

    def whole(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, bytes]]:
        """Those of `frames` whose checksum fits, and their pages.  Raises OSError."""
        before = {frame.index + 1: frame.sums for frame in self.frames} | {0: self.seed}
        with self.path.open("rb") as file:
            for frame in frames:
                seed = before.get(frame.index)
                if seed is None:
                    continue
                file.seek(HEADER_BYTES + frame.index * FRAME_BYTES)
                raw = file.read(FRAME_BYTES)
                page = raw[FRAME_HEADER_BYTES:]
                if len(raw) == FRAME_BYTES and frame.sums == _sums(
                    page, _sums(raw[:8], seed, self.order), self.order
                ):
                    yield frame, page


def read_log(path: Path) -> Log | None:
    """The log of a database; None where there is none, or nothing in it.  Raises OSError."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    count = (size - HEADER_BYTES) // FRAME_BYTES
    if count < 1:
        return None
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        frames = []
        for index in range(count):
            file.seek(HEADER_BYTES + index * FRAME_BYTES)
            page, commit, salt, one, two = struct.unpack(">II8sII", file.read(FRAME_HEADER_BYTES))
            frames.append(Frame(index, page, commit > 0, salt, (one, two)))
    magic = int.from_bytes(header[:4], "big")
    order = ">" if magic == _BIG_ENDIAN_SUMS else "<"
    salt, seed = header[16:24], struct.unpack(">II", header[24:])
    if magic not in (_MAGIC, _BIG_ENDIAN_SUMS) or seed != _sums(header[:24], (0, 0), order):
        salt = Counter(frame.salt for frame in frames).most_common(1)[0][0]  # by the majority
    present = tuple(frame for frame in frames if frame.salt == salt)
    return Log(path, present, (seed[0], seed[1]), order)


def believed(shm: Path) -> int:
    """How many frames SQLite believes.  Only while a connection is open that has read."""
    try:
        with shm.open("rb") as file:
            file.seek(_SHM_LAST_FRAME_AT)
            return int(struct.unpack("=I", file.read(4))[0])
    except (OSError, struct.error):
        return 0


def lost_commits(log: Log, last: int, *, may_be_torn: bool) -> list[Frame]:
    """Frames behind the `last` that SQLite believes which prove that more was committed.

    Each transaction is on the disk before the next one begins: a whole commit behind another one
    that is not believed was acknowledged.  The first commit may be the one that a power cut tore,
    its pages written in any order: it proves something only where there was none (not
    `may_be_torn`).  Raises OSError.
    """
    behind = [frame for frame in log.frames if frame.index >= last]
    commits = [frame for frame in behind if frame.is_commit]
    asked = commits[1:] if may_be_torn else commits
    return [frame for frame, _ in log.whole(asked)]


def newest_pages(log: Log) -> dict[int, bytes]:
    """The newest whole image of each page, up to the last commit.  Raises OSError."""
    found: dict[int, bytes] = {}
    committed: dict[int, bytes] = {}
    for frame, page in log.whole(log.frames):
        found[frame.page] = page
        if frame.is_commit:
            committed.update(found)
            found.clear()
    return committed


def _sums(data: bytes, seed: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = seed
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
