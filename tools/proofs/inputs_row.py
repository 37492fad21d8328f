"""One line of what ``tools.proofs.inputs`` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One kind of damage to one format, or whole files of one format."""

    kind: str
    """Format and damage: "JPEG: bits flipped"."""
    tried: int = 0
    refused: int = 0
    """Told as damaged."""
    judged_though_reported: int = 0
    """Judged while a referee reports damage; must be 0."""
    visible_and_silent: int = 0
    """Judged, no referee reports, and pixels or samples differ: printed, not claimed."""
    whole_refused: int = 0
    """Whole files that were refused; must be 0."""
