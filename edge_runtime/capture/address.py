"""What a lane's ``source`` says of a camera on the network.

Pure but for `reach`, which opens one connection.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_runtime.errors import SourceUnavailable
from edge_runtime.redaction import PORTS, address_problem, redacted

__all__ = ["StreamAddress", "reach", "redacted", "stream_address"]


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """A camera on the network."""

    scheme: str
    host: str
    port: int


def stream_address(url: str) -> StreamAddress:
    """Where `url` leads.  Raises `SourceUnavailable` for one that leads nowhere."""
    scheme = url.partition("://")[0].lower()
    if scheme not in PORTS:
        known = ", ".join(f"{scheme}://" for scheme in PORTS)
        raise SourceUnavailable(f"{redacted(url)}: a camera on the network is one of {known}")
    if problem := address_problem(url):
        raise SourceUnavailable(f"{redacted(url)}: not an address: it {problem}")
    parts = urlsplit(url)
    return StreamAddress(scheme, parts.hostname or "", parts.port or PORTS[scheme])


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
