from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.supervisor.notify import Notifier


@pytest.fixture
def service_manager(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(5)
        yield path, sock


def test_states_arrive_at_the_service_manager(service_manager: tuple[str, socket.socket]) -> None:
    path, sock = service_manager
    notifier = Notifier({"NOTIFY_SOCKET": path})
    notifier.ready()
    notifier.status("top: running\nall is well")
    notifier.watchdog()
    notifier.stopping()
    assert [sock.recv(100) for _ in range(4)] == [
        b"READY=1",
        b"STATUS=top: running all is well",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_an_abstract_socket_is_reached_too() -> None:
    name = f"edge-runtime-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert sock.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_happens() -> None:
    Notifier({}).ready()


def test_a_service_manager_that_is_gone_does_not_hurt(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()


def test_the_watchdog_period_is_half_of_what_systemd_allows_and_only_for_the_right_process() -> (
    None
):
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_s == 15.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "nonsense"}).watchdog_s is None


def test_a_long_start_asks_for_more_time_until_it_is_over(
    service_manager: tuple[str, socket.socket],
) -> None:
    path, sock = service_manager
    with Notifier({"NOTIFY_SOCKET": path}).still_starting(every_s=0.01):
        assert [sock.recv(100) for _ in range(3)] == [b"EXTEND_TIMEOUT_USEC=60000000"] * 3
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        for _ in range(10_000):  # what was on its way, and then nothing
            sock.recv(100)
