"""RTSP's requests and answers on one TCP connection, and the packets that travel between them.

What a camera refuses is told with its own words and with what to do.  Blocks until a deadline that
is always given.  Owned by the ``capture`` thread.
"""

from __future__ import annotations

import select
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from edge_runtime.capture.address import connect
from edge_runtime.capture.http_login import Login, challenges
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import SourceUnavailable
from edge_runtime.redaction import hidden, secrets_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from edge_runtime.capture.address import StreamAddress
    from edge_runtime.clock import Clock

_HEAD_BYTES_MAX: Final = 64 << 10
_BODY_BYTES_MAX: Final = 1 << 20
_RECEIVE_BYTES: Final = 256 << 10
_ADVICE: Final = {
    300: "the stream is somewhere else; write that address into the config",
    403: "this user may not see the stream; give it the right in the camera",
    404: "there is no such stream; check the path behind the host",
    453: "it has too many viewers; close one, or use its second stream",
    503: "it is busy, perhaps with other viewers",
}
_HUNG_UP: Final = "the stream has ended; the camera hung up"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the camera answered."""

    status: int
    reason: str
    headers: dict[str, list[str]]
    body: str

    def header(self, name: str) -> str:
        """Its first value; empty without one."""
        return self.headers.get(name, [""])[0]


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Binary data between the answers: a channel's packet."""

    channel: int
    data: bytes
    arrived_ns: int


class Refused(SourceUnavailable):
    """The camera answered, but not with a 200."""

    def __init__(self, told: str, status: int) -> None:
        """`told`: for people; `status`: the camera's."""
        super().__init__(told)
        self.status = status


