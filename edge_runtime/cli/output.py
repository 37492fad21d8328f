"""``edge-runtime output``: try an output, or stand in for a PLC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.config import DEFAULT_CONFIG, load_config
from edge_runtime.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from edge_runtime.field.simulator import Write

ANSWER_S = 15.0


@click.group()
def output() -> None:
    """Try an output, or stand in for a PLC."""


@output.command()
@click.option("--listen", default="127.0.0.1:5020", show_default=True, metavar="HOST:PORT")
@click.option("--heartbeat", is_flag=True, help="Also print registers: the heartbeat.")
@click.option("--json", "as_json", is_flag=True, help="As JSON lines.")
def simulate(listen: str, heartbeat: bool, as_json: bool) -> None:
    """Be a Modbus TCP device until stopped; print every coil that is written, with its time.

    Port 0 takes any free one.
    """
    import threading

    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.field.simulator import PlcSimulator

    host, port = _host_and_port(listen)
    seen: dict[tuple[str, int], Write] = {}

    def told(write: Write) -> None:
        before = seen.get((write.kind, write.address))
        seen[write.kind, write.address] = write
        if write.kind == "coil" or heartbeat:
            click.echo(_as_json(write) if as_json else _line(write, before))

    try:
        with PlcSimulator(host, port, on_write=told, clock=SYSTEM_CLOCK) as plc:
            where = f"{host}:{plc.port}"
            click.echo(json.dumps({"listening": where}) if as_json else f"listening on {where}")
            SYSTEM_CLOCK.wait(threading.Event(), threading.TIMEOUT_MAX)
    except KeyboardInterrupt:
        pass


@output.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def test(name: str, config: Path, as_json: bool) -> int:
    """Pulse output NAME once, as a verdict would, and say whether the far side confirmed it.

    Exit code 69 when it did not.
    """
    from dataclasses import asdict

    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.field import open_output
    from edge_runtime.types import Verdict, VerdictKind

    loaded = load_config(config)
    if name not in loaded.outputs:
        known = ", ".join(sorted(loaded.outputs)) or "none"
        raise UsageError(f"{config}: there is no output '{name}'; known: {known}")
    settings = loaded.outputs[name]
    if not settings.on:
        raise UsageError(f"{config}: outputs.{name}.on is empty: no verdict pulses it")
    made = open_output(name, settings, clock=SYSTEM_CLOCK)
    made.start()
    try:
        future = made.apply(Verdict(VerdictKind(settings.on[0]), threshold=0.5))
        assert future is not None
        actuation = future.result(ANSWER_S)
    finally:
        made.close()
    if as_json:
        click.echo(json.dumps(asdict(actuation)))
    else:
        word = "confirmed" if actuation.acknowledged else "NOT confirmed"
        tail = f": {actuation.detail}" if actuation.detail else ""
        click.echo(f"{name}: {word} after {actuation.latency_ms:.1f} ms{tail}")
    return int(ExitCode.OK if actuation.acknowledged else ExitCode.UNAVAILABLE)


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen: found '{listen}'; write HOST:PORT, such as 127.0.0.1:5020")
    return host, int(port)


def _as_json(write: Write) -> str:
    return json.dumps(
        {
            "boottime_ns": write.boottime_ns,
            "kind": write.kind,
            "address": write.address,
            "value": write.value,
        }
    )


def _line(write: Write, before: Write | None) -> str:
    """``coil 12 off after 80.4 ms``."""
    value = ("off", "on")[write.value] if write.kind == "coil" else str(write.value)
    line = f"{write.boottime_ns / 1e9:.3f}  {write.kind} {write.address} {value}"
    if before is not None and before.value != write.value:
        line += f" after {(write.boottime_ns - before.boottime_ns) / 1e6:.1f} ms"
    return line
