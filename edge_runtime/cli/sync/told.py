"""``sync status`` and ``sync quarantine``: what is known of the way to the collector."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import click

from edge_runtime.cli.asking import checked
from edge_runtime.cli.status import data_folder
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ExitCode, UsageError

MOST = 1000


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's config.")
@click.option("--data", type=click.Path(path_type=Path), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(config: Path | None, data: Path | None, as_json: bool) -> int:
    """How the way to the collector is, what waits, and why.

    Exit code 1: something is wrong with it that does not pass by itself.
    """
    from edge_runtime.supervisor.control import ControlClient

    with ControlClient(data_folder(config, data)) as client:
        picture = checked(client.ask("status"))
    if picture["sync"] is None:
        raise UsageError("there is no [sync] in the config")
    told = [one for one in picture["findings"] if one["where"] == "sync"]
    if as_json:
        click.echo(json.dumps(picture["sync"] | {"findings": told}))
    else:
        for line in _lines(picture["sync"]):
            click.echo(line)
        for one in told:
            click.echo(f"{one['code']}  {one['severity']}: {one['text']}")
    is_wrong = any(one["severity"] == "fault" for one in told)
    return int(ExitCode.FAILED if is_wrong else ExitCode.OK)


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's config.")
@click.option("--data", type=click.Path(path_type=Path), help="Its data folder.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def quarantine(config: Path | None, data: Path | None, as_json: bool) -> int:
    """List the entries that the collector refused for good, with its reason.

    It needs no daemon. They are kept. They are sent again when a newer collector
    answers, or by sync retry.
    Exit code 1: there are some.
    """
    from edge_runtime.ledger.queries import LedgerReader

    with LedgerReader(data_folder(config, data)) as reader:
        found = reader.refusals(MOST)
        number = reader.counts().quarantined
    if as_json:
        import msgspec

        for one in found:
            click.echo(msgspec.json.encode(one))
    elif not found:
        click.echo("nothing is in quarantine")
    else:
        for one in found:
            what = " ".join(part for part in (one.lane, one.verdict) if part)
            when = dt.datetime.fromtimestamp(one.wall_ns / NS_PER_S, dt.UTC)
            click.echo(f"{one.seq}  {when:%Y-%m-%d %H:%M:%S}Z  {what}  {one.code}: {one.detail}")
        if number > len(found):
            click.echo(f"and {number - len(found)} more")
    return int(ExitCode.FAILED if found else ExitCode.OK)


def _lines(sync: dict[str, Any]) -> list[str]:
    counters, gauges = sync["counters"], sync["gauges"]
    lines = [f"{sync['state']}" + (f": {sync['detail']}" if sync["detail"] else "")]
    lines.append(
        f"behind: {sync['backlog_rows']} entries and {sync['backlog_media']} media; "
        f"held back: {gauges.get('held_back', 0):.0f}; in quarantine: {sync['quarantined']}"
    )
    if "last_contact_age_s" in gauges:
        lines.append(f"last contact {gauges['last_contact_age_s']:.0f} s ago")
    names = ("events_acked", "events_resent", "media_sent", "media_wanted", "rewinds", "failures")
    lines.append(", ".join(f"{name} {counters.get(name, 0)}" for name in names))
    return lines
