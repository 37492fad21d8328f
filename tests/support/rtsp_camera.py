"""A small RTSP camera on loopback: plays encoded pictures over TCP or UDP, and fails as told."""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

CLOCK_HZ = 90_000
PACKET_BYTES = 1200


@dataclass
class Behaviour:
    """What the camera does."""

    fps: float = 25.0
    codec: str = "h264"
    """Empty: it has sound alone."""
    refuses: str = ""
    """``TCP`` or ``UDP``: a transport that it answers with 461."""
    status: dict[str, str] = field(default_factory=dict)
    """Method to an answer other than 200."""
    password: str = ""
    """``user:password``, asked for by digest."""
    stored: int = 0
    """So many pictures, taken before PLAY, are sent at once."""
    drops: Callable[[int, int, int], bool] = lambda _picture, _packet, _of: False
    """Whether a packet is lost: number of the picture, of the packet, packets of the picture."""
    flips: Callable[[int], bool] = lambda _: False
    """Whether a bit of the picture is wrong, though all packets come."""
    swaps: bool = False
    """UDP: neighbouring packets change places."""
    order: list[int] = field(default_factory=list)
    """Place of each picture in the order of showing, where that is not the order of sending."""
    clock_rate: float = 1.0
    """So fast its clock runs that the pictures' times are told by; 0: it stands."""
    once: bool = False
    """It hangs up behind its last picture."""
    session: str = "4711;timeout=2"
    """As it answers SETUP."""
    sdp: str = ""
    """Instead of its own answer to DESCRIBE."""
    headers: dict[str, str] = field(default_factory=dict)
    """Method to a header of its answer, beside the others."""
    nonce: str = "n1"
    next_nonce: str = ""
    """Behind PLAY, instead of the other."""
    stays_silent: bool = False
    """It takes the call, plays and sends nothing."""

    def wrong(self, picture: list[bytes]) -> list[bytes]:
        """The picture with some of its bits wrong."""
        last = bytearray(picture[-1])
        middle = len(last) // 2
        last[middle : middle + 8] = bytes(each ^ 0x5A for each in last[middle : middle + 8])
        return [*picture[:-1], bytes(last)]


