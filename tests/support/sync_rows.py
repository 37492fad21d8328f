"""Results and tombstones to sync, each with content of its own."""

from __future__ import annotations

from edge_runtime.clock import NS_PER_S
from edge_runtime.types import (
    Media,
    Region,
    Result,
    Score,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

START_NS = 1_763_930_000 * NS_PER_S
BOOT_ID = "0123456789abcdef" * 2


def stamp(number: int) -> Stamp:
    return Stamp(START_NS + number * 33_333_333, 5_000_000_000 + number * 33_333_333, BOOT_ID)


def result(number: int, *, media: tuple[Media, ...] = (), lane: str = "top") -> Result:
    """As a camera lane makes them; every third one is a reject."""
    score = (number * 7919 % 1000) / 1000
    kind = VerdictKind.REJECT if number % 3 == 0 else VerdictKind.PASS
    return Result(
        lane=lane,
        source="file:belt.mp4",
        source_seq=number,
        captured=stamp(number),
        verdict=Verdict(kind, "scratch", score, 0.6, "score against 0.60"),
        item=f"frame:{number}",
        model="surface-defect/1.0.0",
        model_sha256="ab" * 32,
        scores=(Score("scratch", score), Score("good", 1 - score)),
        regions=(Region("scratch", score, 10, 20, 74, 84),) if kind is VerdictKind.REJECT else (),
        infer_ms=9.125,
        latency_ms=12.5,
        media=media,
    )


def tombstone(number: int, *, lane: str = "top") -> Tombstone:
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.CAPTURE_GAP,
        first=stamp(number),
        last=stamp(number + 1),
        count=3,
    )
