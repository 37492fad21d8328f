"""Which pictures of a stream count: none from a loss, or a damage, to the next key picture.  Pure.

A picture is made of those before it.  What a decoder shows behind a hole is a guess that looks like
a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.capture.rtsp.units import Unit


@dataclass(frozen=True, slots=True)
class Worth:
    """What is to be done with a picture."""

    decoded: bool = False
    """Those after it need it."""
    anew: bool = False
    """The decoder has to forget what was before it."""
    counts: bool = False
    """It may be judged."""
    damage: str = ""
    """Why it cannot be judged; empty also before an opening's first key picture: no fault."""


class KeyFrames:
    """Remembers whether the stream is whole."""

    def __init__(self) -> None:
        """Nothing counts before a key picture."""
        self._is_whole = False
        self.has_begun = False
        """A picture of this opening has been shown."""
        self._mends_in: int | None = None
        self._reason = ""

    def take(self, unit: Unit) -> Worth:
        """What the next picture is worth."""
        if unit.has_gap:
            self.breaks("packets of the stream were lost")
        if not unit.is_whole:
            self.breaks("a part of the picture was lost on its way")
            return Worth(damage=self._told())
        if self._is_whole:
            return Worth(decoded=True, counts=True)
        if unit.recovery == 0:
            return self._whole(anew=True)
        return self._mending(unit)

    def breaks(self, reason: str) -> str:
        """What follows is damaged.  Returns what to tell of the picture that showed it."""
        self._is_whole, self._mends_in = False, None
        self._reason = reason
        return self._told()

    def shown(self) -> None:
        """A picture of this opening has been shown: from now on damage is told."""
        self.has_begun = True

    def _mending(self, unit: Unit) -> Worth:
        """A camera that sends no key pictures refreshes a strip in each."""
        if self._mends_in is not None:
            self._mends_in -= 1
            if self._mends_in <= 0:
                return self._whole(anew=False)
            return Worth(decoded=True, damage=self._told())
        if unit.recovery is None:
            return Worth(damage=self._told())
        self._mends_in = unit.recovery
        return Worth(decoded=True, anew=True, damage=self._told())

    def _whole(self, *, anew: bool) -> Worth:
        self._is_whole = True
        self._mends_in = None
        return Worth(decoded=True, anew=anew, counts=True)

    def _told(self) -> str:
        if not self.has_begun:
            return ""
        return f"{self._reason}; nothing counts before the next key frame"
