"""Results and ledgers for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.ledger.writer import LedgerWriter
from edge_runtime.types import (
    Media,
    Result,
    Score,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

SMALL = Ledger(ballast_mib=1, min_free_mib=0, group_ms=5)


def result(
    number: int = 0,
    *,
    kind: VerdictKind = VerdictKind.REJECT,
    media: tuple[Media, ...] = (),
    lane: str = "top",
    item: str | None = None,
) -> Result:
    return Result(
        lane=lane,
        source="file:belt.avi",
        source_seq=number,
        captured=SYSTEM_CLOCK.stamp(),
        verdict=Verdict(kind, "defect", 0.93, 0.9),
        item=item or f"frame:{number}",
        model="surface-defect/0.1.0",
        model_sha256="ab" * 32,
        scores=(Score("defect", 0.93), Score("ok", 0.07)),
        media=media,
    )


def tombstone() -> Tombstone:
    now = SYSTEM_CLOCK.stamp()
    return Tombstone(lane="top", reason=TombstoneReason.LANE_CRASH, first=now, last=now, count=1)


@contextlib.contextmanager
def ledger(folder: Path, settings: Ledger = SMALL) -> Iterator[LedgerWriter]:
    writer = LedgerWriter.open(folder, "tested", settings, SYSTEM_CLOCK)
    try:
        yield writer
    finally:
        writer.close()
