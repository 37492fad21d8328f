"""The PLC of the simulated line, as a process: it counts parts as they pass its sensor.

It keeps its coils and registers as `field.simulator` does and tells each write of the station with
its time, as JSON lines ``[ns, "coil" | "register", address, value]``.  At each part it sets the
part's number into one register and then counts another one up: the trigger.  A frozen or dead PLC
counts nothing; when it runs again the count is that of the belt's encoder.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time

from edge_runtime.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK
from edge_runtime.field.simulator import PlcSimulator, Write

COUNTER, PART = 100, 101
REGISTER_VALUES = 1 << 16
_OWN = (("register", COUNTER), ("register", PART))
_LATE_NS = 100 * NS_PER_MS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--start-ns", type=int, required=True, help="part 0 passes; boottime")
    parser.add_argument("--every-ns", type=int, required=True)
    asked = parser.parse_args()
    written = threading.Lock()

    def tell(value: object) -> None:
        with written:
            sys.stdout.write(json.dumps(value) + "\n")
            sys.stdout.flush()

    def told(write: Write) -> None:
        if (write.kind, write.address) not in _OWN:
            tell([write.boottime_ns, write.kind, write.address, write.value])

    with PlcSimulator("127.0.0.1", asked.port, on_write=told, clock=SYSTEM_CLOCK) as plc:
        tell({"port": plc.port})
        _count(plc.port, asked.start_ns, asked.every_ns, tell)


def _count(port: int, start_ns: int, every_ns: int, tell: object) -> None:
    """Parts pass for ever."""
    from pymodbus.client import ModbusTcpClient

    assert callable(tell)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    own = ModbusTcpClient("127.0.0.1", port=port, timeout=2)
    own.connect()  # type: ignore[no-untyped-call]
    number = max(0, -((start_ns - SYSTEM_CLOCK.boottime_ns()) // every_ns))
    while True:
        due_ns = start_ns + number * every_ns
        now_ns = SYSTEM_CLOCK.boottime_ns()
        if now_ns < due_ns:
            time.sleep((due_ns - now_ns) / NS_PER_S)
        elif now_ns - due_ns > _LATE_NS:
            number += 1
        else:
            own.write_register(PART, number % REGISTER_VALUES)
            own.write_register(COUNTER, (number + 1) % REGISTER_VALUES)
            tell({"part": number, "due_ns": due_ns, "at_ns": SYSTEM_CLOCK.boottime_ns()})
            number += 1


if __name__ == "__main__":
    main()
