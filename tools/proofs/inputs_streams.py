"""Damaged motion JPEG streams, read by the product's own camera, against a program it does not use.

A server on the loopback sends real pictures, one in two of them damaged, the way cameras do it:
with lengths that are right, wrong or missing, with odd boundaries.  The referee is ``djpeg
-strict``, on the bytes of each part as they were sent.
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.capture import open_source
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.files.image import decode_image
from tools.proofs.inputs_row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge_runtime.protocols import Source
    from edge_runtime.types import Frame

PAIRS = 4
"""Damaged parts in a stream, and whole ones."""
LARGEST_BYTES = 400_000
WAIT_S = 20.0
END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Sent:
    """One part of a stream."""

    kind: str
    """How it is damaged; empty for a whole one."""
    data: bytes
    original: bytes


@dataclass(frozen=True, slots=True)
class Manner:
    """How one camera writes its parts."""

    told: str
    """The boundary in the answer's head."""
    used: str
    """And in the stream."""
    wrong: int | None
    """By how much lengths are; None: there are none."""

    def write(self, data: bytes) -> bytes:
        """With the next boundary, so that a part without an end is over."""
        length = b"" if self.wrong is None else b"Content-Length: %d\r\n" % (len(data) + self.wrong)
        head = b"Content-Type: image/jpeg\r\n" + length + b"\r\n"
        return head + data + b"\r\n--" + self.used.encode() + b"\r\n"


MANNERS = (
    Manner("frame", "frame", 0),
    Manner('"frame"', "frame", -10),
    Manner("--frame", "frame", None),
    Manner("frame", "other", 10),
    Manner("", "frame", None),
)


