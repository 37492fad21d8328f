from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from edge_runtime.link.child_end import Link, LinkClosed
from edge_runtime.link.messages import (
    HEADER_BYTES,
    Ask,
    Failed,
    Heartbeat,
    Stop,
    Wake,
    encode,
    receive,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.settimeout(20)
        yield ours, theirs


def test_messages_arrive_in_order_however_the_bytes_are_cut(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    data = encode(Wake()) + encode(Stop(1.0)) + encode(Failed(78, "x" * 5000))

    def send() -> None:
        for at in range(0, len(data), 7):
            theirs.sendall(data[at : at + 7])
        theirs.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    assert [receive(ours), receive(ours), receive(ours)] == [
        Wake(),
        Stop(1.0),
        Failed(78, "x" * 5000),
    ]
    assert receive(ours) is None
    sender.join(20)


def test_a_message_that_breaks_off_is_the_end_of_the_file(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(encode(Failed(78, "half"))[:-3])
    theirs.shutdown(socket.SHUT_WR)
    assert receive(ours) is None


def test_a_message_that_is_not_understood_ends_the_link_and_leaves_nobody_deaf(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    a_map, a_list = b"\x81\xa1a\x01", b"\x91\x01"
    body = encode(Ask(1, "x", {"a": 1}))[HEADER_BYTES:].replace(a_map, a_list)
    assert a_list in body
    theirs.sendall(len(body).to_bytes(HEADER_BYTES, "big") + body)
    assert Link(ours).receive() is None


def test_many_threads_may_send_and_no_message_is_mixed_with_another(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    link = Link(theirs)

    def send(who: int) -> None:
        for number in range(50):
            link.send(Heartbeat("running", {}, {"who": who, "number": number}, detail="x" * 999))

    senders = [threading.Thread(target=send, args=(who,)) for who in range(4)]
    for sender in senders:
        sender.start()
    seen: dict[int, list[int]] = {who: [] for who in range(4)}
    for _ in range(200):
        message = receive(ours)
        assert isinstance(message, Heartbeat)
        seen[message.counters["who"]].append(message.counters["number"])
    for sender in senders:
        sender.join(20)
    assert all(numbers == list(range(50)) for numbers in seen.values())
    link.close()


def test_when_the_supervisor_is_gone_sending_says_so_and_receiving_ends(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    link = Link(theirs)
    ours.close()
    assert link.receive() is None
    with pytest.raises(LinkClosed):
        link.send(Wake())
    link.close()


def test_closing_wakes_a_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    _, theirs = pair
    theirs.settimeout(None)
    link = Link(theirs)
    ended: list[object] = []
    reader = threading.Thread(target=lambda: ended.append(link.receive()))
    reader.start()
    link.close()
    reader.join(20)
    assert ended == [None]
