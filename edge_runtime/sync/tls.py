"""TLS by a CA file that may be renewed while we run.  Owned by the uploader's thread."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeAlias

from edge_runtime.errors import ConfigError, Offline

_Stand: TypeAlias = tuple[int, int, int]
"""Of a file: inode, time of change, size."""


class Tls:
    """The context for new connections, made anew when the CA file is another one."""

    def __init__(self, ca_file: str | None) -> None:
        """`ca_file` None: the system's.  Raises `ConfigError` for a file that cannot work."""
        self._ca_file = ca_file
        self._stand = self._look()
        self._context = _context(ca_file)

    @property
    def is_renewed(self) -> bool:
        """Whether the file has changed since it was last taken."""
        return self._look() != self._stand

    def context(self) -> ssl.SSLContext:
        """For the next connection.

        Raises `Offline` while the file is gone or unfinished: it is looked at again next time.
        """
        stand = self._look()
        if stand != self._stand:
            try:
                self._context = _context(self._ca_file)
            except ConfigError as exc:
                raise Offline(str(exc)) from exc
            self._stand = stand
        return self._context

    def _look(self) -> _Stand | None:
        if self._ca_file is None:
            return None
        try:
            found = Path(self._ca_file).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _context(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigError([f"sync.ca_file: {ca_file}: {exc.strerror or exc}"]) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
