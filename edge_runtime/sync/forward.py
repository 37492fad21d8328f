"""A forward proxy between the device and the collector: which one, and how it is spoken to.  Pure.

`[sync].proxy` wins; without it the environment's ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``
are followed, but never for this machine itself.
"""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from edge_runtime.config import is_loopback
from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

NONE = "none"
"""As `[sync].proxy`: none, whatever the environment says."""
_DEFAULT_PORT = 3128


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it listens."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    """``Proxy-Authorization``.  Never shown."""

    @property
    def headers(self) -> dict[str, str]:
        """For each request to it."""
        return {"proxy-authorization": self.authorization} if self.authorization else {}


def proxy_for(url: SplitResult, configured: str | None) -> Proxy | None:
    """The proxy to reach `url` by; None for a direct connection.  Raises `ConfigError`."""
    if configured is not None:
        return None if configured == NONE else _parsed(configured, "sync.proxy")
    host = url.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
        return None
    found = urllib.request.getproxies_environment()
    given = found.get(url.scheme) or found.get("all")
    return None if not given else _parsed(given, f"the environment's {url.scheme.upper()}_PROXY")


def _parsed(text: str, where: str) -> Proxy:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "http" or not parts.hostname or port == -1:
        # Never the text itself: it may hold a password.
        raise ConfigError([f'{where}: a proxy is http://HOST:PORT, or "none"'])
    secret = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, port or _DEFAULT_PORT, secret)
