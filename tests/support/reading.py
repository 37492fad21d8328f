"""Reads a source to its end, as a lane's capture loop would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ItemError, SourceEnded

if TYPE_CHECKING:
    from edge_runtime.protocols import Source
    from edge_runtime.types import Frame


@dataclass
class Everything:
    """What came out of a source."""

    items: list[Any] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    bad_items: list[str | None] = field(default_factory=list)
    """Identities of the bad ones."""


def read_all(source: Source[Any], *, at_most: int = 100_000) -> Everything:
    """Open, read until `SourceEnded` (or `at_most` items), close."""
    found = Everything()
    source.open()
    try:
        while len(found.items) < at_most:
            try:
                item = source.read()
            except ItemError as exc:
                found.bad.append(str(exc))
                found.bad_items.append(exc.item)
                continue
            if item is not None:
                found.items.append(item)
    except SourceEnded:
        pass
    finally:
        source.close()
    return found


def next_of(source: Source[Frame]) -> Frame:
    """The next picture: a reader turns while a slow camera has none.  Raises as `Source.read`."""
    while (frame := source.read()) is None:
        pass
    return frame
