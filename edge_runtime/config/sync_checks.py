"""What is wrong with ``[sync]`` as a whole.  Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config.tables import Sync


def is_loopback(host: str) -> bool:
    """Whether a host of a URL is this machine and nothing else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def sync_problems(sync: Sync) -> Iterator[str]:
    """One line for each problem; none of them shows a secret."""
    if sync.backoff_max_s < sync.backoff_min_s:
        yield "sync.backoff_max_s: is less than sync.backoff_min_s"
    try:
        url = urlsplit(sync.url)
        host = url.hostname or ""
        _ = url.port
    except ValueError:
        yield "sync.url: it is http(s)://HOST[:PORT]/PATH"
        return
    if url.username is not None:
        yield "sync.url: no user or password in it; use sync.token"
    sends_in_clear = url.scheme == "http" and sync.token is not None and not sync.plain_http
    if sends_in_clear and not is_loopback(host):
        yield (
            f"sync.url: http:// shows the token to everybody on the way to {host}; use https://, "
            "or set sync.plain_http = true where that network is yours alone"
        )
    if sync.proxy is not None and "@" in sync.proxy:
        yield (
            "sync.proxy: no user or password in it; put them into the environment variable "
            "HTTPS_PROXY (or HTTP_PROXY) of the service"
        )
