"""The line's light barrier: an edge and a number for each part, at its time."""

from __future__ import annotations

import socket
import struct
import threading

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.sample_station.barrier import LightBarrier
from edge_runtime.sample_station.free_port import free_port
from edge_runtime.sample_station.line import make_schedule

MS = 1_000_000


class Plc:
    """Confirms every write, and writes it down."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.written: list[tuple[int, int, int]] = []
        self.enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                while request := client.recv(12):
                    self.written.append(struct.unpack(">BHH", request[7:12]))
                    client.sendall(request)
                    if len(self.written) == 9:
                        self.enough.set()


def test_each_part_has_its_number_then_a_rising_and_a_falling_edge() -> None:
    plc = Plc()
    schedule = make_schedule(SYSTEM_CLOCK.boottime_ns(), every_ms=150, visible_ms=50, parts=3)
    barrier = LightBarrier(schedule, plc.port, coil=3, register=101, after_ms=10)
    assert plc.enough.wait(10)
    barrier.close()
    plc.close()
    assert plc.written == [
        write for number in (1, 2, 3) for write in ((6, 101, number), (5, 3, 0xFF00), (5, 3, 0))
    ]
    assert barrier.edge_ns(2) == schedule.start_ns + 310 * MS
    assert barrier.missed == []


def test_a_plc_that_is_away_is_told_of_the_next_part_and_what_it_missed_is_known() -> None:
    schedule = make_schedule(SYSTEM_CLOCK.boottime_ns(), every_ms=20, visible_ms=10, parts=3)
    barrier = LightBarrier(schedule, free_port(), coil=3, register=101, after_ms=0)
    barrier._thread.join(10)
    assert barrier.missed == [0, 1, 2]
    barrier.close()
