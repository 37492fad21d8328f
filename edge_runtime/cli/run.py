"""``edge-runtime run``: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.config import DEFAULT_CONFIG
from edge_runtime.errors import ExitCode

if TYPE_CHECKING:
    from edge_runtime.supervisor.summary import RunSummary
_OTHERS = 0o007


@click.command()
@click.argument("config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG)
@click.option("--until-done", is_flag=True, help="Stop by itself once every replay has ended.")
@click.option(
    "--drain-s",
    type=float,
    default=60.0,
    show_default=True,
    help="With --until-done: how long the backlog may take to reach the collector.",
)
@click.option("--anew", is_flag=True, help="Replays begin anew, not behind what is stored of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(config: Path, until_done: bool, drain_s: float, anew: bool, as_json: bool) -> int:
    """Run the lanes of CONFIG until stopped.

    SIGTERM or SIGINT: end of input, everything in hand is drained and kept.  A second one: now.
    SIGHUP: read CONFIG again, see edge-runtime reload.
    """
    import asyncio
    import faulthandler
    import os
    import signal

    from edge_runtime import log
    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.config import load_config
    from edge_runtime.supervisor.daemon import Daemon, RunOptions

    faulthandler.enable()
    _keep_private(os.umask(0o077))
    # The config is about to be read; by default it would end us before we listen, or at the end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log.set_up("supervisor")
    if not Path("/proc/cpuinfo").is_file():
        log.warn_without_cpuinfo()
    options = RunOptions(until_done=until_done, drain_s=drain_s, anew=anew)
    loaded, path = load_config(config), config.absolute()

    async def run_daemon() -> RunSummary:
        return await Daemon(loaded, options, SYSTEM_CLOCK, path=path).run()

    summary = asyncio.run(run_daemon())
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(summary))
    elif until_done:
        click.echo(_text(summary))
    for line in _last_words(summary):
        click.echo(f"edge-runtime: {line}", err=True)
    return int(summary.exit_code)


def _last_words(summary: RunSummary) -> list[str]:
    """Why it ended, where the log above does not say so: a thing is told once."""
    if summary.was_told:
        return ["a lane was refused: see its EDGE-... above"]
    return summary.error.splitlines()


def _text(summary: RunSummary) -> str:
    lines = []
    for lane, verdicts in summary.verdicts.items():
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(verdicts.items()))
        extra = "".join(
            f", {count} {reason}" for reason, count in summary.tombstones.get(lane, {}).items()
        )
        lines.append(f"{lane}: {told or 'nothing'}{extra}")
    lines += [
        f"{lane}: {rows} results could not be stored" for lane, rows in summary.unstored.items()
    ]
    if summary.unsynced is not None:
        refused = f", {summary.quarantined} in quarantine" if summary.quarantined else ""
        lines.append(
            f"not yet synced: {summary.unsynced} results, {summary.unsynced_media} media{refused}"
        )
    if summary.exit_code is ExitCode.OK:
        lines.append(f"done; the ledger ends at seq {summary.max_seq}")
    return "\n".join(lines)


def _keep_private(inherited: int) -> None:
    """What we and our children write is nobody else's, started by hand, too.

    Whoever has shut others out himself, as the unit does (``UMask=0027``), has decided what the
    group may: its members read status and results.
    """
    import os

    if inherited & _OTHERS == _OTHERS:
        os.umask(inherited)
