"""A network camera over a line that runs: motion JPEG over HTTP, which can fail in every way.

``python -m edge_runtime.sample_station.camera --fps 20 --every-ms 500`` is the camera as a process
of its own.  Lines of standard input command it, lines of JSON on standard output tell what it did
and which part was before it when (CLOCK_BOOTTIME, ns)::

    {"kind": "listening", "url": "http://127.0.0.1:40113/video", ...}
    {"kind": "started", "start_ns": ..., "every_ns": ..., "visible_ns": ..., "parts": 100}
    {"kind": "part", "number": 0, "bad": false, "from_ns": ..., "until_ns": ..., "frame_ns": ...}
    {"kind": "did", "command": "stall", "at_ns": ...}
    {"kind": "ended", "at_ns": ...}

The line runs on whatever becomes of the camera: a part that goes by while it is stalled is told
like any other.  ``frame_ns`` is when its first picture was taken; null: no picture was in time.

=============== ==================================================================================
``start``       the line starts (with ``--wait``; else it starts at once)
``go``          all is well again; a camera that was cut is back on its port
``stall``       connections stay open, nothing comes
``freeze``      the same JPEG again and again
``damage [n]``  each n-th JPEG (default: each) lacks its end
``hangup``      connections are closed; new ones are taken
``cut``         connections are closed, the port refuses new ones
``resize WxH``  connections are closed; pictures of the new ones are of this size
=============== ==================================================================================
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import cv2

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.errors import UsageError
from edge_runtime.sample_station.line import Scenery, Schedule, make_schedule
from edge_runtime.sample_station.mjpeg import MjpegServer

if TYPE_CHECKING:
    from collections.abc import Callable

QUALITY = 90
LOOK_S = 0.25
_LEAD_NS = 20 * NS_PER_MS
"""From `start` to the first part."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What is filmed, and how."""

    fps: float = 20.0
    every_ms: float = 500.0
    visible_ms: float = 250.0
    parts: int | None = None
    bad_share: float = 0.25
    seed: int = 7
    look: str = "belt"
    tell_frames: bool = False
    """A line of JSON for each picture, too."""