class Dialogue:
    """One connection."""

    def __init__(self, url: str, address: StreamAddress, clock: Clock, timeout_s: float) -> None:
        """Connect.  Raises `SourceUnavailable`."""
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        self.url = parts._replace(netloc=place, fragment="").geturl()
        self._login = Login.of(parts.netloc.rpartition("@")[0])
        self.secrets = secrets_of(url)
        """What the camera's own words are shown without."""
        self._clock = clock
        self._buffer = bytearray()
        self._waiting: list[Interleaved] = []
        self._sequence = 0
        self._arrived_ns = 0
        self.session = ""
        tls = _unchecked() if address.scheme == "rtsps" else None
        self.socket = connect(address, timeout_s, tls)

    @property
    def hosts(self) -> tuple[str, str]:
        """(Ours, the camera's) as the connection has them.  Raises `SourceUnavailable`."""
        try:
            return str(self.socket.getsockname()[0]), str(self.socket.getpeername()[0])
        except OSError as exc:
            raise SourceUnavailable(_HUNG_UP) from exc

    def ask(
        self, method: str, url: str, deadline_ns: int, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask, with the password where the camera wants it.

        Raises `Refused` for every answer but a 200, `SourceUnavailable`, `TimeoutError`.
        """
        answer = self._asked(method, url, deadline_ns, headers or {})
        if self.is_challenged(answer):
            answer = self._asked(method, url, deadline_ns, headers or {})
        if answer.status != 200:
            raise Refused(self._refusal(answer, method), answer.status)
        return answer

    def _refusal(self, answer: Answer, method: str) -> str:
        has_user = self._login is not None
        return refusal(answer, method, has_user=has_user, secrets=self.secrets)

    def is_challenged(self, answer: Answer) -> bool:
        """Whether it is to be asked again, now with the password as `answer` wants it.

        Also after one that had a password with it: cameras change their nonce now and then.
        """
        if answer.status != 401 or self._login is None:
            return False
        return self._login.take(challenges(answer.headers.get("www-authenticate", [])))

    def tell(self, method: str, url: str) -> None:
        """Ask, and leave the answer for whoever reads on."""
        self._send(method, url, {})

    def receive(self, deadline_ns: int, *others: socket.socket) -> Interleaved | Answer | None:
        """What comes next on the connection; None when a socket of `others` has something first.

        Raises `SourceUnavailable` at the end of the connection, `TimeoutError` at the deadline.
        """
        if self._waiting:
            return self._waiting.pop(0)
        while True:
            if (found := self._parsed()) is not None:
                return found
            if others and self._ready(deadline_ns, *others) != {self.socket}:
                return None
            self._fill(deadline_ns)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def _asked(self, method: str, url: str, deadline_ns: int, headers: dict[str, str]) -> Answer:
        wanted = self._send(method, url, headers)
        held: list[Interleaved] = []
        try:
            while True:
                found = self._parsed()
                if found is None:
                    self._fill(deadline_ns)
                elif isinstance(found, Interleaved):
                    held.append(found)
                elif found.header("cseq") in ("", wanted):
                    return found
        finally:
            self._waiting += held

    def _send(self, method: str, url: str, headers: dict[str, str]) -> str:
        self._sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._sequence}", "User-Agent: edge-runtime"]
        if self._login is not None and (told := self._login.header(method, url)) is not None:
            lines.append(f"Authorization: {told}")
        if self.session:
            lines.append(f"Session: {self.session}")
        lines += [f"{key}: {value}" for key, value in headers.items()]
        try:
            self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        except OSError as exc:
            raise SourceUnavailable(_HUNG_UP) from exc
        return str(self._sequence)

    def _ready(self, deadline_ns: int, *others: socket.socket) -> set[Any]:
        sockets = [self.socket, *others]
        wait_s = max(0.0, (deadline_ns - self._clock.boottime_ns()) / NS_PER_S)
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return {self.socket}
        ready = select.select(sockets, [], [], wait_s)[0]
        if not ready:
            raise TimeoutError
        return set(ready)

    def _fill(self, deadline_ns: int) -> None:
        self._ready(deadline_ns)
        try:
            data = self.socket.recv(_RECEIVE_BYTES)
        except (ssl.SSLWantReadError, TimeoutError):
            return
        except OSError as exc:
            raise SourceUnavailable(_HUNG_UP) from exc
        if not data:
            raise SourceUnavailable(_HUNG_UP)
        self._arrived_ns = self._clock.boottime_ns()
        self._buffer += data

    def _parsed(self) -> Interleaved | Answer | None:
        """One whole thing from the buffer; None before there is one."""
        buffer = self._buffer
        while buffer and buffer[0] in b"\r\n":
            del buffer[:1]
        if buffer[:1] == b"$":
            end = 4 + int.from_bytes(buffer[2:4], "big")
            if len(buffer) < 4 or len(buffer) < end:
                return None
            found = Interleaved(buffer[1], bytes(buffer[4:end]), self._arrived_ns)
            del buffer[:end]
            return found
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > _HEAD_BYTES_MAX:
                raise SourceUnavailable("what answers there does not speak RTSP")
            return None
        return self._answer(end)

    def _answer(self, end: int) -> Answer | None:
        first, *rest = self._buffer[:end].decode("utf-8", "replace").split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in rest:
            key, _, value = line.partition(":")
            headers.setdefault(key.strip().lower(), []).append(value.strip())
        told = headers.get("content-length", ["0"])[0]
        length = _number(told)
        version, _, tail = first.partition(" ")
        code, _, reason = tail.partition(" ")
        is_request = tail.endswith("RTSP/1.0")  # cameras may ask, too: they are not answered
        if length > _BODY_BYTES_MAX or not (is_request or version.startswith("RTSP/")):
            raise SourceUnavailable("what answers there does not speak RTSP")
        if len(self._buffer) < end + 4 + length:
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + length]).decode("utf-8", "replace")
        del self._buffer[: end + 4 + length]
        if is_request:
            return Answer(0, first, {"cseq": ["request"]}, body)
        return Answer(_number(code), reason.strip(), headers, body)


def refusal(answer: Answer, method: str, *, has_user: bool, secrets: Sequence[str] = ()) -> str:
    """What the camera answered, without `secrets`, and what to do."""
    reason = _printable(hidden(answer.reason, secrets))
    said = f"the camera answers {answer.status} {reason}".rstrip()
    if answer.status == 401:
        if not has_user:
            return f"{said}: it wants a user and a password: rtsp://USER:PASSWORD@…"
        return f"{said}: check the user and the password"
    status = 300 if answer.status in range(300, 400) else answer.status
    advice = _ADVICE.get(status)
    return f"{said}: {advice}" if advice else f"{said} to {method}"


def _number(text: str) -> int:
    """Of digits; 0 for anything else.  No more are read than the largest length has, and some."""
    return int(text[:9]) if text.isascii() and text.isdecimal() else 0


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:80])


def _unchecked() -> ssl.SSLContext:
    """Cameras sign their own certificates: the line is secret, the camera is not proven."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
