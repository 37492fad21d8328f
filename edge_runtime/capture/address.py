"""What a lane's ``source`` says: its scheme, and a form of it that is fit for logs and results.

Pure but for `reach`, which opens one connection.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from edge_runtime.errors import SourceUnavailable

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """A camera on the network."""

    scheme: str
    host: str
    port: int


def redacted(source: str) -> str:
    """`source` without user, password and query, which cameras use for passwords as well."""
    scheme, separator, rest = source.partition("://")
    if not separator or scheme not in _PORTS:
        return source
    rest, question, _ = rest.partition("?")
    place, slash, path = rest.partition("/")
    secret = "***@" if "@" in place else ""
    query = "?***" if question else ""
    return f"{scheme}://{secret}{place.rpartition('@')[2]}{slash}{path}{query}"


def stream_address(url: str) -> StreamAddress:
    """Where `url` leads.  Raises `SourceUnavailable` for one that leads nowhere."""
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise SourceUnavailable(f"{redacted(url)}: not an address: {exc}") from exc
    if parts.scheme not in _PORTS:
        known = ", ".join(f"{scheme}://" for scheme in _PORTS)
        raise SourceUnavailable(f"{redacted(url)}: a camera on the network is one of {known}")
    if not parts.hostname or any(char.isspace() or not char.isprintable() for char in url):
        raise SourceUnavailable(
            f"{redacted(url)}: not an address; write it as {parts.scheme}://user:password@host/path"
        )
    return StreamAddress(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def reach(address: StreamAddress, timeout_s: float) -> None:
    """Connect once and hang up: OpenCV cannot say why it does not open a stream.

    Raises `SourceUnavailable` without the address in it.
    """
    where = f"{address.host} port {address.port}"
    try:
        socket.create_connection((address.host, address.port), timeout=timeout_s).close()
    except socket.gaierror as exc:
        raise SourceUnavailable(f"the name {address.host} is not known to the network") from exc
    except TimeoutError as exc:
        raise SourceUnavailable(f"{where} does not answer; is the camera on?") from exc
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise SourceUnavailable(f"{where} cannot be reached: {reason}") from exc