def run(
    files: int, whole: int, seed: int, data: Path, work: Path, tell: Callable[[str], None]
) -> list[Row]:
    """`files` streams with at least `whole` whole parts among them.

    `data`: a folder with pictures in it; nothing is written into `work`.
    """
    del work
    rng = random.Random(seed)
    pictures = _pictures(data, rng, 64)
    pairs = max(PAIRS, -(-whole // max(1, files)))
    results = _Results()
    for number in range(files):
        parts = list(_parts(pictures, rng, pairs))
        _watch(parts, MANNERS[number % len(MANNERS)], results)
        if number % 20 == 19:
            tell(f"streams: {number + 1} of {files}")
    return results.rows()


class _Results:
    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}

    def add(self, kind: str, what: str) -> None:
        self.counts.setdefault(kind, Counter())[what] += 1

    def rows(self) -> list[Row]:
        found = []
        for kind, count in sorted(self.counts.items()):
            is_whole = kind == ""
            found.append(
                Row(
                    kind=f"MJPEG stream: {kind or 'whole pictures beside them'}",
                    tried=count["tried"],
                    refused=count["refused"],
                    # A picture that is not the part's own is as bad, whatever the referee says.
                    judged_though_reported=count["reported"] + (0 if is_whole else count["lost"]),
                    visible_and_silent=count["silent"],
                    whole_refused=count["refused"] + count["lost"] if is_whole else 0,
                )
            )
        return found


def _watch(parts: Sequence[Sent], manner: Manner, results: _Results) -> None:
    """One stream by the product's camera, part by part."""
    with _served(parts, manner) as (url, take_next):
        settings = Capture(open_timeout_s=WAIT_S, read_timeout_s=WAIT_S, stale_s=0.0)
        source = open_source(url, settings, is_camera=True, clock=SYSTEM_CLOCK)
        take_next()
        source.open()
        try:
            for number, sent in enumerate(parts):
                results.add(sent.kind, "tried")
                _judge(sent, _outcome(source), results)
                if number + 1 < len(parts):
                    take_next()
        except SourceUnavailable:
            results.add(sent.kind, "lost")
        finally:
            source.close()


def _outcome(source: Source[Frame]) -> Frame | None:
    """What came of the part; None where it was refused."""
    while True:
        try:
            frame = source.read()
        except ItemError:
            return None
        if frame is not None:
            return frame


def _judge(sent: Sent, frame: Frame | None, results: _Results) -> None:
    if frame is None:
        results.add(sent.kind, "refused")
        return
    if frame.encoded is None or not sent.data.startswith(frame.encoded):
        results.add(sent.kind, "lost")  # another part's picture, or one that was not sent
    elif sent.kind and is_reported(sent.data):
        results.add(sent.kind, "reported")
    elif not np.array_equal(frame.pixels, decode_image(sent.original, "the original")):
        results.add(sent.kind, "silent" if sent.kind else "lost")


def is_reported(jpeg: bytes) -> bool:
    """Whether the referee reports damage."""
    told = subprocess.run(
        ["djpeg", "-strict", "-outfile", "/dev/null"], input=jpeg, capture_output=True, check=False
    )
    return told.returncode != 0 or bool(told.stderr)


def _pictures(data: Path, rng: random.Random, count: int) -> list[bytes]:
    """Whole ones that are not too large, by the referee's word."""
    paths = sorted(data.rglob("*.jpg"))
    rng.shuffle(paths)
    found: list[bytes] = []
    for path in paths:
        if path.stat().st_size <= LARGEST_BYTES:
            jpeg = path.read_bytes()
            if not is_reported(jpeg):
                found.append(jpeg)
        if len(found) == count:
            break
    return found


def _parts(pictures: Sequence[bytes], rng: random.Random, pairs: int) -> Iterator[Sent]:
    kinds = list(DAMAGE)
    for _ in range(pairs):
        original, other = rng.choice(pictures), rng.choice(pictures)
        yield Sent("", original, original)
        kind = rng.choice(kinds)
        yield Sent(kind, DAMAGE[kind](original, other, rng), original)


def _begin(jpeg: bytes) -> int:
    """Behind the first scan's head."""
    at = jpeg.index(b"\xff\xda")
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")


def _place(jpeg: bytes, rng: random.Random) -> int:
    """Somewhere in the compressed data."""
    return rng.randrange(_begin(jpeg), len(jpeg) - 2)


def _cut(jpeg: bytes, _: bytes, rng: random.Random) -> bytes:
    return jpeg[: _place(jpeg, rng)] + END


def _cut_without_end(jpeg: bytes, _: bytes, rng: random.Random) -> bytes:
    return jpeg[: _place(jpeg, rng)]


def _zeroed(jpeg: bytes, _: bytes, rng: random.Random) -> bytes:
    at = _place(jpeg, rng)
    count = min(rng.choice((64, 600, 4096)), len(jpeg) - 2 - at)
    return jpeg[:at] + bytes(count) + jpeg[at + count :]


def _flipped(jpeg: bytes, _: bytes, rng: random.Random) -> bytes:
    found = bytearray(jpeg)
    for _bit in range(rng.choice((1, 3, 20))):
        found[_place(jpeg, rng)] ^= 1 << rng.randrange(8)
    return bytes(found)


def _old_tail(jpeg: bytes, other: bytes, rng: random.Random) -> bytes:
    return jpeg[: _place(jpeg, rng)] + other[_place(other, rng) :]


def _lost(jpeg: bytes, _: bytes, rng: random.Random) -> bytes:
    at = _place(jpeg, rng)
    return jpeg[:at] + jpeg[min(at + rng.choice((1, 100, 1460)), len(jpeg) - 2) :]


DAMAGE: dict[str, Callable[[bytes, bytes, random.Random], bytes]] = {
    "cut, with an end marker": _cut,
    "cut, without": _cut_without_end,
    "a run of zeros": _zeroed,
    "bits flipped": _flipped,
    "the tail of an older picture": _old_tail,
    "bytes lost": _lost,
}


@contextlib.contextmanager
def _served(parts: Sequence[Sent], manner: Manner) -> Iterator[tuple[str, Callable[[], None]]]:
    """A camera that sends its next part when it is told to."""
    due, ending = threading.Semaphore(0), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(WAIT_S)

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(WAIT_S)
                connection.recv(65536)
                kind = f"multipart/x-mixed-replace; boundary={manner.told}"
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
                connection.sendall(f"{head}--{manner.used}\r\n".encode())
                for part in parts:
                    due.acquire(timeout=WAIT_S)
                    connection.sendall(manner.write(part.data))
                ending.wait(WAIT_S)

    thread = threading.Thread(target=serve, name="odd-camera")
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/video", due.release
    finally:
        ending.set()
        due.release()
        thread.join(WAIT_S)
        listener.close()
