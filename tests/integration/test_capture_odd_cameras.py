"""The cameras that once lied to the project: its own small script that plays them, mode by mode."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from edge_runtime.capture import open_source
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.protocols import LeavesOut
from tests.support.data import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.protocols import Source
    from edge_runtime.types import Frame

SCRIPT = DATA.parent / "cases" / "cameras" / "mjpeg.py"
FPS = 20
PICTURES = 45
VGA = (480, 640, 3)

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason=f"{SCRIPT} is not there")


@contextlib.contextmanager
def running(mode: str) -> Iterator[Source[Frame]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(SCRIPT), str(port), mode, str(FPS)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        settings = Capture(open_timeout_s=20.0, read_timeout_s=20.0)
        source = open_source(
            f"http://127.0.0.1:{port}/video", settings, is_camera=True, clock=SYSTEM_CLOCK
        )
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.05)
            yield source
        finally:
            source.close()
            process.kill()


def look(source: Source[Frame], count: int = PICTURES) -> tuple[list[Frame], int]:
    """(pictures, bad items), so many together."""
    source.open()
    frames: list[Frame] = []
    bad = 0
    while len(frames) + bad < count:
        try:
            frame = source.read()
        except ItemError:
            bad += 1
        else:
            frames += [frame] if frame is not None else []
    return frames, bad


@pytest.mark.parametrize("mode", ["mixed", "mixedzero", "mixednoeoi"])
def test_a_light_part_that_lost_its_half_is_bad_and_never_dark_below(mode: str) -> None:
    with running(mode) as source:
        frames, bad = look(source)
    assert bad >= 3
    assert all(abs(float(frame.pixels.mean()) - 50) < 10 for frame in frames)


@pytest.mark.parametrize(
    ("mode", "other"),
    [("tall", (640, 480, 3)), ("alternate", (240, 320, 3)), ("bigger", (600, 800, 3))],
)
def test_a_stream_that_changes_its_size_gives_both(mode: str, other: tuple[int, ...]) -> None:
    with running(mode) as source:
        frames, bad = look(source)
    assert {frame.pixels.shape for frame in frames} == {VGA, other}
    assert bad == 0


@pytest.mark.parametrize("mode", ["text", "empty"])
def test_what_is_no_picture_is_passed_over_in_one_opening(mode: str) -> None:
    with running(mode) as source:
        frames, bad = look(source)
        assert isinstance(source, LeavesOut)
        assert source.left_out().parts >= 5
    assert (frames[-1].seq, bad) == (PICTURES - 1, 0)


@pytest.mark.parametrize(
    "mode",
    [
        *("plain", "wronglen", "noinitial", "raw", "grey", "nolength", "noct", "quoted", "dashes"),
        *("upper", "lf", "wrongboundary", "redirect", "slowfirst"),
    ],
)
def test_odd_heads_and_lengths_play(mode: str) -> None:
    with running(mode) as source:
        frames, bad = look(source, 10)
    assert {frame.pixels.shape for frame in frames} == {VGA}
    assert bad == 0


def test_a_still_picture_is_asked_for_again() -> None:
    with running("snapshot") as source:
        frames, bad = look(source, 3)
    assert (len(frames), bad) == (3, 0)


@pytest.mark.parametrize(
    ("mode", "told"), [("deny", "answered 401"), ("notfound", "answered 404"), ("html", "web page")]
)
def test_what_the_camera_answered_is_told(mode: str, told: str) -> None:
    with running(mode) as source, pytest.raises(SourceUnavailable, match=told):
        source.open()
