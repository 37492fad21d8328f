"""A folder of pictures as a source: what is there, by name; and, watching, what comes.

Owned by the ``capture`` thread.  An item is ``name:size:mtime_ns``: a file that is written anew
under an old name is a new item.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from edge_runtime.capture.pace import Pace
from edge_runtime.errors import SourceEnded, SourceUnavailable
from edge_runtime.files import image as image_file
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture


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
    ) -> None:
        """`resume_after` is for a folder that is not watched, `is_done` for one that is."""
        self._source = source
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._last_name = (resume_after or "").rsplit(":", 2)[0]
        self._is_done = is_done
        self._ready: deque[tuple[str, str]] = deque()
        self._seen: dict[str, str] = {}
        self._taken: set[str] = set()
        self._never = threading.Event()
        self._pace: Pace | None = None
        self._seq = 0

    @property
    def live(self) -> bool:
        """Whether pictures that nobody takes are dropped; else the folder waits."""
        return self._settings.live

    def open(self) -> None:
        """Look for the first time.  Raises `SourceUnavailable` for a folder that cannot be read."""
        found = self._look()
        self._seq = 0
        is_paced = (self._settings.realtime or self._settings.live) and self._settings.fps
        self._pace = Pace(self._clock) if is_paced else None
        if self._settings.watch:
            return
        if not found:
            kinds = " ".join(sorted(image_file.SUFFIXES))
            raise SourceUnavailable(f"{self._folder}: no picture in it ({kinds})")
        self._ready = deque((name, item) for name, item in found if name > self._last_name)

    def read(self) -> Frame | None:
        """The next picture; None when it is not due, or when none has come in ``poll_s``.

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
        if self._pace is not None and not self._pace.is_due(self._position_s()):
            return None
        name, item = self._ready.popleft()
        self._last_name = name
        pixels = image_file.read_image(self._folder / name)
        pixels.flags.writeable = False
        seq, self._seq = self._seq, self._seq + 1
        return Frame(self._source, seq, self._clock.stamp(), pixels, item)

    def close(self) -> None:
        """Nothing is held open."""

    def _position_s(self) -> float:
        return self._seq / (self._settings.fps or 1.0)

    def _poll(self) -> None:
        """What has settled since the last look, and was not done before."""
        now = dict(self._look())
        for name, item in now.items():
            if self._seen.get(name) == item and item not in self._taken:
                self._taken.add(item)
                if not self._is_done(item):
                    self._ready.append((name, item))
        self._seen = now
        self._taken &= set(now.values())  # what was removed need not be remembered

    def _look(self) -> list[tuple[str, str]]:
        """(name, item) of the pictures there, by name.  Raises `SourceUnavailable`."""
        try:
            names = [path.name for path in self._folder.iterdir() if _is_picture(path)]
        except OSError as exc:
            reason = (exc.strerror or str(exc)).lower()
            raise SourceUnavailable(
                f"{self._folder}: the folder cannot be read: {reason}; check the lane's source"
            ) from exc
        found = []
        for name in sorted(names):
            try:
                told = (self._folder / name).stat()
            except OSError:
                continue  # removed between the two calls; if not, the next look sees it
            found.append((name, f"{name}:{told.st_size}:{told.st_mtime_ns}"))
        return found


def _is_picture(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in image_file.SUFFIXES
