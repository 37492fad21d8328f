"""How long the safe state outlasts its reason: as long as a part is on its way to the gate.  Pure.

What passed the camera while nobody judged, or was judged while the far side was away, is between
camera and gate when all is well again.  An output that knows that way (`delay_ms`) is let go of
only once those parts have passed the gate, too.

Where the PLC knows the way instead (its off-delay), it has to *see* the safe state: lanes that come
back before the far side does would otherwise let go of what was never told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_runtime.clock import NS_PER_MS

if TYPE_CHECKING:
    from edge_runtime.config import Output

ON_THE_WAY: Final = "parts from before are still on their way to the gate"
AWAY: Final = "its far side is away"
NOT_SHOWN: Final = "its far side has not seen the safe state yet"
SHOWN_NS: Final = 250 * NS_PER_MS
"""A safe state stands for at least so long: a PLC looks once a cycle, a slow one each 100 ms."""


class Lingering:
    """Of all outputs.  Not locked: its owner is."""

    def __init__(self) -> None:
        """Nothing was held."""
        self._held_ns: dict[str, int] = {}
        """Output -> when it was held, or away, last."""

    def held(self, name: str, now_ns: int) -> None:
        """There is a reason now."""
        self._held_ns[name] = now_ns

    def after(self, name: str, output: Output, now_ns: int, *, is_away: bool) -> list[str]:
        """Why it is to be held, though no lane is a reason any more."""
        way_ns = way_of(output)
        if not way_ns:
            return []
        if is_away:
            self._held_ns[name] = now_ns
            return [AWAY]
        since_ns = self._held_ns.get(name)
        return [ON_THE_WAY] if since_ns is not None and now_ns - since_ns < way_ns else []


def is_shown(safe_shown_ns: int | None, now_ns: int) -> bool:
    """Whether the far side has seen the safe state that it was owed (`OutputReport`)."""
    return safe_shown_ns is not None and now_ns - safe_shown_ns >= SHOWN_NS


def way_of(output: Output) -> int:
    """From the camera to behind the gate, ns; 0 where the output does not know."""
    delay_ms = getattr(output, "delay_ms", 0)
    return (delay_ms + getattr(output, "pulse_ms", 0)) * NS_PER_MS if delay_ms else 0
