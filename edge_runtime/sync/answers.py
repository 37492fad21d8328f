"""What an HTTP answer means: which error it is, in one short line without secrets.  Pure."""

from __future__ import annotations

import email.utils
import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from edge_runtime.errors import EdgeRuntimeError, Offline, ProtocolError, SyncError, Throttled
from edge_runtime.wire.conversation import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def error_of(answer: Answer, what: str) -> SyncError:
    """The error that an answer is which is neither a success nor about the body we sent."""
    status = answer.status
    line = f"{what}: {describe(answer)}"
    if status in (429, 503) and (wait_s := retry_after_s(answer.headers)) is not None:
        return Throttled(line, wait_s)
    if status in (408, 425, 429) or status >= 500:
        return Offline(line)
    if 300 <= status < 400:
        target = printable(answer.headers.get("location", ""), 80)
        return ProtocolError(f"{what}: {status}, redirects are off; put '{target}' into sync.url")
    if status in (404, 405):
        return ProtocolError(f"{line}; is sync.url that of a collector, with /v1 at its end?")
    return ProtocolError(line)


def describe(answer: Answer) -> str:
    """Status and what the far side says about it, in one short line."""
    try:
        text = msgspec.json.decode(answer.body, type=Problem).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = http.client.responses.get(answer.status, "")
    return f"{answer.status} {printable(text, MAX_DETAIL)}".rstrip()


def decoded(answer: Answer, kind: type[T], what: str) -> T:
    """The body as a value.  Raises `ProtocolError`."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        kind_told = printable(answer.headers.get("content-type", "no content type"), 40)
        raise ProtocolError(
            f"{what}: the answer ({answer.status}, {kind_told}) is not what a collector says: {exc}"
        ) from exc


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds in ``Retry-After``; a date counts from the far side's own clock, never from ours."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        until = email.utils.parsedate_to_datetime(value)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):  # absent, or no date at all
        return None


def reason_of(error: BaseException) -> str:
    """Why a call failed, in one line."""
    seen = error
    while seen.__cause__ is not None and not isinstance(seen, OSError):
        seen = seen.__cause__
    if isinstance(seen, TimeoutError):
        return "no answer in time"
    text = (seen.strerror if isinstance(seen, OSError) else None) or str(seen)
    return printable(text or type(seen).__name__, MAX_DETAIL)


def scrubbed(error: EdgeRuntimeError, secret: str | None) -> EdgeRuntimeError:
    """The same error with the secret blotted out, should a far side have echoed it."""
    if not secret or secret not in str(error):
        return error
    error.args = (str(error).replace(secret, "***"),)  # whose word it is, and the rest, stays
    return error


def printable(text: str, most: int) -> str:
    """One line of at most so many characters, nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text[:most])
