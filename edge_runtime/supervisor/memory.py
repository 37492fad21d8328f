"""What this ledger remembers of earlier runs: configs that were ready, pins, where a replay was.

Blocking reads of the disk, each with a connection of its own: call them beside the loop.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.results import unfinished_key
from edge_runtime.supervisor.pinning import Pinned, Pins
from edge_runtime.types import Result

if TYPE_CHECKING:
    from edge_runtime.config import Lane
    from edge_runtime.types import Stamp

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A part of which something was still to come when its lane died."""

    seq: int
    missing: tuple[str, ...]
    """``evidence``, ``actuation``."""
    captured: Stamp
    key: str
    """Under which that is told once."""


@dataclass(frozen=True, slots=True)
class Blindness:
    """A lane was without its source when its process ended."""

    first: Stamp
    reason: str
    key: str
    """Under which its end is told once."""


class Memory:
    """Any thread."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is opened."""
        self._data_dir = data_dir

    def knows(self, config_sha256: str) -> bool:
        """Whether this config once reached READY here.  A ledger that cannot be read knows none."""
        try:
            with LedgerReader(self._data_dir) as reader:
                return config_sha256 in reader.ready_configs()
        except EdgeRuntimeError:
            return False

    def pins(self) -> dict[str, Pins]:
        """Of each lane."""
        found: dict[str, Pins] = {}
        with LedgerReader(self._data_dir) as reader:
            for (lane, asked), pin in reader.pins().items():
                found.setdefault(lane, {})[asked] = Pinned(pin.model, pin.folder, pin.sha256)
        return found

    def history(self, lane: str) -> list[tuple[str, str]]:
        """(model, sha256) that the lane loaded, newest first."""
        with LedgerReader(self._data_dir) as reader:
            return [(used.model, used.sha256) for used in reader.model_history(lane)]

    def rows(self, lane: str) -> int:
        """How many results of it were ever stored."""
        with LedgerReader(self._data_dir) as reader:
            return reader.recorded(lane)

    def unfinished(self, lane: str) -> list[Unfinished]:
        """Of a lane that does not run."""
        with LedgerReader(self._data_dir) as reader:
            found = []
            for seq, missing in reader.unfinished(lane):
                entry = reader.result(seq)
                if entry is not None and isinstance(entry.body, Result):
                    captured = entry.body.captured
                    found.append(Unfinished(seq, missing, captured, unfinished_key(seq)))
        return found

    def blindness(self, lane: str) -> Blindness | None:
        """The time without its source that no entry has ended yet, of a lane that does not run."""
        with LedgerReader(self._data_dir) as reader:
            entry = reader.blind_since(lane)
        if entry is None or not isinstance(entry.body, Result):
            return None
        reason = entry.body.verdict.reason or "the source was away"
        return Blindness(entry.body.captured, reason, f"blind:{lane}:{entry.seq}")

    def last_item(self, lane: str, source: str, identity: str) -> str | None:
        """The last item that is stored of this recording; None where it is another one."""
        with LedgerReader(self._data_dir) as reader:
            if reader.source_identity(lane) != identity:
                return None
            return reader.last_item(lane, source)

    def identity(self, lane: str) -> str | None:
        """What was noted last of its source."""
        with LedgerReader(self._data_dir) as reader:
            return reader.source_identity(lane)


def identity_of(lane: Lane) -> str | None:
    """Tells a recording from another one at the same place; None where the source is none."""
    scheme, _, rest = lane.source.partition(":")
    if lane.views or scheme != "file":
        return None
    try:
        found = Path(rest).stat()
    except OSError:
        return None
    return f"{lane.source} {found.st_size} {found.st_mtime_ns}"


def is_replay(lane: Lane) -> bool:
    """Whether the source repeats what was not stored."""
    return not lane.views and lane.source.startswith(("file:", "folder:"))


def is_folder(lane: Lane) -> bool:
    """Whether items are told from each other by the ledger, not by their order."""
    return not lane.views and lane.source.startswith("folder:")