class Camera:
    """Films the line in a thread of its own, and serves whoever connects.

    `command`: any thread.  `close` ends all threads.
    """

    def __init__(
        self, settings: CameraSettings, tell: Callable[[dict[str, Any]], None], *, port: int = 0
    ) -> None:
        """Draw what it will see (a second) and listen.  Raises `OSError` for a port in use."""
        self._settings, self._tell = settings, tell
        look: Any = settings.look
        self._scenery = Scenery(seed=settings.seed, bad_share=settings.bad_share, look=look)
        self._schedule: Schedule | None = None
        self._news = threading.Condition()
        self._jpeg, self._shown, self._calls = b"", 0, 0
        self._mode, self._damage_each = "go", 1
        self._closed = threading.Event()
        self._server: MjpegServer | None = None
        self._serving: threading.Thread | None = None
        self.port = port
        self._listen()
        self._filming = threading.Thread(target=self._film, name="film", daemon=True)
        self._filming.start()

    @property
    def url(self) -> str:
        """Of the stream."""
        return f"http://127.0.0.1:{self.port}/video"

    def start(self) -> Schedule:
        """The line starts now (again: from part 0)."""
        settings = self._settings
        schedule = make_schedule(
            SYSTEM_CLOCK.boottime_ns() + _LEAD_NS,
            every_ms=settings.every_ms,
            visible_ms=settings.visible_ms,
            parts=settings.parts,
        )
        self._tell({"kind": "started", **asdict(schedule)})
        with self._news:
            self._schedule = schedule
        return schedule

    def command(self, line: str) -> None:
        """Obey one line, see the module; told when done.  Raises `UsageError`."""
        word, _, rest = line.strip().partition(" ")
        if word == "start":
            self.start()
        elif word == "resize":
            width, _, height = rest.partition("x")
            if not (width.isdigit() and height.isdigit()):
                raise UsageError(f"resize: found '{rest}'; write resize WIDTHxHEIGHT")
            with self._news:
                self._scenery.resize(int(width), int(height))
            self._hang_up()
        elif word == "hangup":
            self._hang_up()
        elif word in ("go", "stall", "freeze", "damage", "cut"):
            self._set_mode(word, int(rest or 1))
        else:
            raise UsageError(f"found '{line.strip()}'; see --help for what the camera obeys")
        self._tell({"kind": "did", "command": line.strip(), "at_ns": SYSTEM_CLOCK.boottime_ns()})

    def close(self) -> None:
        """End all threads.  Idempotent."""
        self._closed.set()
        self._deafen()
        self._filming.join()

    def _set_mode(self, mode: str, damage_each: int) -> None:
        with self._news:
            self._mode, self._damage_each = mode, max(1, damage_each)
            self._news.notify_all()
        if mode == "cut":
            self._deafen()
        elif self._server is None:
            self._listen()

    def _hang_up(self) -> None:
        with self._news:
            self._calls += 1
            self._news.notify_all()

    def _listen(self) -> None:
        server = MjpegServer(self.port, self.stream)
        self.port = server.port
        self._server = server
        self._serving = threading.Thread(
            target=server.serve_forever, args=(LOOK_S,), name="serve", daemon=True
        )
        self._serving.start()

    def _deafen(self) -> None:
        self._hang_up()
        server, self._server = self._server, None
        if server is not None and self._serving is not None:
            server.shutdown()
            server.server_close()  # waits for the connections' threads
            self._serving.join()

    def _film(self) -> None:
        """One picture a period, by the schedule's own grid; what is late is left out."""
        period_ns = round(NS_PER_S / self._settings.fps)
        origin_ns, index, told = SYSTEM_CLOCK.boottime_ns(), 0, -1
        schedule: Schedule | None = None
        while not self._closed.is_set():
            with self._news:
                if self._schedule is not schedule:
                    schedule = self._schedule
                    assert schedule is not None
                    origin_ns, index, told = schedule.start_ns, 0, -1
            due_ns = origin_ns + index * period_ns
            now_ns = SYSTEM_CLOCK.boottime_ns()
            if now_ns < due_ns:
                SYSTEM_CLOCK.wait(self._closed, min(due_ns - now_ns, _LEAD_NS // 2) / NS_PER_S)
                continue
            index += max(1, (now_ns - due_ns) // period_ns)
            number = schedule.part_at(due_ns) if schedule else None
            self._take(number)
            if schedule is not None:
                told = self._tell_parts(schedule, told, number, due_ns, now_ns)

    def _take(self, number: int | None) -> None:
        at_ns = SYSTEM_CLOCK.boottime_ns()
        with self._news:
            if self._mode not in ("stall", "freeze", "cut"):
                pixels = self._scenery.picture(number)
                done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                assert done
                self._jpeg = jpeg.tobytes()
                if self._mode == "damage" and self._shown % self._damage_each == 0:
                    self._jpeg = self._jpeg[: len(self._jpeg) // 3]
            self._shown += 1
            self._news.notify_all()
        if self._settings.tell_frames:
            self._tell({"kind": "frame", "at_ns": at_ns, "part": number, "mode": self._mode})

    def _tell_parts(
        self, schedule: Schedule, told: int, number: int | None, due_ns: int, taken_ns: int
    ) -> int:
        """Tell parts that came (or went by unseen) since part `told`; the last one told."""
        newest = (due_ns - schedule.start_ns) // schedule.every_ns
        if schedule.parts is not None:
            newest = min(newest, schedule.parts - 1)
        for part in range(told + 1, newest + 1):
            from_ns, until_ns = schedule.span_ns(part)
            self._tell(
                {
                    "kind": "part",
                    "number": part,
                    "bad": self._scenery.is_bad(part),
                    "from_ns": from_ns,
                    "until_ns": until_ns,
                    "frame_ns": taken_ns if part == number else None,
                }
            )
        ended = schedule.end_ns is not None and due_ns >= schedule.end_ns
        if ended and told != schedule.parts:
            self._tell({"kind": "ended", "at_ns": taken_ns})
            return schedule.parts or 0
        return max(told, newest)

    def stream(self, send: Callable[[bytes], None]) -> None:
        """Give one connection every new picture that it has time for, until it is hung up."""
        with self._news:
            call, seen = self._calls, self._shown
        while not self._closed.is_set():
            with self._news:
                if self._calls == call and self._shown == seen:
                    self._news.wait(LOOK_S)
                if self._calls != call:
                    return
                is_new = self._shown != seen and self._mode != "stall" and self._jpeg
                seen, jpeg = self._shown, self._jpeg
            if is_new:
                send(jpeg)


def main() -> None:
    """The camera as a process; it ends with its standard input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fps", type=float, default=20.0)
    parser.add_argument("--every-ms", type=float, default=500.0, help="from part to part")
    parser.add_argument("--visible-ms", type=float, default=250.0, help="each part is seen so long")
    parser.add_argument("--parts", type=int, help="so many, then the belt is empty")
    parser.add_argument("--bad-share", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--look", choices=("belt", "plain"), default="belt")
    parser.add_argument("--tell-frames", action="store_true", help="a line for each picture")
    parser.add_argument("--wait", action="store_true", help="the line waits for the word start")
    asked = vars(parser.parse_args())
    port, waits = asked.pop("port"), asked.pop("wait")
    written = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        with written:
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()

    cv2.setNumThreads(1)
    settings = CameraSettings(**asked)
    camera = Camera(settings, tell, port=port)
    tell({"kind": "listening", "url": camera.url, "port": camera.port, **asdict(settings)})
    try:
        if not waits:
            camera.start()
        for line in sys.stdin:  # ends with whoever started it
            try:
                camera.command(line)
            except (UsageError, ValueError) as exc:
                tell({"kind": "refused", "command": line.strip(), "why": str(exc)})
    finally:
        camera.close()


if __name__ == "__main__":
    main()
