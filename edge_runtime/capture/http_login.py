"""User and password for a camera: Basic (RFC 7617) and Digest (RFC 7616).  Pure but for `urandom`.

Owned by the thread that asks the camera.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHALLENGE = re.compile(
    r'([A-Za-z][A-Za-z0-9_-]*)(?:\s+|$)((?:[A-Za-z][\w-]*\s*=\s*(?:"(?:\\.|[^"\\])*"|[^\s,"]*)\s*,?\s*)*)'
)
_PARAMETER = re.compile(r'([A-Za-z][\w-]*)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]*))')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_BEST_FIRST = ("SHA-256", "MD5")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in, as the camera offers it."""

    scheme: str
    """In small letters."""
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        """Of a digest, in capitals, without ``-SESS``."""
        return self.parameters.get("algorithm", "MD5").upper().removesuffix("-SESS")


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """What the values of all ``WWW-Authenticate`` headers offer, in order."""
    found = []
    for header in headers:
        for scheme, rest in _CHALLENGE.findall(header):
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for name, quoted, plain in _PARAMETER.findall(rest)
            }
            found.append(Challenge(scheme.lower(), parameters))
    return found


class Login:
    """Knows one camera's user and password, and the last challenge that it gave."""

    def __init__(self, user: str, password: str) -> None:
        """As they are, not as they stand in an address."""
        self._user = user
        self._password = password
        self._challenge: Challenge | None = None
        self._count = 0

    @classmethod
    def of(cls, userinfo: str) -> Login | None:
        """From what stands in front of an address's last ``@``; None where nothing does."""
        user, _, password = userinfo.partition(":")
        return cls(unquote(user), unquote(password)) if userinfo else None

    def take(self, offered: list[Challenge]) -> bool:
        """Choose the safest way in that is spoken here; False where there is none."""
        usable = [each for each in offered if _rank(each) is not None]
        self._challenge = min(usable, key=lambda each: _rank(each) or 0, default=None)
        self._count = 0
        return self._challenge is not None

    def header(self, method: str, target: str) -> str | None:
        """The ``Authorization`` of a request for `target`; None before there was a challenge."""
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            pair = f"{self._user}:{self._password}".encode()
            return f"Basic {base64.b64encode(pair).decode('ascii')}"
        self._count += 1
        return self._digest(challenge, method, target)

    def _digest(self, challenge: Challenge, method: str, target: str) -> str:
        told = challenge.parameters
        realm, nonce = told.get("realm", ""), told.get("nonce", "")
        name = told.get("algorithm", "MD5")
        client, count = os.urandom(8).hex(), f"{self._count:08x}"
        has_qop = "auth" in _words(told.get("qop", ""))

        def hashed(text: str) -> str:
            return _HASHES[challenge.algorithm](text.encode()).hexdigest()

        secret = hashed(f"{self._user}:{realm}:{self._password}")
        if name.upper().endswith("-SESS"):
            secret = hashed(f"{secret}:{nonce}:{client}")
        asked = hashed(f"{method}:{target}")
        middle = f"{nonce}:{count}:{client}:auth" if has_qop else nonce
        pairs = [
            f'username="{_quoted(self._user)}"',
            f'realm="{_quoted(realm)}"',
            f'nonce="{_quoted(nonce)}"',
            f'uri="{_quoted(target)}"',
            f'response="{hashed(f"{secret}:{middle}:{asked}")}"',
        ]
        if "algorithm" in told:  # old cameras refuse a word that they did not say first
            pairs.append(f"algorithm={name}")
        if "opaque" in told:
            pairs.append(f'opaque="{_quoted(told["opaque"])}"')
        if has_qop:
            pairs += ["qop=auth", f"nc={count}", f'cnonce="{client}"']
        elif name.upper().endswith("-SESS"):
            pairs.append(f'cnonce="{client}"')
        return "Digest " + ", ".join(pairs)


def _rank(challenge: Challenge) -> int | None:
    """Smaller is safer; None: not spoken here."""
    if challenge.scheme == "basic":
        return len(_BEST_FIRST)
    told = challenge.parameters
    if challenge.scheme != "digest" or "nonce" not in told or challenge.algorithm not in _HASHES:
        return None
    if told.get("qop") and "auth" not in _words(told["qop"]):
        return None  # auth-int alone: no camera is known for it
    return _BEST_FIRST.index(challenge.algorithm)


def _words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",")}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
