"""The parts of a JPEG that its segments tell of.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.files.pictures.jpeg_tables import Table

PROGRESSIVE = frozenset({0xC2, 0xCA})
"""Start-of-frame markers of pictures whose coefficients come in several scans."""
ARITHMETIC = frozenset({0xC9, 0xCA})


@dataclass(frozen=True, slots=True)
class Component:
    """One plane of the picture."""

    across: int
    """Blocks in one MCU."""
    down: int
    quantisation: int
    """Which table."""

    @property
    def blocks(self) -> int:
        """In one MCU of several components."""
        return self.across * self.down


@dataclass(frozen=True, slots=True)
class ScanPart:
    """One component in one scan, and the tables that were there when the scan began."""

    component: Component
    means: Table
    rest: Table
    step: int
    """The quantisation step of the mean."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: which coefficients of which components, to which bit, and where its data are."""

    parts: tuple[ScanPart, ...]
    first: int
    last: int
    high: int
    low: int
    begin: int
    end: int


@dataclass(slots=True)
class Structure:
    """What the segments say."""

    width: int = 0
    height: int = 0
    height_at: int = 0
    """Where the height stands, as two bytes."""
    kind: int = 0
    """The frame's marker; 0 before there is one."""
    interval: int = 0
    """MCUs between two restart markers; 0: there are none."""
    scans: list[Scan] = field(default_factory=list)
    exif: bytes = b""
    """The first EXIF block, behind its name."""
    components: dict[int, Component] = field(default_factory=dict)

    @property
    def is_progressive(self) -> bool:
        """Whether a coefficient may come in several scans."""
        return self.kind in PROGRESSIVE

    @property
    def is_arithmetic(self) -> bool:
        """Whether there are no Huffman tables."""
        return self.kind in ARITHMETIC
