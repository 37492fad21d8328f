"""A pair of UDP ports for one track: RTP on the even one, RTCP on the next."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING, Final

from edge_runtime.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge_runtime.clock import Clock

_TRIES: Final = 64
_RECEIVE_BYTES: Final = 4 << 20
"""Asked of the kernel: a key frame comes at once, while a picture is decoded."""
_DATAGRAM_BYTES: Final = 65_536


class Ports:
    """Owned by the ``capture`` thread."""

    def __init__(self, local: str, camera: str) -> None:
        """`local`: our address on the way to the camera, `camera`: its own, the only one heard.

        Raises `SourceUnavailable`.
        """
        self._camera = camera
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        for _ in range(_TRIES):
            try:
                if (pair := _pair(family, local)) is not None:
                    break
            except OSError as exc:
                reason = (exc.strerror or str(exc)).lower()
                raise SourceUnavailable(f"no UDP port can be had: {reason}") from exc
        else:
            raise SourceUnavailable("no pair of UDP ports is free on this machine")
        self.rtp, self.rtcp = pair
        self.number = int(self.rtp.getsockname()[1])

    def punch(self, transport: str) -> None:
        """Say a word to the camera's ports, so that firewalls between let its packets through."""
        found = re.search(r"server_port=([0-9]{1,5})(?:-([0-9]{1,5}))?", transport)
        if found is None:
            return
        ports = int(found[1]), int(found[2] or int(found[1]) + 1)
        words = b"\x80\0\0\0\0\0\0\0\0\0\0\0", b"\x80\xc9\0\1\0\0\0\0"
        for each, port, word in zip((self.rtp, self.rtcp), ports, words, strict=True):
            try:
                each.sendto(word, (self._camera, port))
            except (OSError, OverflowError):  # a number above 65535 is no port
                continue

    def take(self, clock: Clock) -> tuple[int, bytes, int] | None:
        """(0 for RTP or 1 for RTCP, the packet, when it was there); None when there is none."""
        for channel, each in enumerate((self.rtp, self.rtcp)):
            while True:
                try:
                    data, sender = each.recvfrom(_DATAGRAM_BYTES)
                except BlockingIOError:
                    break
                except OSError:  # a port of the camera's that is closed says so here
                    continue
                if sender[0] == self._camera:
                    return channel, data, clock.boottime_ns()
        return None

    def close(self) -> None:
        """Give the ports back."""
        self.rtp.close()
        self.rtcp.close()


def _pair(family: int, local: str) -> tuple[socket.socket, socket.socket] | None:
    """An even port and the next; None where the one that was had is odd.  Raises `OSError`."""
    with contextlib.ExitStack() as opened:
        rtp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        rtcp = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        rtp.bind((local, 0))
        number = rtp.getsockname()[1]
        if number % 2:
            return None
        try:
            rtcp.bind((local, number + 1))
        except OSError:  # somebody else's
            return None
        for each in (rtp, rtcp):
            each.setblocking(False)
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        opened.pop_all()
        return rtp, rtcp
