"""The age of an RTSP camera's pictures, and what their stamps say of it.

A camera on loopback sends pictures that carry their number and notes when each was taken.  It is
opened again and again, once with nothing in store and once with two seconds of it, as cameras do
that begin with their last key frame.  A picture is *old as new* when it is older than 1.5 frame
intervals + 100 ms as it is handed over and its stamp does not say so; its stamp is *late* when it
is later than the picture by more than one frame interval + 30 ms (this machine's own delays).

    python -m tools.proofs.rtsp_age --reconnects 20 [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.capture.camera import Camera
from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.config import Capture
from tests.support.h264 import encoded, number_of
from tests.support.rtsp_camera import Behaviour, RtspCamera

if TYPE_CHECKING:
    from edge_runtime.types import Frame

RATES_FPS = (1.0, 2.0, 5.0, 10.0, 25.0)
STORED_S = (0.0, 2.0)
PICTURES = 4
"""Read after each opening."""
OWN_NS = 30 * NS_PER_MS


@dataclass
class Found:
    """At one rate."""

    fps: float
    stored_s: float
    openings: int = 0
    pictures: int = 0
    old_as_new: int = 0
    late_stamps: int = 0
    open_s: list[float] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)

    def add(self, frame: Frame, taken_ns: int) -> None:
        assert frame.handed_ns is not None
        interval_ns = NS_PER_S / self.fps
        limit_ns = 1.5 * interval_ns + 100 * NS_PER_MS
        age_ns = frame.handed_ns - taken_ns
        said_ns = frame.handed_ns - frame.captured.boottime_ns
        self.pictures += 1
        self.old_as_new += age_ns > limit_ns >= said_ns
        self.late_stamps += age_ns - said_ns > interval_ns + OWN_NS
        self.ages_ms.append(age_ns / NS_PER_MS)

    @property
    def line(self) -> str:
        ages = sorted(self.ages_ms)
        return (
            f"{self.fps:g} fps, {self.stored_s:g} s in store: {self.openings} openings, "
            f"{self.pictures} pictures; old as new {self.old_as_new}, stamps too late "
            f"{self.late_stamps}; age median {ages[len(ages) // 2]:.0f} ms, at most "
            f"{ages[-1]:.0f} ms; "
            f"opening at most {max(self.open_s):.2f} s"
        )


def _next(source: Camera) -> Frame:
    while (frame := source.read()) is None:
        pass
    return frame


def measure(fps: float, stored_s: float, reconnects: int) -> Found:
    found = Found(fps, stored_s)
    pictures = encoded(250, key_every=max(2, int(fps)))
    does = Behaviour(fps=fps, stored=int(stored_s * fps))
    settings = Capture(open_timeout_s=10.0, read_timeout_s=10.0)
    with RtspCamera(pictures, does) as camera:
        for _ in range(reconnects):
            source = Camera(camera.url, settings, clock=SYSTEM_CLOCK)
            began_ns = SYSTEM_CLOCK.boottime_ns()
            source.open()
            frames = [_next(source)]
            found.open_s.append((SYSTEM_CLOCK.boottime_ns() - began_ns) / NS_PER_S)
            frames += [_next(source) for _ in range(PICTURES - 1)]
            source.close()
            found.openings += 1
            for frame in frames:
                found.add(frame, camera.taken_ns[number_of(frame.pixels)])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reconnects", type=int, default=20)
    parser.add_argument("--fps", type=float, nargs="*", default=list(RATES_FPS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for fps in given.fps:
        for stored_s in STORED_S:
            rows.append(measure(fps, stored_s, given.reconnects))
            if not given.json:
                print(rows[-1].line, flush=True)
    if given.json:
        print(json.dumps([asdict(row) for row in rows]))
    wrong = sum(row.old_as_new + row.late_stamps for row in rows)
    if not given.json:
        print(f"{sum(row.pictures for row in rows)} pictures, {wrong} stamped wrongly; goal 0")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
