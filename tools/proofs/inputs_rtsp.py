"""Damaged H.264: streams of a camera that loses packets, and recordings with holes.

Streams are played by a camera on loopback and read as a lane reads them.  What was lost is known to
the camera, so it is the referee there: from a lost packet to the next key picture nothing may be
judged.  For wrong bits and for recordings the referee is ``ffmpeg -xerror``, which the product does
not use: what it reports must not be judged without a word.  Pictures are compared with those of the
undamaged stream.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.capture.camera import Camera
from edge_runtime.capture.pyav import PyAvDecoder
from edge_runtime.capture.rtsp.units import START
from edge_runtime.capture.video import VideoFile
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from tests.support.h264 import encoded, number_of, write_video
from tests.support.rtsp_camera import Behaviour, RtspCamera
from tools.proofs.inputs_row import Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURES = 40
FPS = 200.0
SIZES = ((320, 240), (480, 352), (640, 360))
VISIBLE = 2
"""Grey levels that tell two pictures apart: decoders differ by less."""
CONTAINERS = ("mp4", "mkv", "ts")

Pictures = list[list[bytes]]


def run(
    files: int, whole: int, seed: int, data: Path, work: Path, tell: Callable[[str], None]
) -> list[Row]:
    """`files` damaged streams and a third as many recordings; `whole`: a tenth as many whole ones.

    `data` is not used: every picture is drawn, so that it is known what each should look like.
    """
    del data
    rng = random.Random(seed)
    kinds: list[tuple[str, Callable[[random.Random], tuple[Behaviour, str]]]] = [
        ("lost packets, TCP", _loses_packets),
        ("lost packets, UDP", _loses_packets_udp),
        ("lost pictures", _loses_pictures),
        ("bits wrong", _flips),
    ]
    rows = []
    for number, (name, behaves) in enumerate(kinds):
        tell(f"RTSP: {name}")
        share = files // len(kinds) + (number < files % len(kinds))
        rows.append(_streams(f"RTSP H.264: {name}", share, rng, behaves))
    for container in CONTAINERS:
        tell(f"recordings: {container}")
        rows.append(_recordings(container, max(1, files // 9), rng, work))
    tell("whole streams and recordings")
    rows.append(_whole(max(2, whole // 10), rng, work))
    return rows


def _loses_packets(rng: random.Random) -> tuple[Behaviour, str]:
    share, salt, surely = rng.uniform(0.002, 0.05), rng.random(), rng.randrange(1, PICTURES - 1)

    def drops(picture: int, packet: int, of: int) -> bool:
        if picture == surely and packet == of // 2:
            return True
        return picture > 0 and random.Random(f"{salt} {picture} {packet}").random() < share

    return Behaviour(fps=FPS, drops=drops), "tcp"


def _loses_packets_udp(rng: random.Random) -> tuple[Behaviour, str]:
    does, _ = _loses_packets(rng)
    does.swaps = rng.random() < 0.5
    return does, "udp"


def _loses_pictures(rng: random.Random) -> tuple[Behaviour, str]:
    lost = set(rng.sample(range(1, PICTURES - 1), 3))
    return Behaviour(fps=FPS, drops=lambda picture, _packet, _of: picture in lost), "tcp"


def _flips(rng: random.Random) -> tuple[Behaviour, str]:
    wrong = set(rng.sample(range(1, PICTURES - 1), 2))
    return Behaviour(fps=FPS, flips=lambda picture: picture in wrong), "tcp"


def _streams(
    kind: str,
    count: int,
    rng: random.Random,
    behaves: Callable[[random.Random], tuple[Behaviour, str]],
) -> Row:
    tried = refused = reported = silent = 0
    for _ in range(count):
        does, transport = behaves(rng)
        pictures = _drawn(rng)
        good, bad = _played(pictures, does, transport)
        reference = _decoded(pictures)
        differing = {
            number for number, pixels in good.items() if _differs(pixels, reference[number])
        }
        harmed = _harmed(pictures, does)
        tried += 1
        refused += bad > 0
        # What was lost is known; wrong bits only the referee may know of.
        reported += bool(harmed & set(good))
        if "bits" in kind:
            reported += bad == 0 and _ffmpeg_reports_stream(pictures, does)
        silent += bool(differing - harmed)
    return Row(kind, tried, refused, reported, silent, 0)


def _drawn(rng: random.Random) -> Pictures:
    return encoded(
        PICTURES,
        size=rng.choice(SIZES),
        key_every=rng.choice((5, 10, 20)),
        options={
            "preset": rng.choice(("ultrafast", "veryfast")),
            "crf": str(rng.choice((18, 24, 30))),
        },
    )


def _harmed(pictures: Pictures, does: Behaviour) -> set[int]:
    """Pictures that lost a packet, and those behind them up to the next key picture."""
    from tests.support.rtsp_camera import packed

    harmed, is_broken = set(), False
    for number, picture in enumerate(pictures):
        if any(nal[0] & 31 == 5 for nal in picture):
            is_broken = False
        bodies = list(packed(picture, "h264"))
        is_broken |= any(
            does.drops(number, packet, len(bodies))
            for packet, body in enumerate(bodies)
            if body[0] & 31 not in (6, 9)  # remarks and delimiters: no picture is made of them
        )
        if is_broken:
            harmed.add(number)
    return harmed


def _played(
    pictures: Pictures, does: Behaviour, transport: str
) -> tuple[dict[int, NDArray[np.uint8]], int]:
    """(judged pictures by number, how many were refused) of one pass."""
    good: dict[int, NDArray[np.uint8]] = {}
    bad = 0
    does.once = True
    settings = Capture(read_timeout_s=1.0, transport=transport)  # type: ignore[arg-type]
    with RtspCamera(pictures, does) as camera:
        source = Camera(camera.url, settings, clock=SYSTEM_CLOCK)
        try:
            source.open()
            while True:
                try:
                    frame = source.read()
                except ItemError:
                    bad += 1
                else:
                    if frame is not None:
                        good[number_of(frame.pixels)] = frame.pixels
        except SourceUnavailable:
            pass  # its end
        source.close()
    return good, bad


def _decoded(pictures: Pictures) -> list[NDArray[np.uint8]]:
    decoder = PyAvDecoder("h264")
    shown = [
        decoded.pixels
        for number, picture in enumerate(pictures)
        for decoded in decoder.decode(b"".join(START + nal for nal in picture), number, _no_more)
    ]
    return [pixels for pixels in shown if pixels is not None]


def _no_more() -> None:
    return None


def _differs(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return one.shape != other.shape or bool(
        np.abs(one.astype(np.int16) - other).max(initial=0) > VISIBLE
    )


def _ffmpeg_reports_stream(pictures: Pictures, does: Behaviour) -> bool:
    data = b"".join(
        START + nal
        for number, picture in enumerate(pictures)
        for nal in (does.wrong(picture) if does.flips(number) else picture)
    )
    return _ffmpeg_reports("-f", "h264", "-i", "pipe:0", told=data)


def _ffmpeg_reports(*source: str, told: bytes = b"") -> bool:
    command = ["ffmpeg", "-v", "error", "-xerror", *source, "-map", "0:v", "-f", "null", "-"]
    done = subprocess.run(command, input=told, capture_output=True, timeout=60, check=False)
    return done.returncode != 0 or bool(done.stderr.strip())


def _recordings(container: str, count: int, rng: random.Random, work: Path) -> Row:
    tried = refused = reported = silent = 0
    path = work / f"damaged.{container}"
    for _ in range(count):
        write_video(path, PICTURES, crf=str(rng.choice((18, 24, 30))))
        reference, _ = _read(path)
        data = bytearray(path.read_bytes())
        at = rng.randrange(len(data) // 5, len(data) * 4 // 5)
        size = rng.choice((1, 20, 300))
        data[at : at + size] = bytes(each ^ rng.randrange(1, 256) for each in data[at : at + size])
        path.write_bytes(data)
        good, bad = _read(path)
        tried += 1
        refused += bad > 0
        reported += bad == 0 and _ffmpeg_reports("-i", str(path))
        silent += any(
            _differs(pixels, reference[item]) for item, pixels in good.items() if item in reference
        )
    return Row(f"recording H.264 in {container}: bytes wrong", tried, refused, reported, silent, 0)


def _read(path: Path) -> tuple[dict[str, NDArray[np.uint8]], int]:
    source = VideoFile(f"file:{path}", path, Capture(), clock=SYSTEM_CLOCK)
    good: dict[str, NDArray[np.uint8]] = {}
    bad = 0
    try:
        source.open()
        while True:
            try:
                frame = source.read()
            except ItemError:
                bad += 1
            else:
                if frame is not None and frame.item is not None:
                    good[frame.item] = frame.pixels
    except SourceEnded:
        pass
    except SourceUnavailable:
        bad += 1
    source.close()
    return good, bad


def _whole(count: int, rng: random.Random, work: Path) -> Row:
    refused = 0
    for number in range(count):
        if number % 2:
            path = work / f"whole.{rng.choice(CONTAINERS)}"
            write_video(path, PICTURES)
            good, bad = _read(path)
            refused += bad > 0 or len(good) != PICTURES
        else:
            transport = rng.choice(("tcp", "udp"))
            judged, bad = _played(_drawn(rng), Behaviour(fps=FPS), transport)
            refused += bad > 0 or not judged  # nothing seen is no stream that was taken
    return Row("H.264: whole streams and recordings", count, 0, 0, 0, refused)
