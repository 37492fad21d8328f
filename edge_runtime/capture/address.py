"""What a lane's ``source`` says of a camera on the network.

Pure but for `connect` and `reach`, which open one connection.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_runtime.errors import SourceUnavailable
from edge_runtime.redaction import PORTS, address_problem, redacted

__all__ = ["StreamAddress", "connect", "reach", "redacted", "stream_address"]


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

    Raises as `connect`.
    """
    connect(address, timeout_s).close()


def connect(
    address: StreamAddress, timeout_s: float, tls: ssl.SSLContext | None = None
) -> socket.socket:
    """A connection, with `tls` around it where that is given.

    Raises `SourceUnavailable` without user and password in it.
    """
    where = f"{address.host} port {address.port}"
    try:
        plain = socket.create_connection((address.host, address.port), timeout=timeout_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain if tls is None else tls.wrap_socket(plain, server_hostname=address.host)
        except BaseException:
            plain.close()
            raise
    except UnicodeError as exc:  # a part of the name is empty, or longer than a name's may be
        raise SourceUnavailable(f"{address.host} can be no host's name") from exc
    except socket.gaierror as exc:
        raise SourceUnavailable(f"the name {address.host} is not known to the network") from exc
    except TimeoutError as exc:
        raise SourceUnavailable(f"{where} does not answer; is the camera on?") from exc
    except ssl.SSLError as exc:
        raise SourceUnavailable(
            f"{where} does not speak TLS as {address.scheme}:// needs it"
        ) from exc
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise SourceUnavailable(f"{where} cannot be reached: {reason}") from exc
