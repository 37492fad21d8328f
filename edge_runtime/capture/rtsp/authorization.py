"""How a camera is told who asks: Basic and Digest (RFC 2617, RFC 7616).  Pure."""

from __future__ import annotations

import base64
import hashlib
import re

_HASHES = {"": "md5", "MD5": "md5", "SHA-256": "sha256"}


class Authorization:
    """The header for each request, by the camera's challenge."""

    def __init__(self, user: str, password: str, challenges: list[str]) -> None:
        """`challenges`: the ``WWW-Authenticate`` headers; the best one that is known is used."""
        self._user = user
        self._password = password
        self._basic = any(each.strip().lower().startswith("basic") for each in challenges)
        self._digest = next(filter(None, map(_digest, sorted(challenges, reverse=True))), None)
        self._count = 0

    @property
    def is_possible(self) -> bool:
        """Whether one of the camera's ways is known here."""
        return self._basic or self._digest is not None

    def header(self, method: str, address: str) -> str:
        """The value of ``Authorization``."""
        if self._digest is None:
            secret = base64.b64encode(f"{self._user}:{self._password}".encode()).decode("ascii")
            return f"Basic {secret}"
        return self._digest_header(self._digest, method, address)

    def _digest_header(self, told: dict[str, str], method: str, address: str) -> str:
        name = _HASHES[told.get("algorithm", "").upper()]

        def hashed(*parts: str) -> str:
            return hashlib.new(name, ":".join(parts).encode()).hexdigest()

        realm, nonce = told.get("realm", ""), told["nonce"]
        secret = hashed(self._user, realm, self._password)
        asked = hashed(method, address)
        fields = {"username": self._user, "realm": realm, "nonce": nonce, "uri": address}
        plain = ""
        if "auth" in re.split(r"[,\s]+", told.get("qop", "")):
            self._count += 1
            count, ours = f"{self._count:08x}", hashlib.sha256(nonce.encode()).hexdigest()[:16]
            fields["cnonce"] = ours
            fields["response"] = hashed(secret, nonce, count, ours, "auth", asked)
            plain = f", qop=auth, nc={count}"
        else:
            fields["response"] = hashed(secret, nonce, asked)
        if "opaque" in told:
            fields["opaque"] = told["opaque"]
        if "algorithm" in told:
            plain += f", algorithm={told['algorithm']}"
        return "Digest " + ", ".join(f'{key}="{value}"' for key, value in fields.items()) + plain


def _digest(challenge: str) -> dict[str, str] | None:
    scheme, _, rest = challenge.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', rest)
    told = {key.lower(): quoted or bare for key, quoted, bare in found}
    known = told.get("algorithm", "").upper() in _HASHES
    return told if known and "nonce" in told else None
