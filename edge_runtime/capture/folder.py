"""A folder of pictures as a source: what is there, by name; and, watching, what comes."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import image_file
from edge_runtime.errors import SourceEnded, SourceUnavailable
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture


class ImageFolder:
    """Satisfies `protocols.Source[Frame]`.  Items are ``name:size:mtime_ns``.

    Watching, a file is taken once two looks at it, `poll_s` apart, agree: a camera's FTP upload is not
    read while it is written.  Names that begin with a dot are left alone.
    """

    def __init__(
        self,
        source: str,
        path: str,
        settings: Capture,
        *,
        clock: Clock,
        resume_after: str | None,
        is_done: Callable[[str], bool],
    ) -> None:
        self._source = source
        self._folder = Path(path)
        self._settings = settings
        self._clock = clock
        self._resume_after = resume_after
        self._is_done = is_done
        self._ready: deque[tuple[Path, str]] = deque()
        self._seen: dict[str, str] = {}
        self._taken: set[str] = set()
        self._never = threading.Event()
        self._seq = 0

    @property
    def live(self) -> bool:
        """A folder waits: nothing is dropped."""
        return False

    def open(self) -> None:
        """Look for the first time.  Raises `SourceUnavailable` for a folder that is not there."""
        if not self._folder.is_dir():
            raise SourceUnavailable(f"{self._folder}: no such folder; check source in the config")
        if not self._settings.watch:
            items = self._look()
            names = [name for name, _ in items]
            after = (self._resume_after or "").rsplit(":", 2)[0]
            start = names.index(after) + 1 if after in names else 0
            self._ready = deque((self._folder / name, item) for name, item in items[start:])

    def read(self) -> Frame | None:
        """The next picture; None when watching and none has come.  Raises `ItemError` for a bad one."""
        if not self._ready:
            if not self._settings.watch:
                raise SourceEnded
            self._poll()
            if not self._ready:
                self._clock.wait(self._never, self._settings.poll_s)
                return None
        path, item = self._ready.popleft()
        pixels = image_file.read_image(path)
        seq, self._seq = self._seq, self._seq + 1
        return Frame(self._source, seq, self._clock.stamp(), pixels, item)

    def close(self) -> None:
        """Nothing is held open."""

    def _poll(self) -> None:
        """What has settled since the last look, and was not done before."""
        if not self._folder.is_dir():
            raise SourceUnavailable(f"{self._folder}: the folder is gone")
        now = dict(self._look())
        for name, item in now.items():
            if self._seen.get(name) == item and item not in self._taken:
                self._taken.add(item)
                if not self._is_done(item):
                    self._ready.append((self._folder / name, item))
        self._seen = now
        self._taken &= set(now.values())  # what was removed need not be remembered

    def _look(self) -> list[tuple[str, str]]:
        found = []
        for path in self._folder.iterdir():
            if path.name.startswith(".") or path.suffix.lower() not in image_file.SUFFIXES:
                continue
            try:
                told = path.stat()
            except FileNotFoundError:
                continue  # removed between the two calls
            found.append((path.name, f"{path.name}:{told.st_size}:{told.st_mtime_ns}"))
        return sorted(found)
