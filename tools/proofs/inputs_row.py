"""One line of the proof of inputs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one kind of input."""

    kind: str
    """Format and damage, such as ``JPEG: bits flipped``."""
    tried: int
    refused: int
    """Told as damaged."""
    judged_though_reported: int
    """Judged while a referee reports damage: must be 0."""
    visible_and_silent: int
    """Judged, no referee reports it, and pixels or samples differ: printed, not claimed."""
    whole_refused: int
    """Whole files that were refused: must be 0."""
