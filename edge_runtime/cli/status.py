"""``edge-runtime status``: how the running daemon is, and whether that is well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edge_runtime.config import DEFAULT_CONFIG
from edge_runtime.errors import EdgeRuntimeError, ExitCode, NoInput, NotAllowed

REFRESH_S = 1.0


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
)
@click.option("--data", type=click.Path(path_type=Path, readable=False), help="Its data folder.")
@click.option("--watch", is_flag=True, help="Keep showing it, once a second.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--acknowledge", is_flag=True, help="I have seen what is counted; tell only more.")
def status(
    config: Path | None, data: Path | None, watch: bool, as_json: bool, acknowledge: bool
) -> int:
    """Show lanes, outputs, the ledger, the way to the collector, and what is wrong.

    Exit code 0: every lane sees or hears, decides, is acknowledged and stored, and sync is
    connected or merely offline; 1: something is not so, or not proven yet; 69: no daemon runs.
    """
    folder = data_folder(config, data)
    if acknowledge:
        return _acknowledge(folder, as_json)
    if watch:
        return _watch(folder)
    picture = take(folder)
    if as_json:
        click.echo(json.dumps(picture))
    else:
        from edge_runtime.cli.status_tables import console, tables

        console().print(*tables(picture), sep="\n")
    return exit_code(picture)


def data_folder(config: Path | None, data: Path | None) -> Path:
    """The data folder named on the command line, or the config's."""
    if data is not None:
        return data
    from edge_runtime.config import load_config

    return load_config(config or DEFAULT_CONFIG).data_dir


def take(folder: Path) -> dict[str, Any]:
    """The daemon's own picture, or the ledger's numbers when none runs or it does not answer."""
    from edge_runtime.supervisor.control import ControlClient

    try:
        client = ControlClient(folder)
    except NotAllowed:
        raise
    except NoInput:
        return _at_rest(folder, silent="")
    with client:
        try:
            picture: dict[str, Any] = client.ask("status")
        except NoInput as exc:
            return _at_rest(folder, silent=str(exc))
    if "findings" not in picture:
        raise EdgeRuntimeError("the daemon that runs is of another version: restart it")
    return picture


def exit_code(picture: dict[str, Any]) -> int:
    """0 only when there is no fault."""
    if picture["ok"]:
        return int(ExitCode.OK)
    stopped = not picture["running"] and not picture["silent"]
    return int(ExitCode.UNAVAILABLE if stopped else ExitCode.FAILED)


def _at_rest(folder: Path, *, silent: str) -> dict[str, Any]:
    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.ledger.queries import LedgerReader
    from edge_runtime.supervisor.status_of_stores import ledger_summary
    from edge_runtime.supervisor.truth import findings

    with LedgerReader(folder) as reader:
        ledger = ledger_summary(reader, SYSTEM_CLOCK)
        device = reader.identity().device
    picture = {
        "device": device,
        "data_dir": str(folder),
        "running": False,
        "silent": silent,
        "lanes": [],
        "outputs": [],
        "ledger": {**ledger, "state": "closed", "detail": ""},
        "sync": None,
    }
    return picture | {"ok": False, "findings": findings(picture)}


def _acknowledge(folder: Path, as_json: bool) -> int:
    from edge_runtime.supervisor.control import ControlClient

    with ControlClient(folder) as client:
        answer: dict[str, Any] = client.ask("acknowledge")
    if "error" in answer:
        raise EdgeRuntimeError(answer["error"])
    if as_json:
        click.echo(json.dumps(answer))
        return int(ExitCode.OK)
    for each in answer["acknowledged"]:
        click.echo(f"{each['code']}  {each['where']}: {each['text']}")
    if not answer["acknowledged"]:
        click.echo("there is nothing that was not seen before")
    return int(ExitCode.OK)


def _watch(folder: Path) -> int:
    import signal
    import threading

    from rich.console import Group
    from rich.live import Live

    from edge_runtime.cli.status_tables import tables
    from edge_runtime.clock import SYSTEM_CLOCK

    # A shell starts what it puts into the background with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    never = threading.Event()
    picture = take(folder)
    try:
        with Live(Group(*tables(picture)), refresh_per_second=4) as live:
            while not SYSTEM_CLOCK.wait(never, REFRESH_S):
                picture = take(folder)
                live.update(Group(*tables(picture)))
    except KeyboardInterrupt:
        pass
    return exit_code(picture)
