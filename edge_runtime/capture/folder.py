"""A folder of pictures as a source: what is there, by name; and, watching, what comes.

Owned by the ``capture`` thread.  An item is ``name:size:mtime_ns``: a file that is written anew
under an old name is a new item.  What has a picture's name and is no file (a pipe, a folder, a link
that leads nowhere) is never opened, and is one bad item, ``name:kind:0``.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from edge_runtime.capture.folder_entries import (
    Entry,
    Names,
    away,
    entry_of,
    item_of,
    names_in,
)
from edge_runtime.capture.folder_looks import Looks
from edge_runtime.capture.folder_notes import FolderNotes
from edge_runtime.capture.folder_settling import Ripe, Settling
from edge_runtime.capture.pace import Pace, Rhythm
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.files import image as image_file
from edge_runtime.files.left_out import told_left_out
from edge_runtime.files.naming import printable
from edge_runtime.files.pictures import jpeg_structure, png
from edge_runtime.files.regular import Read, not_a_file, read_told
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

PASS_AT_MOST_S = 0.25
"""How long one read asks what was done before it lets the lane's loop turn."""
WAIT_AT_MOST_S = 0.5
"""How long one read waits for the next look, for the same reason."""
_TAIL = bytes(64)


class ImageFolder:
    """Satisfies `protocols.Source[Frame]`.

    Watching, a file is taken as `Settling` says: a camera's upload is not judged while it is
    written, and once.  Names that begin with a dot, and those that do
    not end as a picture's, are left alone: write to ``part.jpg.tmp`` and rename to be quite safe.
    """

    def __init__(
        self,
        source: str,
        folder: Path,
        settings: Capture,
        *,
        clock: Clock,
        resume_after: str | None,
        is_done: Callable[[str], bool],
        skip: Collection[str] = (),
        in_hand: Callable[[str | None], None] = lambda _: None,
        interval_s: float | None = None,
    ) -> None:
        """`resume_after` is for a folder that is not watched; items that `is_done` are left out.

        `interval_s`: a folder that waits gives one picture in so many seconds, and leaves out none.
        """
        self._source = source
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._last_name = (resume_after or "").rsplit(":", 2)[0]
        self._is_done = is_done
        self._skip = frozenset(skip)
        self._in_hand = in_hand
        self._interval_s = None if settings.live else interval_s
        self._ready: deque[Ripe] = deque()
        self._settling = Settling(round(settings.settle_s * NS_PER_S))
        self._looks: Looks | None = None
        self._notes = FolderNotes(source)
        self._never = threading.Event()
        self._look_ns = 0
        """When it is time for the next look."""
        self._pace: Pace | Rhythm | None = None
        self._seq = 0

    @property
    def live(self) -> bool:
        """Whether pictures that nobody takes are dropped; else the folder waits."""
        return self._settings.live

    def open(self) -> None:
        """Look for the first time.  Raises `SourceUnavailable` for a folder that cannot be read."""
        self.close()
        self._seq = 0
        self._look_ns = 0
        self._pace = self._new_pace()
        if self._settings.watch:
            self._open_watching()
            return
        names = names_in(self._folder, subfolders=self._settings.subfolders)
        self._notes.left_out(names)
        found = self._all(names)
        if not found:
            kinds = " ".join(sorted(image_file.SUFFIXES))
            more = told_left_out(names.left_out)
            raise SourceUnavailable(
                f"{printable(self._folder)}: no picture in it ({kinds}){more and '; ' + more}"
            )
        self._ready = deque(Ripe(e, is_final=True) for e in found if e.name > self._last_name)

    def read(self) -> Frame | None:
        """The next picture; None when it is not due, was done, or when none came so far.

        It looks each ``poll_s``, and waits for `WAIT_AT_MOST_S` at most.

        Raises `ItemError` for one that cannot be decoded, `SourceUnavailable` when a watched folder
        goes away, `SourceEnded` behind the last of one that is not watched.
        """
        if not self._ready:
            if not self._settings.watch:
                raise SourceEnded(f"{self._folder}: {self._seq} pictures")
            if self._clock.boottime_ns() >= self._look_ns:
                self._poll()
            if not self._ready:
                self._wait()
                return None
        self._pass_over()
        if not self._ready or self._is_over(self._ready[0].entry.item) or not self._is_due():
            return None
        found = self._frame(self._ready[0])
        self._last_name = self._ready.popleft().entry.name
        if isinstance(found, ItemError):
            raise found
        return found

    def notes(self) -> dict[str, str]:
        """``differs``: ranges that do not fit ``bits``; ``left_out``.  Any thread."""
        return {"differs": self._notes.advised, "left_out": self._notes.left_out_now}

    def close(self) -> None:
        """Stop listening.  Idempotent."""
        looks, self._looks = self._looks, None
        if looks is not None:
            looks.close()

    def _open_watching(self) -> None:
        self._looks = Looks(
            self._folder,
            self._settling,
            self._clock,
            subfolders=self._settings.subfolders,
            may_hear=self._settings.notify == "auto",
        )
        # Not by `Looks`: the first look that counts is the first read's.
        self._notes.left_out(names_in(self._folder, subfolders=self._settings.subfolders))

    def _frame(self, ripe: Ripe) -> Frame | ItemError | None:
        """Read and decode; what is wrong with this one; None for one that is held.

        Raises `SourceUnavailable` where it is not the picture that cannot be read but the folder:
        what waits in it must not be buried because a network share is away.
        """
        entry = ripe.entry
        if entry.kind:
            return self._bad(entry, not_a_file(entry.path, entry.kind), entry.item)
        self._in_hand(entry.item)
        try:
            read = read_told(entry.path, image_file.MAX_BYTES)
            item = item_of(entry.name, read.before)
            if item != entry.item:  # another one has taken its place since the look
                if self._is_over(item):
                    self._settling.judged(entry.name, item)
                    return None
                self._in_hand(item)
            problem = ""
            try:
                picture = image_file.decode_picture(
                    read.data, printable(entry.path), self._settings.bits
                )
            except ItemError as exc:
                problem = str(exc)
        except ItemError as exc:
            if isinstance(exc.__cause__, OSError):
                self._check_there()
            # One that is gone is not buried: it may come back.
            is_gone = isinstance(exc.__cause__, FileNotFoundError)
            return self._bad(entry, str(exc), None if is_gone else entry.item)
        finally:
            self._in_hand(None)
        is_held = not read.is_still or (not ripe.is_final and not _is_closed(read, problem, ripe))
        if self._settings.watch and is_held:
            return None
        if problem:
            return self._bad(entry, problem, item)
        self._settling.judged(entry.name, item)
        self._notes.advise(picture.advice)
        picture.pixels.flags.writeable = False
        seq, self._seq = self._seq, self._seq + 1
        stamp = self._clock.stamp()
        return Frame(self._source, seq, stamp, picture.pixels, item, encoded=picture.encoded)

    def _bad(self, entry: Entry, problem: str, item: str | None) -> ItemError:
        self._settling.judged(entry.name, item or entry.item)
        return ItemError(problem, item=item)

    def _new_pace(self) -> Pace | Rhythm | None:
        rate = self._settings.fps
        is_real = self._settings.realtime or self._settings.live
        if self._interval_s is not None:
            slowest = 1 / rate if is_real and rate else 0.0
            return Rhythm(self._clock, max(self._interval_s, slowest))
        return Pace(self._clock) if is_real and rate else None

    def _is_due(self) -> bool:
        if isinstance(self._pace, Rhythm):
            return self._pace.is_due()
        return self._pace is None or self._pace.is_due(self._seq / (self._settings.fps or 1.0))

    def _pass_over(self) -> None:
        """Leave out what was done, for `PASS_AT_MOST_S`."""
        until_ns = self._clock.boottime_ns() + int(PASS_AT_MOST_S * NS_PER_S)
        while self._ready and self._is_over(self._ready[0].entry.item):
            entry = self._ready.popleft().entry
            self._last_name = entry.name
            self._settling.judged(entry.name, entry.item)
            if self._clock.boottime_ns() >= until_ns:
                return

    def _is_over(self, item: str) -> bool:
        return item in self._skip or self._is_done(item)

    def _poll(self) -> None:
        """What has settled since the last look."""
        assert self._looks is not None
        entries = self._looks.take()
        self._notes.left_out(self._looks.names)
        now_ns = self._clock.boottime_ns()
        self._ready += self._settling.look(entries, now_ns, self._looks.is_written)
        poll_ns = round(self._settings.poll_s * NS_PER_S)
        self._look_ns = 0 if self._ready else now_ns + poll_ns

    def _wait(self) -> None:
        rest_s = (self._look_ns - self._clock.boottime_ns()) / NS_PER_S
        self._clock.wait(self._never, max(0.0, min(rest_s, WAIT_AT_MOST_S)))

    def _all(self, names: Names) -> list[Entry]:
        entries = [e for path in names.paths if (e := entry_of(self._folder, path)) is not None]
        return sorted(entries, key=lambda entry: (entry.name, entry.path.name))

    def _check_there(self) -> None:
        """Raise `SourceUnavailable` where the folder itself cannot be read."""
        try:
            with os.scandir(self._folder):
                pass
        except OSError as exc:
            raise away(self._folder, exc) from exc


def _is_closed(read: Read, problem: str, ripe: Ripe) -> bool:
    """Whether nothing more of it will come.

    JPEG and PNG have an end, which is there in a damaged one, too.  The others only tell how long
    they are: room may have been kept for what is still to come, as a share does.
    """
    has_end = read.data.startswith((jpeg_structure.SIGNATURE, png.SIGNATURE))
    if problem:
        return ripe.is_at_rest and has_end and read.data.endswith((b"\xff\xd9", png.END))
    if not ripe.is_at_rest and not ripe.is_swapped:
        return has_end  # it is written over and over: its length is that of the one before
    return has_end or not (read.has_hole or read.data.endswith(_TAIL))
