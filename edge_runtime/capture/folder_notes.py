"""What a person should know of a folder's pictures, each told once.

Owned by the ``capture`` thread; `advised` and `left_out_now` are for any.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime.files.left_out import told_left_out
from edge_runtime.files.naming import printable

if TYPE_CHECKING:
    from edge_runtime.capture.folder_entries import Names

log = logging.getLogger(__name__)


class FolderNotes:
    """Of one lane's folder, over all its openings."""

    def __init__(self, source: str) -> None:
        """`source` as in the config."""
        self._source = printable(source)
        self._kinds: frozenset[str] = frozenset()
        self._advised: tuple[str, ...] = ()
        self._left_out = ""

    @property
    def advised(self) -> str:
        """Of ranges, in one line; empty where there is nothing."""
        return "; ".join(self._advised)

    @property
    def left_out_now(self) -> str:
        """What nobody reads, in one line; empty where there is nothing."""
        return self._left_out

    def advise(self, advice: str) -> None:
        """Of a picture's range; empty is nothing."""
        if advice and advice not in self._advised:
            self._advised = (*self._advised, advice)
            log.warning("picture_range source=%s %s", self._source, advice)

    def left_out(self, names: Names) -> None:
        """What nobody reads; logged again when something of another kind is among it."""
        self._left_out = told_left_out(names.left_out)
        kinds = frozenset(names.left_out)
        if kinds - self._kinds:
            self._kinds |= kinds
            log.warning("folder_left_out source=%s %s", self._source, self._left_out)
