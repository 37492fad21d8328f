"""``edge-runtime output``: try an output, or stand in for a PLC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.config import DEFAULT_CONFIG, load_config
from edge_runtime.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from edge_runtime.outputs.simulator import Write

ANSWER_S = 15.0
CONNECT_S = 1.0


@click.group()
def output() -> None:
    """Try an output, or stand in for a PLC."""


@output.command()
@click.option("--listen", default="127.0.0.1:5020", show_default=True, metavar="HOST:PORT")
@click.option("--json", "as_json", is_flag=True, help="As JSON lines.")
def simulate(listen: str, as_json: bool) -> None:
    """Be a Modbus TCP device; print every coil and register that is written, with its time."""
    import asyncio

    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.outputs import simulator

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--listen: found '{listen}'; write HOST:PORT, such as 127.0.0.1:5020")

    def told(write: Write) -> None:
        if as_json:
            line = json.dumps({"at_ns": write.boottime_ns, write.kind: write.address,
                               "value": write.value})  # fmt: skip
        else:
            line = f"{write.boottime_ns / 1e9:.3f}  {write.kind} {write.address} = {write.value}"
        click.echo(line)

    def ready() -> None:
        click.echo(json.dumps({"listening": listen}) if as_json else f"listening {listen}")

    try:
        asyncio.run(
            simulator.serve(host, int(port), on_write=told, ready=ready, clock=SYSTEM_CLOCK)
        )
    except KeyboardInterrupt:
        pass


@output.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def test(name: str, config: Path, as_json: bool) -> int:
    """Pulse output NAME once, as a reject would, and say whether it was confirmed."""
    import threading
    from dataclasses import asdict

    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.outputs import open_output
    from edge_runtime.types import Verdict, VerdictKind

    loaded = load_config(config)
    if name not in loaded.outputs:
        known = ", ".join(sorted(loaded.outputs)) or "none"
        raise UsageError(f"{config}: there is no output '{name}'; known: {known}")
    made = open_output(name, loaded.outputs[name], clock=SYSTEM_CLOCK)
    made.start()
    SYSTEM_CLOCK.wait(threading.Event(), CONNECT_S)
    future = made.apply(Verdict(VerdictKind(loaded.outputs[name].on[0])))
    assert future is not None
    actuation = future.result(ANSWER_S)
    made.close()
    if as_json:
        click.echo(json.dumps(asdict(actuation)))
    else:
        word = "confirmed" if actuation.acknowledged else "NOT confirmed"
        click.echo(f"{name}: {word} in {actuation.latency_ms:.1f} ms {actuation.detail or ''}")
    return int(ExitCode.OK if actuation.acknowledged else ExitCode.UNAVAILABLE)
