"""Which answers are the collector's own word, and not that of something on the way to it.  Pure.

A proxy, a login page or a catch-all server answers 200 to anything.  What it cannot know is the
`instance` that the collector gave in its hello: random, and on every answer of a collector that
names the feature ``proves``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.errors import ProtocolError
from edge_runtime.sync.answers import decoded, describe
from edge_runtime.wire.conversation import (
    INSTANCE_HEADER,
    MEDIA_CHECK,
    MEDIA_HEADER,
    PROVES,
    Limits,
    MediaReceipt,
    Problem,
    Welcome,
)

if TYPE_CHECKING:
    from edge_runtime.sync.answers import Answer

MAX_KNOWN = 16
"""Lives of the collector that are remembered; several may stand behind one address."""
_REALM = "edge-runtime collector"


class _Named(msgspec.Struct, frozen=True):
    """What only a collector says of itself."""

    protocol: int
    instance: str


def welcome_of(answer: Answer) -> Welcome:
    """The answer to a hello.

    Raises `ProtocolError` for what names neither protocol nor instance, and for limits within which
    nothing can be sent at all.
    """
    named = decoded(answer, _Named, "hello")
    if named.protocol < 1 or not named.instance:
        raise ProtocolError("hello: the answer names no protocol and instance: no collector's")
    welcome = decoded(answer, Welcome, "hello")
    limits = msgspec.structs.asdict(welcome.limits)
    if impossible := [name for name, most in limits.items() if most < 1]:
        raise ProtocolError(f"hello: nothing can be sent within limits.{impossible[0]} below 1")
    return welcome


def refuses_the_token(answer: Answer) -> bool:
    """Whether a 401 or 403 is a collector's: it says so, or is worded as one says it.

    A collector is not known by its instance yet when it refuses the first hello.
    """
    if INSTANCE_HEADER in answer.headers or _REALM in answer.headers.get("www-authenticate", ""):
        return True
    try:
        return bool(msgspec.json.decode(answer.body, type=Problem).error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


class Collector:
    """Who the other end has proved to be, as far as this connection has spoken to it."""

    def __init__(self) -> None:
        """Nobody is known before the first hello."""
        self._known: deque[str] = deque(maxlen=MAX_KNOWN)
        self.proves = False
        """Its answers carry the proof; those of an older collector do not."""
        self.checks_media = False
        self.limits = Limits()

    def met(self, welcome: Welcome) -> None:
        """It answered a hello as a collector does."""
        self.speaks(welcome.instance)
        self.proves = PROVES in welcome.features
        self.checks_media = MEDIA_CHECK in welcome.features
        self.limits = welcome.limits

    def speaks(self, instance: str) -> None:
        """A life of the collector that has spoken the protocol with us."""
        if instance and instance not in self._known:
            self._known.append(instance)

    def knows(self, instance: str) -> bool:
        """Whether it is one that has."""
        return instance in self._known

    def wrote(self, answer: Answer) -> bool:
        """Whether an answer is proved to be its own."""
        return self.knows(answer.headers.get(INSTANCE_HEADER, ""))

    def has_media(self, answer: Answer, sha256: str, size_bytes: int | None) -> bool:
        """What a 200 to ``HEAD`` of media proves.

        An older collector's proves nothing: the file is sent, and its answer to that names the
        hash.  Raises `ProtocolError` where a proof is due and missing.
        """
        said, _, size = answer.headers.get(MEDIA_HEADER, "").partition(" ")
        is_named = said == sha256 and size.isdecimal()
        if not self._known:  # before any hello its own header has to do
            return is_named and INSTANCE_HEADER in answer.headers
        if not self.proves:
            return False
        if not self.wrote(answer) or not is_named:
            raise ProtocolError(f"media: {_not_its_own(answer)}")
        return size_bytes is None or int(size) == size_bytes

    def took_media(self, answer: Answer, sha256: str, size_bytes: int) -> None:
        """Raise `ProtocolError` unless a success to ``PUT`` proves that these bytes are there.

        Of an older collector the hash is asked for alone: its size and instance stay unproved.
        """
        try:
            receipt = decoded(answer, MediaReceipt, "media")
        except ProtocolError:
            raise ProtocolError(f"media: {_not_its_own(answer)}") from None
        proved = receipt.stored == sha256 and receipt.size_bytes in (None, size_bytes)
        if self.proves:
            proved &= receipt.size_bytes is not None and self.knows(receipt.instance)
        if not proved:
            raise ProtocolError(f"media: {_not_its_own(answer)}")


def _not_its_own(answer: Answer) -> str:
    kind = answer.headers.get("content-type", "no type").partition(";")[0][:60]
    return (
        f"{describe(answer)} ({kind}) does not prove to be the collector's own word; does a proxy "
        "or a login page answer for it?"
    )
