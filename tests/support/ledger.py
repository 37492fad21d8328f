"""Results, tombstones and ledgers for tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import SYSTEM_CLOCK, Clock
from edge_runtime.config import Ledger
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.writer import LedgerWriter, Op, PutResult
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

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0)
PATIENCE_S = 30.0


def stamp(second: int = 0, boot: str = "boot") -> Stamp:
    return Stamp(1_700_000_000_000_000_000 + second * 10**9, second * 10**9, boot)


def result(
    number: int = 0,
    *,
    lane: str = "top",
    kind: VerdictKind = VerdictKind.REJECT,
    media: tuple[Media, ...] = (),
    **more: Any,
) -> Result:
    """One as a camera lane makes them."""
    given: dict[str, Any] = {
        "source": "file:belt.mp4",
        "source_seq": number,
        "captured": stamp(number),
        "verdict": Verdict(kind, "defect", 0.9312, 0.6, "defect at least 0.6"),
        "item": f"frame:{number}",
        "model": "surface-defect/0.1.0",
        "model_sha256": "a" * 64,
        "scores": (Score("defect", 0.9312), Score("ok", 0.0688)),
        "regions": (Region("defect", 0.93, 10, 20, 74, 84),),
        "infer_ms": 12.345,
        "latency_ms": 15.21,
    }
    return Result(lane=lane, media=media, **{**given, **more})


def tombstone(number: int = 0, *, lane: str = "top") -> Tombstone:
    return Tombstone(
        lane=lane,
        reason=TombstoneReason.CAPTURE_GAP,
        first=stamp(number),
        last=stamp(number + 1),
        count=3,
        detail="the first queue was full",
    )


@contextlib.contextmanager
def ledger(
    data_dir: Path,
    settings: Ledger = SMALL,
    clock: Clock = SYSTEM_CLOCK,
    device: str = "box",
) -> Iterator[LedgerWriter]:
    writer = LedgerWriter.open(data_dir, device, settings, clock)
    try:
        yield writer
    finally:
        writer.close()


def done(writer: LedgerWriter, op: Op) -> Any:
    """The value of one request, once it is durable."""
    return writer.submit(op).result(PATIENCE_S)


def put_with_media(
    writer: LedgerWriter, data_dir: Path, number: int, data: bytes, **more: Any
) -> int:
    media = MediaStore(data_dir).put(data, kind="frame", mime="image/jpeg")
    return int(done(writer, PutResult(result(number, media=(media,), **more))))


def crash_image(data_dir: Path, target: Path) -> Path:
    """What a power cut now would leave: the folder as it is on the disk, nothing closed."""
    shutil.copytree(data_dir, target, ignore=shutil.ignore_patterns("*-shm", "lock"))
    return target


@contextlib.contextmanager
def small_disk(size: str, kind: str = "tmpfs") -> Iterator[Path]:
    """A real file system of `size`; skips with a reason where it cannot be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = Path(tempfile.mkdtemp(prefix="edge-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    image = folder.with_suffix(".img")
    if kind == "ext4":
        subprocess.run(["truncate", "-s", size, image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        if mounted.returncode != 0:
            pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
        yield folder
    finally:
        subprocess.run(["umount", folder], capture_output=True, check=False)
        image.unlink(missing_ok=True)
        folder.rmdir()
