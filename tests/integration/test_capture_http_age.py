"""No picture that waited in a queue is handed on as new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.support.camera_reader import with_time
from tests.support.data import PROJECT
from tests.support.odd_camera import MIXED, answer, noisy, part
from tests.support.raw_server import RawServer, read_request

if TYPE_CHECKING:
    import socket
    import threading

FPS = 20
STOPPED_S = 2.0
OLD_MS = 1000
"""What was queued is up to 2 s old; what is new, on a busy machine, far less."""


def test_a_reader_that_stood_still_gets_no_old_picture_as_new() -> None:
    jpegs = [noisy(60, seed=n, width=320, height=240) for n in range(8)]

    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer("200 OK", f"Content-Type: {MIXED}"))
        number = 0
        while not stop.wait(1 / FPS):
            connection.sendall(part(with_time(jpegs[number % len(jpegs)])))
            number += 1

    command = [sys.executable, "-m", "tests.support.camera_reader"]
    with RawServer(talk) as camera:
        process = subprocess.Popen(
            [*command, camera.url], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            ages = [int(process.stdout.readline()) for _ in range(FPS)]
            for _ in range(2):
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(STOPPED_S)
                os.kill(process.pid, signal.SIGCONT)
                ages += [int(process.stdout.readline()) for _ in range(2 * FPS)]
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert max(ages) < OLD_MS
