"""What a lane takes that watches a folder of many pictures at rest, in shares of one core.

The lane's own reader over `--files` pictures that were all judged before; then the CPU time of this
process over `--seconds`, once with the kernel telling what changes and once looking again and
again, as on a network share.

    python -m tools.folder_at_rest [--files 20000] [--seconds 30] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from edge_runtime.capture import open_source
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), given.files)
        for notify in ("auto", "poll"):
            share = share_of_a_core(Path(folder), notify, given.files, given.seconds)
            told = {"notify": notify, "files": given.files, "percent_of_a_core": round(share, 2)}
            print(json.dumps(told) if given.json else f"{notify}: {share:.2f} % of a core at rest")
    return 0


def fill(folder: Path, files: int) -> None:
    """So many small pictures."""
    done, data = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))
    assert done
    for number in range(files):
        (folder / f"part_{number:06}.png").write_bytes(data.tobytes())


def share_of_a_core(folder: Path, notify: str, files: int, seconds: float) -> float:
    """Percent, of the thread that reads the folder once all pictures were taken."""
    capture = Capture(watch=True, notify="poll" if notify == "poll" else "auto")
    source: Any = open_source(
        f"folder:{folder}", capture, is_camera=True, clock=SYSTEM_CLOCK, is_done=lambda _: True
    )
    stop, taken = threading.Event(), threading.Event()

    def read() -> None:
        source.open()
        looks = 0
        while not stop.is_set():
            source.read()
            looks += 1
            # Two looks, and those that were done are passed over in slices.
            if looks > 8 + files // 1000:
                taken.set()
        source.close()

    thread = threading.Thread(target=read)
    thread.start()
    taken.wait(600)
    time.sleep(2)
    process = psutil.Process()
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    stop.set()
    thread.join(30)
    spent: float = after.user + after.system - before.user - before.system
    return 100 * spent / seconds


if __name__ == "__main__":
    sys.exit(main())
