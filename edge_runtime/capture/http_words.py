"""What a camera's answer over HTTP means, in words for people.  Pure."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import TYPE_CHECKING, Literal

from edge_runtime.redaction import hidden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.capture.http_login import Challenge

Body = Literal["multipart", "jpeg", "picture", "container", "playlist", "page", "empty", "unknown"]

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"GIF8")
_HEADER = re.compile(rb"\s*(?:--|content-(?:type|length)\s*:)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_SHOWN = 60


def body_kind(kind: str, first: bytes) -> Body:
    """What an answer holds, by its Content-Type (small letters) and its first bytes.

    The bytes count for more: cameras send every type, and none.
    """
    found: Body = "unknown"
    text = first.lstrip()
    if not first:
        found = "empty"
    elif first.startswith(b"\xff\xd8") or text.startswith(b"\xff\xd8\xff"):
        found = "jpeg"
    elif text.startswith(b"#EXTM3U") or "mpegurl" in kind or "dash+xml" in kind:
        found = "playlist"
    elif kind.startswith("multipart/") or _HEADER.match(first):
        found = "multipart"
    elif first.startswith(_PICTURES) or (first[:4] == b"RIFF" and first[8:12] == b"WEBP"):
        found = "picture"
    elif kind.startswith(("text/", "application/json", "application/xml")) or text[:1] == b"<":
        found = "page"
    elif kind.startswith("video/") or first[:1] == b"\x47" or first.startswith(b"FLV"):
        found = "container"
    elif kind == "image/jpeg":
        found = "jpeg"
    return found


def body_problem(body: Body, kind: str, first: bytes, secrets: Sequence[str] = ()) -> str:
    """Why an answer holds no pictures; empty when it may.

    `secrets`: what the camera's own words are shown without, as of `redaction.secrets_of`.
    """
    kind = hidden(kind, secrets)
    told = f" ({kind})" if kind else ""
    if body == "empty":
        return f"the camera answered 200{told} and hung up without a byte"
    if body == "playlist":
        return (
            f"the camera answered with a playlist{told}, which is not read; use its address for "
            "RTSP, MJPEG or still pictures"
        )
    if body == "page":
        title = _TITLE.search(first)
        shown = _shown(title[1] if title else re.sub(rb"<[^>]*>", b" ", first), secrets)
        says = f", which says '{shown}'" if shown else ""
        what = "a web page" if b"<" in first else "text"
        return (
            f"the camera answered with {what}{told}, not with pictures{says}; the path is not that "
            "of its stream, or it wants a log-in there"
        )
    if body == "unknown":
        return f"the camera answered with {kind or 'data of no type'}, which are no pictures"
    return ""


def status_problem(
    status: int,
    phrase: str,
    *,
    offered: Sequence[Challenge],
    has_login: bool,
    secrets: Sequence[str] = (),
) -> str:
    """What any other answer than 200 means; `secrets` as for `body_problem`."""
    said = f" ({_shown(phrase.encode('utf-8', 'replace'), secrets)})" if phrase else ""
    told = f"the camera answered {status}{said}"
    advice = {
        403: "this user may not see it, or the camera locked the log-in after too many tries",
        404: "there is nothing at this path; look it up in the camera's manual",
        405: "it takes no GET at this path; look it up in the camera's manual",
        408: "it waited for too long for the question",
        429: "it is asked too often; a lower capture.fps helps",
        453: "it has no bandwidth left; too many look at it",
        461: "it refuses the transport that it was asked for",
        500: "it failed by itself; switch it off and on",
        501: "it does not know this path; look it up in its manual",
        503: "it is busy; often too many look at it, or it has just started",
    }.get(status, "")
    if status == 401:
        advice = _refused(offered, has_login=has_login)
    return f"{told}: {advice}" if advice else told


def _refused(offered: Sequence[Challenge], *, has_login: bool) -> str:
    if not has_login:
        return "it wants a user and a password; write http://USER:PASSWORD@host/path"
    spoken = {"basic", "digest"}
    schemes = sorted({each.scheme for each in offered})
    if schemes and not spoken & set(schemes):
        return f"it wants a log-in by {', '.join(schemes)}; Basic and Digest are spoken here"
    return "it refuses this user or password"


def trouble(exc: BaseException, host: str, port: int, secrets: Sequence[str] = ()) -> str:
    """Why there is no answer at all; `secrets` as for `body_problem`."""
    chain = _chain(exc)
    where = f"{host} port {port}"
    for each in chain:
        told = (
            _tls(each, port)
            if isinstance(each, ssl.SSLError)
            else _plain(each, host, where, secrets)
        )
        if told:
            return told
    return f"{where}: {hidden(str(chain[-1]), secrets) or type(chain[-1]).__name__}"


def _plain(exc: BaseException, host: str, where: str, secrets: Sequence[str]) -> str:
    told = ""
    if isinstance(exc, socket.gaierror):
        told = f"the name {host} is not known to the network"
    elif isinstance(exc, http.client.RemoteDisconnected):
        told = f"{where} took the call and hung up without an answer"
    elif isinstance(exc, http.client.BadStatusLine):
        line = str(exc).strip().strip("'\"").encode("latin-1", "replace")
        told = f"{where} does not speak HTTP: it answered '{_shown(line, secrets)}'"
        if line[:1] == b"\x15":
            told = f"{where} does not speak HTTP; is it https://?"
    elif isinstance(exc, TimeoutError):
        told = f"{where} does not answer; is the camera on?"
    elif isinstance(exc, OSError) and exc.strerror:
        told = f"{where} cannot be reached: {exc.strerror.lower()}"
    return told


def _tls(exc: ssl.SSLError, port: int) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted: {exc.verify_message.rstrip('.')}; name the file of "
            "its CA in capture.ca_file, or set capture.verify_tls = false"
        )
    if exc.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return f"it does not speak TLS at port {port}; is it http://?"
    return f"TLS fails: {str(exc.reason or exc).lower().replace('_', ' ')}"


def _chain(exc: BaseException) -> list[BaseException]:
    """The error, and what it wraps: the library has one of its own around the system's."""
    chain = [exc]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    return chain[::-1]


def _shown(text: bytes, secrets: Sequence[str]) -> str:
    plain = " ".join(text.decode("utf-8", "replace").split())
    plain = "".join(char for char in plain if char.isprintable())
    plain = hidden(plain, secrets)  # before it is cut: half a password is one, too
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"
