"""What every source promises (`protocols.Source`), whatever it reads."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime import codes
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture, Lane
from edge_runtime.errors import SourceEnded, SourceUnavailable
from edge_runtime.protocols import HasVitals
from edge_runtime.types import AudioBlock, Frame
from tests.support.media_files import write_images, write_sound, write_video
from tests.support.mjpeg_server import MjpegServer
from tests.support.pulse import need_pulse, pulse_microphone
from tests.support.sources import lane_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_runtime.protocols import Source

READS = 10


@dataclass(frozen=True)
class Kind:
    """One implementation: a lane that has it, and one whose source is not there."""

    lane: Lane
    absent: Lane
    item: type[Frame | AudioBlock]
    is_replay: bool


@contextlib.contextmanager
def video(folder: Path) -> Iterator[Kind]:
    path = write_video(folder / "belt.avi", 12)
    yield Kind(Lane(source=f"file:{path}"), Lane(source=f"file:{path}.gone"), Frame, True)


@contextlib.contextmanager
def images(folder: Path) -> Iterator[Kind]:
    write_images(folder, [f"part_{n:02}.png" for n in range(12)])
    yield Kind(Lane(source=f"folder:{folder}"), Lane(source=f"folder:{folder}/no"), Frame, True)


@contextlib.contextmanager
def sound(folder: Path) -> Iterator[Kind]:
    samples = np.arange(12 * 480, dtype=np.int16)
    path = write_sound(folder / "desk.wav", samples, 16_000)
    absent = Lane(source=f"file:{folder}/gone.wav")
    yield Kind(Lane(source=f"file:{path}"), absent, AudioBlock, True)


@contextlib.contextmanager
def http_camera(_: Path) -> Iterator[Kind]:
    with MjpegServer(fps=50) as server:
        lane = Lane(source=server.url)
        yield Kind(lane, Lane(source="http://127.0.0.1:9/video"), Frame, False)


@contextlib.contextmanager
def microphone(folder: Path) -> Iterator[Kind]:
    need_pulse()
    with pulse_microphone(folder):
        absent = Lane(source="microphone:Absent")
        yield Kind(Lane(source="microphone:pulse"), absent, AudioBlock, False)


KINDS: list[Callable[[Path], contextlib.AbstractContextManager[Kind]]] = [
    *(video, images, sound, http_camera, microphone)
]


@pytest.fixture(params=KINDS, ids=lambda make: make.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    with request.param(tmp_path) as made:
        yield made


def make(lane: Lane, **more: Any) -> Source[Any]:
    return lane_source(lane, clock=SYSTEM_CLOCK, **more)


def read(source: Source[Any], count: int) -> list[Any]:
    """The next `count` items; fewer where it ends.  What a resumed sound repeats is left out."""
    items: list[Any] = []
    with contextlib.suppress(SourceEnded):
        while len(items) < count:
            item = source.read()
            if item is not None and not getattr(item, "is_warm_up", False):
                items.append(item)
    return items


@contextlib.contextmanager
def opened(lane: Lane, **more: Any) -> Iterator[Source[Any]]:
    source = make(lane, **more)
    source.open()
    try:
        yield source
    finally:
        source.close()


def test_making_a_source_touches_nothing_and_opening_one_that_is_not_there_says_so(
    kind: Kind,
) -> None:
    source = make(kind.absent)
    with pytest.raises(SourceUnavailable) as told:
        source.open()
    source.close()
    message = str(told.value)
    assert kind.absent.source.partition(":")[2].strip("/") in message
    assert "\n" not in message


def test_only_a_live_source_may_lose_what_nobody_takes(kind: Kind) -> None:
    assert make(kind.lane).live is not kind.is_replay


def test_items_are_numbered_and_stamped_in_order_and_cannot_be_written(kind: Kind) -> None:
    with opened(kind.lane) as source:
        items = read(source, READS)
    assert [item.seq for item in items] == list(range(READS))
    assert {type(item) for item in items} == {kind.item}
    assert {item.source for item in items} == {kind.lane.source}
    stamps = [item.captured.boottime_ns for item in items]
    assert stamps == sorted(stamps)
    for item in items:
        data = item.pixels if isinstance(item, Frame) else item.samples
        assert not data.flags.writeable
        assert data.flags.c_contiguous


def test_frames_are_bgr_and_blocks_are_one_channel_of_16_bit(kind: Kind) -> None:
    with opened(kind.lane) as source:
        (item,) = read(source, 1)
    if isinstance(item, Frame):
        assert item.pixels.dtype == np.uint8
        assert item.pixels.ndim == 3
        assert item.pixels.shape[2] == 3
    else:
        assert item.samples.dtype == np.int16
        assert item.samples.ndim == 1
        assert len(item.samples) == item.rate_hz * kind.lane.capture.block_ms // 1000


def test_blocks_follow_each_other_without_a_hole(kind: Kind) -> None:
    if kind.item is Frame:
        return
    with opened(kind.lane) as source:
        blocks = read(source, READS)
    ends = [block.position + len(block.samples) for block in blocks]
    assert [block.position for block in blocks[1:]] == ends[:-1]
    assert not any(block.has_gap for block in blocks)


def test_only_items_of_a_replay_have_an_identity_and_each_its_own(kind: Kind) -> None:
    if kind.item is AudioBlock:
        return  # blocks have places; their segments have identities
    with opened(kind.lane) as source:
        items = [item.item for item in read(source, READS)]
    if kind.is_replay:
        assert len({item for item in items if item is not None}) == READS
    else:
        assert set(items) == {None}


def test_close_may_come_before_open_and_twice(kind: Kind) -> None:
    source = make(kind.lane)
    source.close()
    source.open()
    source.close()
    source.close()


def test_a_source_opens_again_after_close_and_counts_anew(kind: Kind) -> None:
    source = make(kind.lane)
    for _ in range(2):
        source.open()
        first = next(item for item in iter(source.read, object()) if item is not None)
        assert first.seq == 0
        source.close()


def test_a_replay_that_is_opened_again_goes_on_where_it_was(kind: Kind) -> None:
    if not kind.is_replay:
        return
    source = make(kind.lane)
    places = []
    for _ in range(3):
        source.open()
        places += [place(item) for item in read(source, 4)]
        source.close()
    with opened(kind.lane) as whole:
        assert places == [place(item) for item in read(whole, 12)]


def test_a_replay_ends_and_stays_ended(kind: Kind) -> None:
    if not kind.is_replay:
        return
    with opened(kind.lane) as source:
        assert len(read(source, 99)) == 12
        for _ in range(2):
            with pytest.raises(SourceEnded):
                source.read()


@pytest.mark.parametrize("done", [1, 5, 11, 12])
def test_a_resumed_replay_gives_exactly_what_was_not_done(kind: Kind, done: int) -> None:
    if not kind.is_replay:
        return
    with opened(kind.lane) as source:
        whole = read(source, 99)
    with opened(kind.lane, resume_after=identity(whole[done - 1])) as source:
        rest = read(source, 99)
    assert [place(item) for item in rest] == [place(item) for item in whole[done:]]
    assert [content(item) for item in rest] == [content(item) for item in whole[done:]]


def test_an_item_of_another_kind_of_source_resumes_nothing(kind: Kind) -> None:
    if not kind.is_replay:
        return
    with opened(kind.lane, resume_after="") as source:
        assert len(read(source, 99)) == 12


def test_in_real_time_a_replay_is_paced_and_still_whole(kind: Kind) -> None:
    if not kind.is_replay:
        return
    capture = Capture(realtime=True, fps=100.0)
    lane = Lane(source=kind.lane.source, capture=capture)
    with opened(lane) as source:
        # From before the first read, and not from the first stamp: that one may come late.
        began_ns = SYSTEM_CLOCK.boottime_ns()
        items = read(source, 99)
    assert len(items) == 12
    spent_s = (items[-1].captured.boottime_ns - began_ns) / 1e9
    assert spent_s >= 11 * (0.01 if kind.item is Frame else 0.03)
    assert not make(lane).live


def test_a_replay_can_be_asked_to_behave_like_a_live_source(kind: Kind) -> None:
    if not kind.is_replay:
        return
    lane = Lane(source=kind.lane.source, capture=Capture(live=True, fps=100.0))
    assert make(lane).live
    with opened(lane) as source:
        assert len(read(source, 99)) == 12


@pytest.mark.parametrize("buried", [0, 4, 11])
def test_what_is_buried_never_comes_and_everything_else_does(kind: Kind, buried: int) -> None:
    if not kind.is_replay:
        return
    with opened(kind.lane) as source:
        whole = read(source, 99)
    item = identity(whole[buried])
    assert item is not None
    with opened(kind.lane, skip=[item, "of another:1:2"]) as source:
        rest = read(source, 99)
    del whole[buried]
    assert [place(each) for each in rest] == [place(each) for each in whole]
    assert [content(each) for each in rest] == [content(each) for each in whole]


def test_what_is_decoded_is_told_before_and_taken_back_after(kind: Kind) -> None:
    held: list[str | None] = []
    with opened(kind.lane, in_hand=held.append) as source:
        items = read(source, READS)
    if not kind.is_replay:
        assert set(held) <= {None}  # nobody could bury it
        return
    assert held[1::2] == [None] * (len(held) // 2)
    assert [identity(item) for item in items] == held[: 2 * READS : 2]


def test_nothing_is_in_hand_before_the_first_read(kind: Kind) -> None:
    held: list[str | None] = []
    with opened(kind.lane, in_hand=held.append):
        assert set(held) <= {None}


def test_the_fault_of_a_source_that_is_away_has_a_code_where_it_is_live(kind: Kind) -> None:
    source = make(kind.absent)
    with pytest.raises(SourceUnavailable) as told:
        source.open()
    assert told.value.code == ("" if kind.is_replay else codes.SOURCE_AWAY)


def test_a_live_source_tells_how_it_is_and_a_view_says_who_it_is(kind: Kind) -> None:
    with opened(kind.lane, name="left") as source:
        assert isinstance(source, HasVitals)
        read(source, 3)
        found = source.vitals()
    expected = "picture_age_s" if kind.item is Frame else "level_dbfs"
    assert list(found) == ([] if kind.is_replay else [expected])
    source = make(kind.absent, name="left")
    with pytest.raises(SourceUnavailable, match=r"^view left: "):
        source.open()


def test_a_frame_was_exposed_before_it_was_handed_over(kind: Kind) -> None:
    if kind.item is not Frame:
        return
    with opened(kind.lane) as source:
        frames = read(source, READS)
    for frame in frames:
        handed_ns = frame.handed_ns or frame.captured.boottime_ns
        assert frame.captured.boottime_ns <= handed_ns
        assert not frame.is_exposure  # of these none tells


def place(item: Frame | AudioBlock) -> str | int | None:
    return item.item if isinstance(item, Frame) else item.position


def identity(item: Frame | AudioBlock) -> str | None:
    """What the ledger keeps of an item, and gives back after a restart."""
    if isinstance(item, Frame):
        return item.item
    return f"samples:{item.position}-{item.position + len(item.samples)}"


def content(item: Frame | AudioBlock) -> bytes:
    return (item.pixels if isinstance(item, Frame) else item.samples).tobytes()