class RtspCamera:
    """Serves until it is left."""

    def __init__(self, pictures: list[list[bytes]], behaviour: Behaviour | None = None) -> None:
        self.pictures = pictures
        self.behaviour = behaviour or Behaviour()
        self.taken_ns: dict[int, int] = {}
        """Picture (of the last viewer) to CLOCK_BOOTTIME when it was taken."""
        self.asked: list[str] = []
        """Methods, in their order."""
        self.answered: list[str] = []
        """Methods and what was answered, in their order."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/stream1"

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        viewer = _Viewer(connection)
        connection.settimeout(0.2)
        buffer = b""
        with connection:
            while not self._stop.is_set() and not viewer.gone.is_set():
                try:
                    data = connection.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if not data:
                    break
                buffer += data
                while b"\r\n\r\n" in buffer:
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    self._answer(viewer, head.decode())
            viewer.gone.set()

    def _answer(self, viewer: _Viewer, head: str) -> None:
        first, *rest = head.split("\r\n")
        method = first.split()[0]
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}
        self.asked.append(method)
        status, extra, body = self._status(method, headers), [], ""
        if status.startswith("401"):
            extra = [f'WWW-Authenticate: Digest realm="cam", nonce="{self.behaviour.nonce}"']
        elif status.startswith("200"):
            extra, body = self._granted(viewer, method, headers)
        if method in self.behaviour.headers:
            extra.insert(0, self.behaviour.headers[method])
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers['cseq']}", *extra]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        viewer.send("\r\n".join([*lines, "", body]).encode())
        self.answered.append(f"{method} {status}")
        if method == "PLAY" and status.startswith("200"):
            self.behaviour.nonce = self.behaviour.next_nonce or self.behaviour.nonce
            self._run(self._stream, viewer)

    def _status(self, method: str, headers: dict[str, str]) -> str:
        does = self.behaviour
        if method in does.status:
            return does.status[method]
        if does.password and method != "OPTIONS" and not _knows(does, headers, method):
            return "401 Unauthorized"
        if method == "SETUP":
            asked = "TCP" if "TCP" in headers["transport"] else "UDP"
            if asked == does.refuses:
                return "461 Unsupported Transport"
        return "200 OK"

    def _granted(
        self, viewer: _Viewer, method: str, headers: dict[str, str]
    ) -> tuple[list[str], str]:
        if method == "OPTIONS":
            return ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"], ""
        if method == "DESCRIBE":
            if self.behaviour.sdp:
                return ["Content-Type: application/sdp"], self.behaviour.sdp
            name = {"h264": "H264", "hevc": "H265"}.get(self.behaviour.codec, "VP8")
            if not self.behaviour.codec:
                return ["Content-Type: application/sdp"], "v=0\r\nm=audio 0 RTP/AVP 0\r\n"
            return ["Content-Type: application/sdp"], (
                "v=0\r\ns=cam\r\nm=audio 0 RTP/AVP 0\r\na=control:audio\r\n"
                f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {name}/{CLOCK_HZ}\r\na=control:track1\r\n"
            )
        if method == "SETUP":
            ports = re.search(r"client_port=(\d+)-", headers["transport"])
            if ports:
                viewer.udp_port = int(ports[1])
            return [f"Transport: {headers['transport']}", f"Session: {self.behaviour.session}"], ""
        return ["Session: 4711"], ""

    def _stream(self, viewer: _Viewer) -> None:
        does = self.behaviour
        self.taken_ns.clear()
        seq, held = random.randrange(1 << 16), b""
        start_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(does.stored / does.fps * 1e9)
        number = 0
        while not viewer.gone.is_set() and not self._stop.is_set() and not does.stays_silent:
            if does.once and number == len(self.pictures):
                viewer.hang_up()
                break
            due_ns = start_ns + int(number / does.fps * 1e9)
            wait_s = (due_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) / 1e9
            if wait_s > 0 and self._stop.wait(wait_s):
                break
            now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self.taken_ns[number] = due_ns if number <= does.stored else max(due_ns, now_ns)
            bodies = list(packed(self._picture(number), does.codec))
            for index, body in enumerate(bodies):
                mark = 0x80 * (index == len(bodies) - 1)
                ticks = CLOCK_HZ * does.clock_rate / does.fps
                stamp = int(self._shown_as(number) * ticks) + 5000 & 0xFFFFFFFF
                packet = struct.pack(">BBHII", 0x80, mark | 96, seq & 0xFFFF, stamp, 7) + body
                seq += 1
                if does.drops(number, index, len(bodies)):
                    continue
                if does.swaps and viewer.udp_port and index % 2 == 0 and index < len(bodies) - 1:
                    held = packet
                    continue
                viewer.packet(packet)
                if held:
                    viewer.packet(held)
                    held = b""
            number += 1

    def _shown_as(self, number: int) -> int:
        """Its place in the order of showing."""
        order = self.behaviour.order
        turn, place = divmod(number, len(self.pictures))
        return turn * len(self.pictures) + (order[place] if order else place)

    def _picture(self, number: int) -> list[bytes]:
        picture = self.pictures[number % len(self.pictures)]
        return self.behaviour.wrong(picture) if self.behaviour.flips(number) else picture


class _Viewer:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.udp_port = 0
        self.gone = threading.Event()

    def send(self, data: bytes) -> None:
        try:
            with self._lock:
                self._connection.sendall(data)
        except OSError:
            self.gone.set()

    def hang_up(self) -> None:
        if self.udp_port:
            self.gone.wait(0.3)  # what is on its way comes first
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def packet(self, packet: bytes) -> None:
        if self.udp_port:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
                sending.sendto(packet, ("127.0.0.1", self.udp_port))
        else:
            self.send(b"$\0" + struct.pack(">H", len(packet)) + packet)


def packed(picture: list[bytes], codec: str) -> Iterator[bytes]:
    """A picture's packet bodies: whole units, or fragments of them."""
    head = 1 if codec == "h264" else 2
    for nal in picture:
        if len(nal) <= PACKET_BYTES:
            yield nal
            continue
        for at in range(head, len(nal), PACKET_BYTES):
            flags = 0x80 * (at == head) | 0x40 * (at + PACKET_BYTES >= len(nal))
            if head == 1:
                begin = bytes([nal[0] & 0xE0 | 28, flags | nal[0] & 31])
            else:
                begin = bytes([nal[0] & 0x81 | 49 << 1, nal[1], flags | nal[0] >> 1 & 63])
            yield begin + nal[at : at + PACKET_BYTES]


def _knows(does: Behaviour, headers: dict[str, str], method: str) -> bool:
    found = re.match(r'Digest .*uri="([^"]*)".*response="(\w+)"', headers.get("authorization", ""))
    if not found:
        return False
    user, _, secret = does.password.partition(":")

    def hashed(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    want = hashed(f"{hashed(f'{user}:cam:{secret}')}:{does.nonce}:{hashed(f'{method}:{found[1]}')}")
    return want == found[2]
