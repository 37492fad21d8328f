"""``edge-runtime status``: how the running daemon is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.config import DEFAULT_CONFIG
from edge_runtime.errors import ExitCode, NoInput

if TYPE_CHECKING:
    from rich.table import Table

REFRESH_S = 1.0


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's config.")
@click.option("--data", type=click.Path(path_type=Path), help="Its data folder.")
@click.option("--watch", is_flag=True, help="Keep showing it, once a second.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(config: Path | None, data: Path | None, watch: bool, as_json: bool) -> int:
    """Show lanes, rates, drops, last verdicts, the ledger and the way to the collector.

    Exit code 0: running and healthy; 1: something is degraded; 69: no daemon is running.
    """
    folder = data_folder(config, data)
    if watch:
        return _watch(folder)
    picture = take(folder)
    if as_json:
        click.echo(json.dumps(picture))
    else:
        from rich.console import Console

        Console().print(*tables(picture), sep="\n")
    return _exit_code(picture)


def data_folder(config: Path | None, data: Path | None) -> Path:
    """The data folder named on the command line, or the config's."""
    if data is not None:
        return data
    from edge_runtime.config import load_config

    return load_config(config or DEFAULT_CONFIG).data_dir


def take(folder: Path) -> dict[str, Any]:
    """The daemon's own picture, or the ledger's numbers when none runs."""
    from edge_runtime.supervisor.control import ControlClient

    try:
        with ControlClient(folder) as client:
            picture: dict[str, Any] = client.ask("status")
    except NoInput:
        return _at_rest(folder)
    return picture


def tables(picture: dict[str, Any]) -> list[Table | str]:
    """The picture for a terminal."""
    head = f"[bold]edge-runtime[/] {picture.get('version', '')}  {picture['device']}  "
    if not picture["running"]:
        return [head + "[red]not running[/]", _stores(picture)]
    head += f"up {_span(picture['uptime_s'])}  {picture['supervisor']['rss_mib']} MiB"
    return [head, _lanes(picture["lanes"]), _stores(picture)]


def _at_rest(folder: Path) -> dict[str, Any]:
    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.ledger.queries import LedgerReader
    from edge_runtime.supervisor.status import ledger_summary

    with LedgerReader(folder) as reader:
        ledger = ledger_summary(reader, SYSTEM_CLOCK)
        device = reader.identity().device
    return {
        "device": device,
        "data_dir": str(folder),
        "running": False,
        "lanes": [],
        "ledger": {**ledger, "state": "closed", "detail": ""},
        "sync": None,
    }


def _watch(folder: Path) -> int:
    import threading

    from rich.console import Group
    from rich.live import Live

    from edge_runtime.clock import SYSTEM_CLOCK

    never = threading.Event()
    picture = take(folder)
    try:
        with Live(Group(*tables(picture)), refresh_per_second=4) as live:
            while not SYSTEM_CLOCK.wait(never, REFRESH_S):
                picture = take(folder)
                live.update(Group(*tables(picture)))
    except KeyboardInterrupt:
        pass
    return _exit_code(picture)


def _exit_code(picture: dict[str, Any]) -> int:
    if not picture["running"]:
        return int(ExitCode.UNAVAILABLE)
    fine = all(lane["state"] in ("running", "done", "draining") for lane in picture["lanes"])
    return int(ExitCode.OK if fine and picture["ledger"]["state"] == "ok" else ExitCode.FAILED)


_COLOURS = {"running": "green", "done": "cyan", "degraded": "yellow", "pass": "green",
            "reject": "red", "review": "yellow", "no_read": "red", "heard": "green"}  # fmt: skip


def _coloured(word: str) -> str:
    colour = _COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else word


def _lanes(lanes: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("lane", "state", "rate", "latency p50/p99", "dropped", "verdicts", "last"):
        table.add_column(column)
    table.add_column("restarts", justify="right")
    table.add_column("MiB", justify="right")
    for lane in lanes:
        gauges, counters = lane["gauges"], lane["counters"]
        latency = (
            f"{gauges['latency_p50_ms']:.0f} / {gauges['latency_p99_ms']:.0f} ms"
            if "latency_p50_ms" in gauges
            else "-"
        )
        state = _coloured(lane["state"])
        if lane["detail"] and lane["state"] not in ("running", "done"):
            state += f"\n[dim]{lane['detail'][:60]}[/]"
        table.add_row(
            lane["name"],
            state,
            f"{gauges.get('rate_hz', 0.0):.1f}/s",
            latency,
            str(counters.get("dropped", 0)),
            " ".join(f"{n} {_coloured(kind)}" for kind, n in sorted(lane["verdicts"].items())),
            _last(lane["last"]),
            str(lane["restarts"]),
            str(lane["rss_mib"] or "-"),
        )
    return table


def _last(last: dict[str, Any] | None) -> str:
    if last is None:
        return "-"
    score = "" if last["score"] is None else f" {last['score']:.2f}"
    return f"{_coloured(last['verdict'])} {last['label'] or ''}{score}"


def _stores(picture: dict[str, Any]) -> str:
    ledger, sync = picture["ledger"], picture["sync"]
    text = (
        f"ledger  {_coloured(ledger['state'])}  {ledger['rows']} results, "
        f"{ledger['tombstones']} tombstones, seq {ledger['max_seq']}"
    )
    if ledger["detail"]:
        text += f"  [yellow]{ledger['detail']}[/]"
    if sync is None:
        return text + f"\nsync    {ledger['backlog_rows']} results not synced"
    age = "" if sync["backlog_age_s"] is None else f", oldest {_span(sync['backlog_age_s'])}"
    text += (
        f"\nsync    {_coloured(sync['state'])}  {sync['backlog_rows']} results and "
        f"{sync['backlog_media']} media behind{age}"
    )
    return text + (f"  [dim]{sync['detail'][:80]}[/]" if sync["detail"] else "")


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
