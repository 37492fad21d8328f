"""What is noted beside the database, so that a database that lost something can be found out.

* ``epoch``: the epoch and a seq that the database has durably; written durably at each start, each
  checkpoint and the end.
* ``mark``: the same after each commit, and which boot it was; not waited for, so that it costs no
  write to the flash of its own.  A kill does not reach it; a power cut may leave an older one.

Neither is ever ahead of what was acknowledged: rows that are noted and not there were lost.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_runtime.ledger.folder import write_durably

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

EPOCH_FILE: Final = "epoch"
MARK_FILE: Final = "mark"
_MARK_BYTES: Final = 128
"""Within one sector: there whole or not at all."""
_MOST: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Noted:
    """What was found."""

    epoch: str = ""
    """The one that the ``epoch`` file names; empty when it names none."""
    tops: dict[str, int] = field(default_factory=dict)
    """Epoch -> the highest seq that was durable in it."""
    boot: str = ""
    """In which the last commit was noted; empty when that is not known."""

    def top(self, epochs: Collection[str] = ()) -> int:
        """The highest seq that was durable, in any of `epochs`; of none given, in any at all."""
        known = (seq for epoch, seq in self.tops.items() if not epochs or epoch in epochs)
        return max(known, default=0)


class Mark:
    """Writes ``mark``.  One thread.  What cannot be written is not missed until it is needed."""

    def __init__(self, data_dir: Path, boot: str) -> None:
        """Takes its room at once, so that a full disk does not matter later."""
        self._boot = boot
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.open(
                data_dir / MARK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640
            )

    def note(self, epoch: str, seq: int) -> None:
        """All up to `seq` is durable in `epoch`."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, _mark(epoch, seq, self._boot), 0)

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def write_epoch(data_dir: Path, epoch: str, seq: int) -> None:
    """Note which epoch the database is in, and a seq that it has durably.  Raises OSError."""
    write_durably(data_dir / EPOCH_FILE, f"{epoch} {seq}\n")


def read_epoch(data_dir: Path) -> tuple[str, int]:
    """What `write_epoch` noted last; empty and 0 when there is nothing to be read."""
    try:
        epoch, _, seq = (data_dir / EPOCH_FILE).read_text("utf-8").strip().partition(" ")
        number = int(seq or 0)
    except (OSError, ValueError):
        return "", 0
    return (epoch, number) if epoch.isalnum() and 0 <= number < _MOST else ("", 0)


def read_noted(data_dir: Path) -> Noted:
    """Everything that is noted, as far as it can be read."""
    epoch, seq = read_epoch(data_dir)
    tops = {epoch: seq} if epoch else {}
    marked, mark, boot = _read_mark(data_dir)
    if marked:
        tops[marked] = max(mark, tops.get(marked, 0))
    return Noted(epoch, tops, boot)


def _mark(epoch: str, seq: int, boot: str) -> bytes:
    text = f"{epoch} {seq} {boot}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".ljust(_MARK_BYTES).encode()


def _read_mark(data_dir: Path) -> tuple[str, int, str]:
    try:
        raw = (data_dir / MARK_FILE).read_bytes()[:_MARK_BYTES].decode("ascii")
        text, _, sum_ = raw.strip().rpartition(" ")
        epoch, seq, boot = text.split(" ")
        if int(sum_, 16) == zlib.crc32(text.encode()) and 0 <= int(seq) < _MOST:
            return epoch, int(seq), boot
    except (OSError, ValueError):
        pass
    return "", 0, ""
