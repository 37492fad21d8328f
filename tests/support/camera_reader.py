"""Reads a camera in a process of its own, which a test can stop: a line for each picture.

``python -m tests.support.camera_reader URL`` prints by how many ms a picture's stamp is later than
the time in its comment segment, which is where the test's camera writes when it was taken.
"""

from __future__ import annotations

import sys

from edge_runtime.capture import open_source
from edge_runtime.clock import NS_PER_MS, SYSTEM_CLOCK
from edge_runtime.config import Capture

DIGITS = 20


def with_time(jpeg: bytes) -> bytes:
    """`jpeg` as taken now."""
    told = b"%0*d" % (DIGITS, SYSTEM_CLOCK.boottime_ns())
    return jpeg[:2] + b"\xff\xfe" + (DIGITS + 2).to_bytes(2, "big") + told + jpeg[2:]


def main() -> None:
    settings = Capture(open_timeout_s=20.0, read_timeout_s=20.0)
    source = open_source(sys.argv[1], settings, is_camera=True, clock=SYSTEM_CLOCK)
    source.open()
    while True:
        frame = source.read()
        if frame is not None:
            taken_ns = int((frame.encoded or b"")[6 : 6 + DIGITS])
            print(round((frame.captured.boottime_ns - taken_ns) / NS_PER_MS), flush=True)


if __name__ == "__main__":
    main()
