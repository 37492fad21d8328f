"""A hello to the collector as sync would say it.  Run in a process of its own: it loads urllib3."""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path

import msgspec

from edge_runtime import __version__
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Sync
from edge_runtime.errors import (
    AuthFailed,
    ConfigError,
    EdgeRuntimeError,
    GreetingRefused,
    Offline,
    SyncError,
    Throttled,
)
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.sync.decisions import greeting_of
from edge_runtime.sync.process import open_transport
from edge_runtime.wire.conversation import Greeting

ANSWER_S = 5.0


def main() -> None:
    """Arguments: [sync] as JSON, the data folder, the device.  Prints ``[kind, text]``.

    `kind`: ``ok``, ``auth``, ``tls``, ``config``, ``away``, ``busy``, or ``stranger``: somebody
    who takes connections and is no collector.
    """
    settings = msgspec.json.decode(sys.argv[1], type=Sync)
    answer = _greet(settings, Path(sys.argv[2]), sys.argv[3])
    sys.stdout.write(json.dumps(answer) + "\n")


def _greet(settings: Sync, data_dir: Path, device: str) -> tuple[str, str]:
    quick = msgspec.structs.replace(
        settings,
        connect_timeout_s=min(settings.connect_timeout_s, ANSWER_S),
        read_timeout_s=min(settings.read_timeout_s, ANSWER_S),
    )
    try:
        transport = open_transport(quick)
    except ConfigError as exc:
        return "config", str(exc)
    greeting = _of_ledger(data_dir, device)
    try:
        welcome = transport.hello(greeting or Greeting(device="", epoch=""))
    except SyncError as exc:
        if greeting is None and isinstance(exc, GreetingRefused):
            # Meant to be refused: without a ledger there is nothing true to say, and a collector
            # keeps what it is told.
            return "ok", "answers and takes the token; there is no ledger yet to greet it with"
        return _kind_of(exc, was_connected=transport.traffic.connects > 0), str(exc)
    finally:
        transport.close()
    return "ok", f"takes the hello and the token; it has results up to seq {welcome.max_seq}"


def _of_ledger(data_dir: Path, device: str) -> Greeting | None:
    """What sync would say of the current epoch; None where no ledger can be read."""
    try:
        with LedgerReader(data_dir) as ledger:
            state, stamp = ledger.sync_state(), SYSTEM_CLOCK.stamp()
            (span,) = [each for each in ledger.epochs() if each.epoch == state.epoch]
            return greeting_of(
                span,
                state,
                device=device,
                min_seq=ledger.min_seq(),
                software=f"edge-runtime/{__version__}",
                boot_id=stamp.boot_id,
                wall_ns=stamp.wall_ns,
            )
    except (EdgeRuntimeError, ValueError):
        return None


def _kind_of(error: SyncError, *, was_connected: bool) -> str:
    """A far side with troubles of its own is away; one that says nothing is somebody else."""
    if isinstance(error, AuthFailed):
        return "auth"
    if isinstance(error, Throttled):
        return "busy"
    if _is_tls(error):
        return "tls"
    answered = str(error).startswith("hello: ")
    return "away" if isinstance(error, Offline) and (answered or not was_connected) else "stranger"


def _is_tls(error: BaseException) -> bool:
    below: BaseException | None = error
    while below is not None and not isinstance(below, ssl.SSLError):
        below = below.__cause__ or below.__context__
    return below is not None


if __name__ == "__main__":
    main()
