"""A video file as a source: every frame that can be decoded once, in order.

Frame N is the Nth that decodes, from 0.  One that the decoder reports as damaged is a bad item, and
so is each behind it or behind a hole, up to the next key frame: it is made of what was damaged.

A resumed replay decodes and drops what was done: seeking
by number is off by some frames in files with holes or a variable rate.  Owned by the ``capture``
thread.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.capture.container import counts_exactly, is_bottom_up, is_cut_short
from edge_runtime.capture.decoders import UNHEARD, hears_damage
from edge_runtime.capture.pace import Pace
from edge_runtime.capture.recording import open_recording
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.files.image import MAX_PIXELS
from edge_runtime.files.video import why_unopenable
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.capture.recording import Recording
    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

T = TypeVar("T")

log = logging.getLogger(__name__)

DEFAULT_FPS = 25.0
ITEM = re.compile(r"frame:(\d+)(-end)?")
SKIP_AT_MOST_S = 0.25
"""How long one read skips before it lets the lane's loop turn."""
DAMAGED_AT_MOST = 256
"""Reads that may fail before a recording counts as ended: some 8 s of damage at 30 per second."""


class VideoFile:
    """Satisfies `protocols.Source[Frame]`.  Items are ``frame:N``.

    A buried frame is left out.  One whose decoding itself ends the process can be left out by no
    decoder, because what is behind it is decoded from it: it is in hand as ``frame:N-end`` the
    second time, and with that buried the recording ends there.

    With ``capture.live`` it plays at its own speed and is treated like a camera.
    """

    def __init__(
        self,
        source: str,
        path: Path,
        settings: Capture,
        *,
        clock: Clock,
        resume_after: str | None = None,
        skip: Collection[str] = (),
        in_hand: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """An item that is not of a video starts at the beginning."""
        self._source = source
        self._path = path
        self._settings = settings
        self._clock = clock
        self._next = next_frame(resume_after)
        self._skip = frozenset(skip)
        self._in_hand = in_hand
        self._recording: Recording | None = None
        self._told = 0
        self._fps = DEFAULT_FPS
        self._pace: Pace | None = None
        self._decoded = 0
        self._waiting: NDArray[np.uint8] | ItemError | None = None
        self._is_broken = self._is_told = False
        self._seq = 0

    @property
    def live(self) -> bool:
        """Whether frames that nobody takes are dropped."""
        return self._settings.live

    def open(self) -> None:
        """Open; an opening after the first goes on where the last one was.

        Raises `SourceUnavailable` for what is not there or no video.
        """
        self.close()
        self._recording = self._opened()
        if not hears_damage() and not self._is_told:
            self._is_told = True
            log.warning("recording_damage source=%s %s", self._source, UNHEARD)
        self._told = self._recording.frame_count
        self._fps = self._settings.fps or self._recording.frames_per_s or DEFAULT_FPS
        is_paced = self._settings.realtime or self._settings.live
        self._pace = Pace(self._clock) if is_paced else None
        self._seq = self._decoded = 0
        self._waiting = None
        self._is_broken = False

    def read(self) -> Frame | None:
        """The next frame; None while frames are skipped, or the next one is not due.

        Raises `ItemError` where frames are damaged and, once, where the recording was cut short;
        `SourceEnded` behind its last frame.
        """
        if self._decoded < self._next:
            self._pass_over()
            return None
        if self._waiting is None:
            self._waiting = self._decode()
        if f"frame:{self._next}" in self._skip:
            self._waiting = None
            self._next += 1
            return None
        position_s = self._next / self._fps
        if self._pace is not None and not self._pace.is_due(position_s):
            return None
        pixels, self._waiting = self._waiting, None
        index, self._next = self._next, self._next + 1
        if isinstance(pixels, ItemError):
            raise pixels
        seq, self._seq = self._seq, self._seq + 1
        stamp = self._clock.stamp()
        return Frame(self._source, seq, stamp, pixels, f"frame:{index}", position_s)

    def notes(self) -> dict[str, str]:
        """As `protocols.HasNotes`."""
        return {"unheard": "" if hears_damage() else UNHEARD}

    def close(self) -> None:
        """Let go of the file.  Idempotent."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()

    def _opened(self) -> Recording:
        """A recording that can be read without harm.  Raises `SourceUnavailable`."""
        try:
            if problem := why_unopenable(self._path):
                raise SourceUnavailable(problem)
            if is_bottom_up(self._path):
                raise SourceUnavailable(
                    f"{self._path}: an uncompressed AVI with its rows from the bottom would crash "
                    "the decoder; convert it, such as by ffmpeg -i IN.avi -c:v mjpeg -q:v 1 OUT.avi"
                )
            recording = open_recording(self._path)
            problem = _too_large(recording) if recording.is_open else self._why_not()
        except FileNotFoundError as exc:
            raise SourceUnavailable(
                f"{self._path}: there is no such file; check the lane's source"
            ) from exc
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise SourceUnavailable(f"{self._path}: cannot be read: {reason}") from exc
        if problem:
            recording.close()
            raise SourceUnavailable(f"{self._path}: {problem}")
        return recording

    def _pass_over(self) -> None:
        """Decode what was done before, for `SKIP_AT_MOST_S`."""
        until_ns = self._clock.boottime_ns() + int(SKIP_AT_MOST_S * NS_PER_S)
        assert self._recording is not None
        failed = 0
        while self._decoded < self._next and self._clock.boottime_ns() < until_ns:
            if self._decoding(self._recording.grab):
                is_behind_hole = failed > 0 or bool(self._recording.hole)
                self._is_sound(self._recording, is_behind_hole=is_behind_hole)
                self._decoded += 1
                failed = 0
            elif (failed := failed + 1) > DAMAGED_AT_MOST or self._recording.is_at_end:
                raise SourceEnded

    def _decoding(self, decode: Callable[[], T]) -> T:
        """Decode with the frame in hand.  Raises `SourceEnded` where that is not tried again."""
        item = f"frame:{self._decoded}"
        if f"{item}-end" in self._skip:
            raise SourceEnded(f"{self._path}: what is behind {item} cannot be decoded")
        self._in_hand(f"{item}-end" if item in self._skip else item)
        try:
            return decode()
        finally:
            self._in_hand(None)

    def _decode(self) -> NDArray[np.uint8] | ItemError:
        """The next frame that can be decoded, or what is wrong with it.  Raises as `read`."""
        assert self._recording is not None
        for failed in range(DAMAGED_AT_MOST):
            if self._recording.is_at_end:
                break
            is_there, pixels = self._decoding(self._grabbed)
            if not is_there:
                continue
            self._decoded += 1
            hole = f"frames lost there: {failed}" if failed else self._recording.hole
            frame = self._checked(pixels, is_behind_hole=bool(hole))
            if hole:
                self._waiting = frame
                raise ItemError(f"{self._path}: damaged before frame:{self._next}; {hole}")
            return frame
        raise self._end()

    def _grabbed(self) -> tuple[bool, NDArray[np.uint8] | None]:
        """Whether there is a frame, and its pixels where it has any: with the frame in hand."""
        assert self._recording is not None
        if not self._recording.grab():
            return False, None
        return True, self._recording.retrieve()

    def _checked(
        self, pixels: NDArray[np.uint8] | None, *, is_behind_hole: bool
    ) -> NDArray[np.uint8] | ItemError:
        assert self._recording is not None
        is_sound = self._is_sound(self._recording, is_behind_hole=is_behind_hole)
        if is_sound and pixels is not None:
            pixels.flags.writeable = False
            return pixels
        item = f"frame:{self._decoded - 1}"
        why = (
            "the decoder reports damage in it"
            if self._recording.is_damaged
            else "it is made of frames that were damaged; nothing counts before the next key frame"
        )
        return ItemError(f"{self._path}: {item}: {why}", item=item)

    def _is_sound(self, recording: Recording, *, is_behind_hole: bool) -> bool:
        """Whether the frame that was grabbed last may be judged."""
        if recording.is_key:
            self._is_broken = False
        self._is_broken |= recording.is_damaged or (is_behind_hole and not recording.is_key)
        return not self._is_broken

    def _end(self) -> ItemError | SourceEnded:
        told, self._told = self._told, 0  # so that a short recording is told of once
        if told > self._decoded and (self._decoded == 0 or self._has_lost()):
            return ItemError(
                f"{self._path}: the recording is cut short or damaged: its header tells of {told} "
                f"frames, {self._decoded} could be decoded"
            )
        return SourceEnded(f"{self._path}: {self._decoded} frames")

    def _has_lost(self) -> bool:
        try:
            return is_cut_short(self._path) or counts_exactly(self._path)
        except OSError:
            return True  # it cannot even be read any more

    def _why_not(self) -> str:
        if is_cut_short(self._path):
            return "the recording is cut short: its index is missing; record or copy it again"
        return "not a video that can be opened (MP4, AVI, MKV, GIF and what else FFmpeg reads)"


def _too_large(recording: Recording) -> str:
    """Why pictures of this size are not decoded: 2 MB can unpack to 1.3 GB; empty when they are."""
    width, height = recording.size_px
    if width * height <= MAX_PIXELS:
        return ""
    return f"{width} x {height} pixels; at most {MAX_PIXELS} are decoded"


def next_frame(resume_after: str | None) -> int:
    """The frame to begin with, behind a ``frame:N`` (or ``frame:N-end``); 0 for anything else."""
    match = ITEM.fullmatch(resume_after or "")
    return int(match[1]) + 1 if match else 0
