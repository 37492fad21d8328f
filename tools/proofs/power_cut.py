"""Power cuts: a file system of our own loses everything that was not durably written.

A loop-mounted ext4 is shut down without flushing its journal (EXT4_IOC_SHUTDOWN, NOLOGFLUSH), the
writer is killed, the file system is mounted again, and the ledger is checked: every result that was
acknowledged to a witness is there, the database is sound, every referenced picture has the content
that its name says.  Needs root.

    python tools/proofs/power_cut.py --cuts 200 [--seed N]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import random
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.ledger import database
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import LedgerWriter

PROJECT = Path(__file__).resolve().parents[2]
EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2
SIZE_MIB = 192
SETTINGS = Ledger(ballast_mib=1, min_free_mib=0, media_budget_mib=64)
CHILD = """
import sys
from pathlib import Path
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.writer import LedgerWriter, PutResult
from edge_runtime.types import Result, Score, Verdict, VerdictKind
from tools.proofs.power_cut import SETTINGS
folder = Path(sys.argv[1])
store = MediaStore(folder)
writer = LedgerWriter.open(folder, "cut", SETTINGS, SYSTEM_CLOCK)
n = 0
while True:
    waiting = []
    for _ in range(8):
        n += 1
        media = ()
        if n % 4 == 0:
            data = f"{sys.argv[2]} {n} ".encode() * 400
            media = (store.put(data, kind="frame", mime="image/jpeg"),)
        result = Result(lane="top", source="made", source_seq=n, captured=SYSTEM_CLOCK.stamp(),
                        verdict=Verdict(VerdictKind.REJECT, "defect", 0.9, 0.9),
                        scores=(Score("defect", 0.9),), media=media)
        waiting.append(writer.submit(PutResult(result)))
    for future in waiting:
        print(future.result(), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261124)
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("power_cut: needs root, to mount a file system of its own")
    rng = random.Random(options.seed)
    acknowledged: set[int] = set()
    totals = {"lost": 0, "unsound": 0, "media_bad": 0, "recovered": 0}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edge-runtime-cuts-") as name:
        image, mount = make_disk(Path(name))
        for cut in range(options.cuts):
            with mounted(image, mount):
                acknowledged |= run_and_cut(mount, cut, rng.uniform(0.4, 1.2))
            with mounted(image, mount):
                check(mount / "data", acknowledged, totals)
            if cut % 20 == 19:
                print(f"  {cut + 1} cuts, {len(acknowledged)} acknowledged, {totals}", flush=True)
    seconds = (time.monotonic() - begin) / options.cuts
    print(
        f"cuts={options.cuts} seed={options.seed} s_per_cut={seconds:.2f} "
        f"acknowledged={len(acknowledged)} "
        + " ".join(f"{key}={value}" for key, value in totals.items())
        + f" sqlite={sqlite3.sqlite_version}"
    )
    if any(totals.values()) or not acknowledged:
        raise SystemExit("power_cut: FAILED")
    print("power_cut: ok")


def make_disk(folder: Path) -> tuple[Path, Path]:
    image, mount = folder / "disk.img", folder / "mnt"
    with image.open("wb") as file:
        file.truncate(SIZE_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    mount.mkdir()
    return image, mount


@contextlib.contextmanager
def mounted(image: Path, mount: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    try:
        yield
    finally:
        for _ in range(50):
            done = subprocess.run(["umount", mount], check=False, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise SystemExit("power_cut: cannot unmount")


def run_and_cut(mount: Path, cut: int, seconds: float) -> set[int]:
    """What the witness, this process, was told before the power went."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(mount / "data"), f"cut{cut}"],
        stdout=subprocess.PIPE, text=True, cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    time.sleep(seconds)
    descriptor = os.open(mount, os.O_RDONLY)
    fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("=I", NOLOGFLUSH))
    os.close(descriptor)
    process.kill()
    out, _ = process.communicate(timeout=30)
    return {int(line) for line in out.split("\n")[:-1] if line}


def check(data: Path, acknowledged: set[int], totals: dict[str, int]) -> None:
    if not (data / database.FILE).exists():
        totals["lost"] += len(acknowledged)
        return
    writer = LedgerWriter.open(data, "cut", SETTINGS, SYSTEM_CLOCK)  # as the next start would
    totals["recovered"] += bool(writer.recovered)
    writer.close()
    raw = sqlite3.connect(data / database.FILE)
    totals["unsound"] += raw.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    seqs = {seq for (seq,) in raw.execute("SELECT seq FROM entries")}
    raw.close()
    totals["lost"] += len(acknowledged - seqs)
    with LedgerReader(data) as reader:
        for seq in sorted(acknowledged)[-400:]:
            for media in reader.media_of(seq):
                if media.state == "evicted":
                    continue
                whole = media.path.is_file() and (
                    hashlib.sha256(media.path.read_bytes()).hexdigest() == media.sha256
                )
                totals["media_bad"] += not whole


if __name__ == "__main__":
    main()
