"""``edge-runtime output``: try an output, put it out of use for a while, or stand in for a PLC."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.groups import Group
from edge_runtime.cli.status import data_folder
from edge_runtime.config import DEFAULT_CONFIG, load_config
from edge_runtime.errors import ExitCode, NoInput, NotAllowed, UsageError

if TYPE_CHECKING:
    from edge_runtime.config import Config
    from edge_runtime.field.ladder import GateTable
    from edge_runtime.field.simulator import GateChange, Write

ANSWER_S = 15.0
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_UNIT_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, None: 1.0}


@click.group(cls=Group)
def output() -> None:
    """Try an output, put it out of use for a while, or stand in for a PLC."""


@output.command()
@click.option("--listen", default="127.0.0.1:5020", show_default=True, metavar="HOST:PORT")
@click.option("--heartbeat", is_flag=True, help="Also print registers: the heartbeat.")
@click.option(
    "--gate",
    metavar="COIL:REGISTER:SECONDS",
    help="Run the rungs of docs/outputs.md on this safe coil and heartbeat register, which counts "
    "so often, and print when the gate opens and closes.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON lines.")
def simulate(listen: str, heartbeat: bool, gate: str | None, as_json: bool) -> None:
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

    def changed(change: GateChange) -> None:
        click.echo(_gate_json(change) if as_json else _gate_line(change))

    made = PlcSimulator(
        host,
        port,
        on_write=told,
        clock=SYSTEM_CLOCK,
        gate=None if gate is None else _gate(gate),
        on_gate=changed,
    )
    try:
        with made as plc:
            where = f"{host}:{plc.port}"
            click.echo(json.dumps({"listening": where}) if as_json else f"listening on {where}")
            SYSTEM_CLOCK.wait(threading.Event(), threading.TIMEOUT_MAX)
    except KeyboardInterrupt:
        pass


@output.command()
@click.argument("name")
@click.option("--for", "duration", required=True, metavar="TIME", help="Such as 90s, 30m, 2h.")
@click.option("--why", required=True, metavar="TEXT", help="Written into the ledger.")
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def bypass(
    name: str, duration: str, why: str, config: Path | None, data: Path | None, as_json: bool
) -> int:
    """Put output NAME of the running daemon out of use: released, whatever the lanes say.

    No verdict drives it meanwhile: bad parts pass.  It ends by itself; `status`, the PLC's
    `bypass_register` and the ledger tell of it.
    """
    arguments = {"output": name, "seconds": _seconds(duration), "why": why}
    return _ask_daemon("bypass", arguments, data_folder(config, data), as_json=as_json)


@output.command()
@click.argument("name")
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def unbypass(name: str, config: Path | None, data: Path | None, as_json: bool) -> int:
    """Use output NAME of the running daemon again, before its bypass ends by itself."""
    return _ask_daemon("unbypass", {"output": name}, data_folder(config, data), as_json=as_json)


@output.command()
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def test(name: str, config: Path, as_json: bool) -> int:
    """Act with output NAME once, as on a verdict, and say whether the far side confirmed it.

    Not while the daemon runs, which holds it: it would be let go at the end.  Exit code 69 when it
    was not confirmed.
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
        raise UsageError(f"{config}: outputs.{name}.on is empty: no verdict drives it")
    _refuse_while_it_runs(loaded)
    made = open_output(name, settings, clock=SYSTEM_CLOCK)
    made.hold(active=False)  # before anything is connected: the safe state is not to be tried
    made.start()
    try:
        verdict = Verdict(VerdictKind(settings.on[0]), threshold=0.5)
        future = made.drive(verdict, part="test", at_ns=SYSTEM_CLOCK.boottime_ns())
        actuation = future.result(ANSWER_S + getattr(settings, "delay_ms", 0) / 1000)
    finally:
        made.close(safe=False)
    if as_json:
        click.echo(json.dumps(asdict(actuation)))
    else:
        word = "confirmed" if actuation.acknowledged else "NOT confirmed"
        tail = f": {actuation.detail}" if actuation.detail else ""
        click.echo(f"{name}: {word} after {actuation.latency_ms:.1f} ms{tail}")
    return int(ExitCode.OK if actuation.acknowledged else ExitCode.UNAVAILABLE)


def _refuse_while_it_runs(config: Config) -> None:
    """Every coil is written on a new connection: it would let go of what the daemon holds."""
    from edge_runtime.supervisor.control import ControlClient

    try:
        with ControlClient(config.data_dir):
            pass
    except NotAllowed:  # it runs, or may run: that is not for us to see
        raise
    except NoInput:
        return
    raise UsageError(
        f"the daemon on {config.data_dir} runs and holds this output; stop it first, or look at "
        "it with: edge-runtime status"
    )


def _ask_daemon(what: str, arguments: dict[str, Any], folder: Path, *, as_json: bool) -> int:
    from edge_runtime.supervisor.control import ControlClient

    with ControlClient(folder) as client:
        answer = client.ask(what, **arguments)
    if "error" in answer:
        click.echo(f"edge-runtime: {answer['error']}", err=True)
        return int(answer.get("exit_code", ExitCode.USAGE))
    if as_json:
        click.echo(json.dumps(answer))
    else:
        click.echo(f"{answer['output']}: {answer['state']}" + _bypass_tail(answer))
    return int(ExitCode.OK)


def _bypass_tail(state: dict[str, Any]) -> str:
    from edge_runtime.clock import SYSTEM_CLOCK

    if state["bypass_until_ns"] is None:
        return "".join(f"; {why}" for why in state["holds"])
    left_s = (state["bypass_until_ns"] - SYSTEM_CLOCK.boottime_ns()) / 1e9
    return f" for {left_s / 60:.1f} min: no verdict drives it, and it is not held safe"


def _seconds(duration: str) -> float:
    match = _TIME.fullmatch(duration.strip())
    if match is None:
        raise UsageError(f"--for: found '{duration}'; write a number and s, m or h, such as 30m")
    return float(match[1]) * _UNIT_S[match[2]]


def _gate(text: str) -> GateTable:
    from edge_runtime.field.ladder import GateTable

    match = re.fullmatch(r"(\d{1,4}):(\d{1,4}):(\d+(?:\.\d+)?)", text)
    if match is None or max(int(match[1]), int(match[2])) > 4095 or float(match[3]) <= 0:
        raise UsageError(f"--gate: found '{text}'; write COIL:REGISTER:SECONDS, such as 13:100:1")
    return GateTable(int(match[1]), int(match[2]), float(match[3]))


def _gate_json(change: GateChange) -> str:
    return json.dumps(
        {
            "boottime_ns": change.boottime_ns,
            "kind": "gate",
            "open": change.state.is_open,
            "why": change.state.why,
        }
    )


def _gate_line(change: GateChange) -> str:
    word = "open" if change.state.is_open else f"closed: {change.state.why}"
    return f"{change.boottime_ns / 1e9:.3f}  gate {word}"


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
