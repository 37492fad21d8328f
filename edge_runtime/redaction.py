"""Addresses of cameras as they may be shown: without user, password and whatever stands for them.

Passwords stand in front of the ``@``, in the query and in the path, and people write them with
characters that end an address too early.  Where two readings are possible, both are hidden: a
camera that is hard to recognise is better than a password in a log.  Pure.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
"""Schemes of cameras on the network, and their ports."""

_LOCAL = ("file:", "folder:", "v4l2:", "microphone:")
_HIDDEN = "***"
_BEHIND = re.compile(r"[/?#\\]")
_KEY = re.compile(
    r"(?:user|usr|login|account|name|pass|pwd|psw|psd|pw|token|tok|key|auth|secret|session|sid|cred)"
    r"[\w.-]*(?:=|:|%3[dDaA])",
    re.IGNORECASE,
)
"""What a secret, or a name beside one, is called in a path.  From there on all is hidden: nobody
knows where a password ends that is written as it is."""
_PAIR = re.compile(r"(?<=/)[^/:?#]+(?::|%3[aA])[^/?#]+")
"""``/user:password/`` as a step of a path."""
_PORT = re.compile(r":(\d{1,5})$")
_PORT_MAX = 65535
_DOTTED = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\.?")
_ESCAPED = {
    "/": "%2F", "?": "%3F", "#": "%23", "@": "%40", ":": "%3A", " ": "%20", "[": "%5B",
    "]": "%5D", "\\": "%5C",
}  # fmt: skip


def redacted(source: str) -> str:
    """`source` as it may be shown; what is no address of a network is shown as it is."""
    scheme, separator, rest = source.partition("://")
    if source.startswith(_LOCAL):
        return source
    if not separator:
        return f"{_HIDDEN}@{source.rpartition('@')[2]}" if "@" in source else source
    authority, behind = _split(rest)
    if "@" not in behind:
        return f"{scheme}://{_place(authority)}{_path(behind)}"
    # An @ behind the host's place: of a password that holds / ? or #, or of a query.
    path, _, _ = behind.partition("?")
    if behind.startswith("/") and "@" not in path and _is_surely_a_host(authority):
        return f"{scheme}://{_place(authority)}{_path(behind)}"
    before, _, after = rest.rpartition("@")
    host, behind = _split(after)
    if _KEY.search(before) and not _has_the_form_of_a_host(host):
        return f"{scheme}://{_HIDDEN}"  # what stands there is the end of the password
    return f"{scheme}://{_HIDDEN}@{host}{_path(behind)}"


def address_problem(source: str) -> str:
    """Why an address of a camera on the network can never open; empty when it may.

    It repeats nothing of the address.
    """
    scheme, _, rest = source.partition("://")
    shape = f"{scheme}://user:password@host/path"
    authority, behind = _split(rest)
    if any(char.isspace() or not char.isprintable() for char in source):
        return f"has a space or an invisible character in it; {_advice(' ')}"
    if "@" in behind.partition("?")[0] or (behind[:1] in ("?", "#") and "@" in behind):
        # Not `/` alone: what stands behind the first of them may hold others.
        found = [char for char in "/?#\\" if char in rest.rpartition("@")[0]]
        return (
            f"has '{found[0]}' in front of an '@', which ends the host there; in a user or "
            f"password {_advice(*found)}, and write %40 for an @ of the path"
        )
    secret, _, place = authority.rpartition("@")
    if odd := [char for char in "[]" if char in secret]:
        return f"has '{odd[0]}' in the user or password; {_advice(*odd)}"
    try:
        parts = urlsplit(f"{scheme}://{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return (
            f"names no host and port that can be; write it as {shape}, the port a number up to "
            f"65535, and in a password {_advice('/', '?', '#')}"
        )
    if not host or port == 0:
        return f"names no host, or port 0; write it as {shape}"
    return ""


def _advice(*chars: str) -> str:
    told = [f"write {_ESCAPED[char]} for {char if char != ' ' else 'a space'}" for char in chars]
    return ", ".join(told)


def _split(rest: str) -> tuple[str, str]:
    """(user, password, host and port; what is behind them)."""
    found = _BEHIND.search(rest)
    return (rest[: found.start()], rest[found.start() :]) if found else (rest, "")


def _place(authority: str) -> str:
    secret, at, place = authority.rpartition("@")
    del secret
    return f"{_HIDDEN}@{place}" if at else place


def _path(behind: str) -> str:
    """A path without its query, and without what looks like a secret."""
    for mark in ("?", "#"):
        path, found, _ = behind.partition(mark)
        behind = f"{path}{mark}{_HIDDEN}" if found else behind
    if key := _KEY.search(behind):
        return behind[: key.end()] + _HIDDEN
    return _PAIR.sub(_HIDDEN, behind)


def _is_surely_a_host(authority: str) -> bool:
    """Not a user and the beginning of a password that is a number."""
    if "@" not in authority and ":" not in authority:
        return True
    host, _ = _host_and_port(authority.rpartition("@")[2])
    return host == "localhost" or _is_ip(host)


def _has_the_form_of_a_host(place: str) -> bool:
    host, port = _host_and_port(place)
    is_host = host == "localhost" or _is_ip(host) or _DOTTED.fullmatch(host) is not None
    return is_host and port <= _PORT_MAX


def _host_and_port(place: str) -> tuple[str, int]:
    found = _PORT.search(place)
    return (place[: found.start()], int(found[1])) if found else (place, 0)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
