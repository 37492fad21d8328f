"""A folder of pictures as a source: what is there, by name; and, watching, what comes.

Owned by the ``capture`` thread.  An item is ``name:size:mtime_ns``: a file that is written anew
under an old name is a new item.  What has a picture's name and is no file (a pipe, a folder, a link
that leads nowhere) is never opened, and is one bad item, ``name:kind:0``.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.capture.pace import Pace, Rhythm
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.files import image as image_file
from edge_runtime.files.naming import as_text, printable
from edge_runtime.files.regular import not_a_file, other_kind
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture

PASS_AT_MOST_S = 0.25
"""How long one read asks what was done before it lets the lane's loop turn."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Something with a picture's name."""

    name: str
    """As text: what it is sorted and known by."""
    path: Path
    item: str
    kind: str
    """What it is instead of a file; empty for a file."""


class ImageFolder:
    """Satisfies `protocols.Source[Frame]`.

    Watching, a file is taken once two looks at it, ``poll_s`` apart, agree in size and time: a
    camera's upload is not read while it is written.  Names that begin with a dot, and those that do
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
        self._ready: deque[_Entry] = deque()
        self._seen: dict[str, str] = {}
        self._taken: set[str] = set()
        self._never = threading.Event()
        self._pace: Pace | Rhythm | None = None
        self._seq = 0

    @property
    def live(self) -> bool:
        """Whether pictures that nobody takes are dropped; else the folder waits."""
        return self._settings.live

    def open(self) -> None:
        """Look for the first time.  Raises `SourceUnavailable` for a folder that cannot be read."""
        found = self._look()
        self._seq = 0
        self._pace = self._new_pace()
        if self._settings.watch:
            return
        if not found:
            kinds = " ".join(sorted(image_file.SUFFIXES))
            raise SourceUnavailable(f"{self._folder}: no picture in it ({kinds})")
        self._ready = deque(entry for entry in found if entry.name > self._last_name)

    def read(self) -> Frame | None:
        """The next picture; None when it is not due, was done, or when none came in ``poll_s``.

        Raises `ItemError` for one that cannot be decoded, `SourceUnavailable` when a watched folder
        goes away, `SourceEnded` behind the last of one that is not watched.
        """
        if not self._ready:
            if not self._settings.watch:
                raise SourceEnded(f"{self._folder}: {self._seq} pictures")
            self._poll()
            if not self._ready:
                self._clock.wait(self._never, self._settings.poll_s)
                return None
        self._pass_over()
        if not self._ready or self._is_over(self._ready[0].item) or not self._is_due():
            return None
        found = self._frame(self._ready[0])
        self._last_name = self._ready.popleft().name
        if isinstance(found, ItemError):
            raise found
        return found

    def close(self) -> None:
        """Nothing is held open."""

    def _frame(self, entry: _Entry) -> Frame | ItemError:
        """Read and decode; what is wrong with this one.

        Raises `SourceUnavailable` where it is not the picture that cannot be read but the folder:
        what waits in it must not be buried because a network share is away.
        """
        if entry.kind:
            return ItemError(not_a_file(entry.path, entry.kind), item=entry.item)
        self._in_hand(entry.item)
        try:
            pixels, encoded = image_file.read_with_encoded(entry.path)
        except ItemError as exc:
            if isinstance(exc.__cause__, OSError):
                self._paths()  # is the folder there at all?
            # One that is gone is not buried: it may come back.
            is_gone = isinstance(exc.__cause__, FileNotFoundError)
            return ItemError(str(exc), item=None if is_gone else entry.item)
        finally:
            self._in_hand(None)
        pixels.flags.writeable = False
        seq, self._seq = self._seq, self._seq + 1
        stamp = self._clock.stamp()
        return Frame(self._source, seq, stamp, pixels, entry.item, encoded=encoded)

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
        while self._ready and self._is_over(self._ready[0].item):
            self._last_name = self._ready.popleft().name
            if self._clock.boottime_ns() >= until_ns:
                return

    def _is_over(self, item: str) -> bool:
        return item in self._skip or self._is_done(item)

    def _poll(self) -> None:
        """What has settled since the last look."""
        now = self._look()
        for entry in now:
            if self._seen.get(entry.name) == entry.item and entry.item not in self._taken:
                self._taken.add(entry.item)
                self._ready.append(entry)
        self._seen = {entry.name: entry.item for entry in now}
        self._taken &= set(self._seen.values())  # what was removed need not be remembered

    def _look(self) -> list[_Entry]:
        """What has a picture's name, by name.  Raises `SourceUnavailable`."""
        entries = [entry for path in self._paths() if (entry := _entry(path)) is not None]
        return sorted(entries, key=lambda entry: (entry.name, entry.path.name))

    def _paths(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if _is_picture(path)]
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise SourceUnavailable(
                f"{printable(self._folder)}: the folder cannot be read: {reason}; "
                "check the lane's source"
            ) from exc


def _is_picture(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in image_file.SUFFIXES


def _entry(path: Path) -> _Entry | None:
    """None for what was removed meanwhile; what cannot be looked at is a bad item."""
    name = as_text(path.name)
    try:
        told = path.stat()
    except FileNotFoundError:
        # A link that leads nowhere; or it was removed between the two calls.
        return _Entry(name, path, f"{name}:link:0", "link") if path.is_symlink() else None
    except OSError:
        return _Entry(name, path, f"{name}:0:0", "")  # reading it tells why
    if kind := other_kind(told.st_mode):
        # Without the time: that of a folder or pipe changes whenever it is used.
        return _Entry(name, path, f"{name}:{kind}:0", kind)
    return _Entry(name, path, f"{name}:{told.st_size}:{told.st_mtime_ns}", "")
