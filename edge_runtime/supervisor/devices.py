"""Which device answers under a microphone's name, against what the ledger has from before.  Pure.

A sound server may give a stream to another microphone: at its next start, or in the midst of it.
"""

from __future__ import annotations


class Devices:
    """One lane's.  Owned by the supervisor's loop."""

    def __init__(self) -> None:
        """Nobody has answered yet."""
        self._known: str | None = None
        self.moves: list[str] = []
        """Each time that another one answered than before, for people."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known of who answered before."""
        return self._known is not None

    def before(self, identity: str | None) -> None:
        """What the ledger has of this lane."""
        self._known = identity

    def heard(self, source: str, device: str) -> tuple[str, str]:
        """`device` answers as `source`; empty where nobody knows.

        (what to note in the ledger, what to tell as an event); empty where nothing is new.
        """
        head = f"{source} "
        identity = head + device
        known = self._known
        if not device or known == identity:
            return "", ""
        self._known = identity
        if known is None or not known.startswith(head):  # the config named another source
            return identity, ""
        text = f"{source}: '{device}' answers, before it was '{known.removeprefix(head)}'"
        self.moves.append(text)
        return identity, text
