"""Looks at a watched folder, as few and as small as will do.

Owned by the ``capture`` thread.  Where the kernel tells what changes, only that is looked at, and
everything once a minute for safety.  Elsewhere (shares) names are listed at each look, new and
restless files asked for their size and time; and all files as often as costs a twentieth of a
core at most.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.capture.folder_entries import Entry, Names, entry_of, name_of, names_in
from edge_runtime.capture.inotify import Inotify, hears_all
from edge_runtime.clock import NS_PER_S
from edge_runtime.files.naming import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_runtime.capture.folder_settling import Settling
    from edge_runtime.clock import Clock

log = logging.getLogger(__name__)

SAFETY_S = 60.0
SHARE_OF_A_CORE = 20
"""A whole look is not taken before this many times what the last one took."""
_MOUNTS = Path("/proc/self/mountinfo")


class Looks:
    """Of one opening of a folder."""

    def __init__(
        self, folder: Path, settling: Settling, clock: Clock, *, subfolders: bool, may_hear: bool
    ) -> None:
        """`may_hear`: let the kernel tell, where it hears everything."""
        self._folder = folder
        self._settling = settling
        self._clock = clock
        self._subfolders = subfolders
        self._inotify = self._hearing() if may_hear else None
        self._paths: dict[str, str] = {}
        """Of names that were there at the last look."""
        self._whole_ns: int | None = None
        self._cost_ns = 0
        self.names = Names()
        """At the last whole look."""

    @property
    def hears(self) -> bool:
        """Whether the kernel tells what changes."""
        return self._inotify is not None

    def take(self) -> list[Entry]:
        """What has to be looked at now, by name.  Raises `SourceUnavailable`."""
        now_ns = self._clock.boottime_ns()
        changed = self._changed()
        if changed is None or self._is_time(now_ns):
            return self._whole(now_ns)
        if not self.hears:
            changed |= self._new_paths()
        changed |= {self._paths[n] for n in self._settling.waiting() if n in self._paths}
        return self._entries(changed)

    def is_written(self, entry: Entry) -> bool | None:
        """Whether a writer has it open; None where the kernel does not tell."""
        return self._inotify.is_written(str(entry.path)) if self._inotify is not None else None

    def close(self) -> None:
        """Idempotent."""
        if self._inotify is not None:
            self._inotify.close()

    def _hearing(self) -> Inotify | None:
        try:
            if not hears_all(self._folder, _MOUNTS.read_text("utf-8", "surrogateescape")):
                return None
            return Inotify()
        except OSError as exc:
            self._deaf(exc)
            return None

    def _deaf(self, exc: OSError) -> None:
        reason = exc.strerror or str(exc)
        log.warning("folder_polled folder=%s reason=%s", printable(self._folder), reason)

    def _changed(self) -> set[str] | None:
        """What the kernel tells; None where everything must be looked at."""
        return self._inotify.changes() if self._inotify is not None else set()

    def _is_time(self, now_ns: int) -> bool:
        if self._whole_ns is None:
            return True
        wait_ns = SAFETY_S * NS_PER_S if self.hears else self._cost_ns * SHARE_OF_A_CORE
        return now_ns - self._whole_ns >= wait_ns

    def _whole(self, now_ns: int) -> list[Entry]:
        self._whole_ns = None  # should it fail, the next look is a whole one again
        self.names = names_in(self._folder, subfolders=self._subfolders, entering=self._hear)
        self._paths.clear()
        found = self._entries(self.names.paths)
        self._settling.keep_only(self._paths)
        self._whole_ns = self._clock.boottime_ns()
        self._cost_ns = self._whole_ns - now_ns
        return found

    def _hear(self, folder: str) -> None:
        """Before it is looked through: nothing happens between the two unheard."""
        if self._inotify is None:
            return
        try:
            self._inotify.watch(folder)
        except FileNotFoundError:
            pass  # looking through it tells
        except OSError as exc:
            self._deaf(exc)
            self._inotify.close()
            self._inotify = None

    def _new_paths(self) -> set[str]:
        listed = names_in(self._folder, subfolders=self._subfolders)
        return set(listed.paths).difference(self._paths.values())

    def _entries(self, paths: Iterable[str]) -> list[Entry]:
        """Of those that are there, by name."""
        found = []
        for path in paths:
            if not _is_picture(path):
                continue
            entry = entry_of(self._folder, path)
            if entry is None:
                name = name_of(self._folder, path)
                self._settling.forget(name)
                self._paths.pop(name, None)
            else:
                self._paths[entry.name] = path
                found.append(entry)
        return sorted(found, key=lambda entry: (entry.name, entry.path.name))


def _is_picture(path: str) -> bool:
    from edge_runtime.files.image import SUFFIXES

    name = os.path.basename(path)  # noqa: PTH119 - many thousand times
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122
