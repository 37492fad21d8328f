"""The lane's way to the field process: what the lane wants is what the field hears last."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import ModbusOutput
from edge_runtime.lane import far as module
from edge_runtime.lane.far import Far
from edge_runtime.link.messages import AnyMessage, Free, Greet, Hold, encode, receive

if TYPE_CHECKING:
    import pytest


def test_what_is_let_go_while_the_lane_connects_is_not_held_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "field.sock"
    far = Far(
        "top", str(path), "token", {"gate": ModbusOutput(host="127.0.0.1", coil=1)},
        drives_safe_state=True, on_trigger=lambda _: "", on_output=lambda _: None,
        clock=SYSTEM_CLOCK,
    )  # fmt: skip
    freed = threading.Event()

    def free() -> None:
        far.free()
        freed.set()

    freeing = threading.Thread(target=free)

    def encoded(message: AnyMessage) -> bytes:
        if isinstance(message, Hold) and freeing.ident is None:
            freeing.start()  # between saying what is held and being connected
            freed.wait(0.2)
        return encode(message)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)
        far.hold("nothing is seen")
        monkeypatch.setattr(module, "encode", encoded)
        far.start()
        connection, _ = listener.accept()
        connection.settimeout(10)
        with connection:
            heard = [type(receive(connection)) for _ in range(3)]
        freeing.join(10)
        far.close(orderly=False)
    assert heard == [Greet, Hold, Free]
