"""Addresses of cameras as they may be shown: without user, password and whatever stands for them.

Passwords stand in front of the ``@``, in the query and in the path, and people write them with
characters that end an address too early.  Where two readings are possible, both are hidden: a
camera that is hard to recognise is better than a password in a log.  Pure.
"""

from __future__ import annotations

import base64
import html
import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
"""Schemes of cameras on the network, and their ports."""

_LOCAL = ("file:", "folder:", "v4l2:", "microphone:")
_HIDDEN = "***"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*"
_ADDRESS = re.compile(rf"{_SCHEME}://|(?:^|(?<=/))(?:rtsps?|https?|smb|ftps?|nfs):", re.IGNORECASE)
"""Where an address begins that has no business where it stands; of some, though a slash is gone."""
_ONE_SLASH = re.compile(r"(rtsps?|https?):/?(?!/)", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[^\]]*\]|[\w.-]*)")
_BEHIND = re.compile(r"[/?#\\]")
_KEY = re.compile(
    r"(?:user|usr|login|account|name|pass|pwd|psw|psd|psk|pw|token|tok|key|auth|secret|session|sid|cred)"
    r"[\w.-]*(?:=|:|%3[dDaA])",
    re.IGNORECASE,
)
"""What a secret, or a name beside one, is called in a path.  From there on all is hidden: nobody
knows where a password ends that is written as it is."""
_PAIR = re.compile(r"(?<=/)[^/:?#]+(?::|%3[aA])[^/?#]+")
"""``/user:password/`` as a step of a path."""
_STEP = re.compile(
    r"(?<=/)[\w.-]*(?:pass|passwd|password|pwd|psw|psk|token|secret|key|auth)(?:/|%2[fF])(?=.)",
    re.IGNORECASE,
)
"""``/apikey/secret``: a step of a path that names the next."""
_PORT = re.compile(r":([0-9]{1,5})$")
_PORT_MAX = 65535
_PAIR_OF_A_KEY = re.compile(
    r"(?:pass|pwd|psw|psd|psk|pw|token|tok|key|auth|secret)[\w.-]*?(?:=|%3[dD])([^&;/#]+)",
    re.IGNORECASE,
)
_LEAST = 3
_DOTTED = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\.?")
_ESCAPED = {
    "/": "%2F", "?": "%3F", "#": "%23", "@": "%40", ":": "%3A", " ": "%20", "[": "%5B",
    "]": "%5D", "\\": "%5C",
}  # fmt: skip


def redacted(source: str) -> str:
    """`source` as it may be shown; what is no address of a network is shown as it is."""
    if source.startswith(_LOCAL):
        return _of_a_path(source)
    before, separator, rest = source.partition("://")
    if not separator:
        return _without_slashes(source)
    # An @ in front: the two halves of an address, the wrong way round.
    scheme = _HIDDEN + before.rpartition("@")[2] if "@" in before else before
    authority, behind = _split(rest)
    if "@" not in behind:
        return f"{scheme}://{_shown(authority, behind)}"
    # An @ behind the host's place: of a password that holds / ? or #, or of a query.
    path, _, _ = behind.partition("?")
    if behind.startswith("/") and "@" not in path and _is_surely_a_host(authority):
        return f"{scheme}://{_shown(authority, behind)}"
    before, _, after = rest.rpartition("@")
    host, behind = _split(after)
    if _KEY.search(before) and not _has_the_form_of_a_host(host):
        return f"{scheme}://{_HIDDEN}"  # what stands there is the end of the password
    return f"{scheme}://{_shown(f'@{host}', behind)}"


def _of_a_path(source: str) -> str:
    """One of `_LOCAL`: as it is, but for an address that stands in the place of its path."""
    local, colon, path = source.partition(":")
    found = _ADDRESS.search(path)
    if found is None:
        return source
    return f"{local}{colon}{path[: found.start()]}{redacted(path[found.start() :])}"


def _without_slashes(source: str) -> str:
    if slip := _ONE_SLASH.match(source):
        shown = redacted(f"{slip[1]}://{source[slip.end() :]}")
        return slip[0] + shown.removeprefix(f"{slip[1]}://")
    return f"{_HIDDEN}@{source.rpartition('@')[2]}" if "@" in source else source


def address_in(path: str) -> str:
    """The scheme of an address that stands in a path of this box; empty where none does."""
    found = _ADDRESS.search(path)
    return found[0].rstrip("/").rstrip(":") if found else ""


def secrets_of(source: str) -> tuple[str, ...]:
    """A camera's password as it may repeat it, the longest first; none below `_LEAST` characters.

    As it is written in the address, without its ``%``, and as a log-in or a web page has it.
    """
    try:
        parts = urlsplit(source)
    except ValueError:
        return ()
    login = parts.netloc.rpartition("@")[0]
    user, _, password = login.partition(":")
    plain = unquote(password)
    told = {password, plain, html.escape(plain)}
    if plain:
        told.add(base64.b64encode(f"{unquote(user)}:{plain}".encode()).decode())
    for text in (parts.query, parts.path):
        for found in _PAIR_OF_A_KEY.finditer(text):
            told |= {found[1], unquote(found[1])}
    return tuple(sorted((t for t in told if len(t) >= _LEAST), key=lambda t: (-len(t), t)))


def hidden(text: str, secrets: Sequence[str]) -> str:
    """`text` of a camera without `secrets`, in capital or small letters."""
    for secret in secrets:
        text = re.sub(re.escape(secret), _HIDDEN, text, flags=re.IGNORECASE)
    return text


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
    return _place_problem(scheme, place, shape)


def _place_problem(scheme: str, place: str, shape: str) -> str:
    if "%40" in place:
        return f"has %40 where the @ in front of the host should stand; write it as {shape}"
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
    try:
        host.encode("idna")
    except UnicodeError:
        return (
            "names a host that cannot be: between its dots stand 1 to 63 characters; "
            f"write it as {shape}"
        )
    return ""


def _advice(*chars: str) -> str:
    told = [f"write {_ESCAPED[char]} for {char if char != ' ' else 'a space'}" for char in chars]
    return ", ".join(told)


def _split(rest: str) -> tuple[str, str]:
    """(user, password, host and port; what is behind them)."""
    found = _BEHIND.search(rest)
    return (rest[: found.start()], rest[found.start() :]) if found else (rest, "")


def _shown(authority: str, behind: str) -> str:
    """Host, port and path.

    What follows a ``:`` and is no port is the password of an address whose ``@`` was forgotten, and
    nobody knows where that ends: nothing behind it is shown.
    """
    _, at, place = authority.rpartition("@")
    login = f"{_HIDDEN}@" if at else ""
    host = _HOST.match(place)
    assert host is not None
    after = place[host.end() :]
    port = _PORT.fullmatch(after)
    if after in ("", ":") or (port and 0 < int(port[1]) <= _PORT_MAX):
        return f"{login}{place}{_path(behind)}"
    if after.startswith(":"):
        return f"{login}{host[0]}:{_HIDDEN}"
    return f"{login}{_HIDDEN}"


def _path(behind: str) -> str:
    """A path without its query, and without what looks like a secret."""
    for mark in ("?", "#"):
        path, found, _ = behind.partition(mark)
        behind = f"{path}{mark}{_HIDDEN}" if found else behind
    keys = [key.end() for at in (_KEY, _STEP) if (key := at.search(behind))]
    if keys:
        return behind[: min(keys)] + _HIDDEN
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
