"""``edge-runtime results``: what was seen and heard."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.errors import NoInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.ledger.queries import LedgerReader
    from edge_runtime.ledger.rows import Entry

FOLLOW_S = 0.5


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every subcommand has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="As JSON lines."),
        click.option("--data", type=click.Path(path_type=Path), help="The data folder."),
        click.option("--config", type=click.Path(path_type=Path), help="The daemon's config."),
    ):
        command = option(command)
    return command


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("-n", "--limit", type=click.IntRange(1, 100_000), default=20),
        click.option("--label", help="Only this label."),
        click.option("--verdict", help="Only this verdict: pass, reject, review, no_read, …"),
        click.option("--lane", help="Only this lane."),
    ):
        command = option(command)
    return command


@click.group()
def results() -> None:
    """List, follow, show and open what was seen and heard."""


@results.command("list")
@_where
@_filters
def list_(
    config: Path | None,
    data: Path | None,
    as_json: bool,
    lane: str | None,
    verdict: str | None,
    label: str | None,
    limit: int,
) -> None:
    """List the newest results, newest first."""
    with _reader(config, data) as ledger:
        for entry in ledger.results(lane=lane, verdict=verdict, label=label, limit=limit):
            _print(entry, as_json=as_json)


@results.command()
@_where
@_filters
@click.option("-f", "--follow", is_flag=True, help="Keep printing what comes.")
def tail(
    config: Path | None,
    data: Path | None,
    as_json: bool,
    lane: str | None,
    verdict: str | None,
    label: str | None,
    limit: int,
    follow: bool,
) -> None:
    """Print the last results, oldest first; with --follow, also those to come."""
    import threading

    from edge_runtime.clock import SYSTEM_CLOCK

    wanted = {"lane": lane, "verdict": verdict, "label": label}
    never = threading.Event()
    with _reader(config, data) as ledger:
        entries = ledger.results(**wanted, limit=limit)[::-1]  # type: ignore[arg-type]
        last = ledger.max_seq()
        while True:
            for entry in entries:
                _print(entry, as_json=as_json)
            if not follow:
                return
            SYSTEM_CLOCK.wait(never, FOLLOW_S)
            top = ledger.max_seq()
            entries = ledger.results(
                **wanted, after_seq=last, before_seq=top + 1, limit=1000, newest_first=False  # type: ignore[arg-type]
            )  # fmt: skip
            last = top if len(entries) < 1000 else entries[-1].seq


@results.command()
@click.argument("seq", type=int)
@_where
def show(seq: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show everything known about result SEQ, and where its media are."""
    with _reader(config, data) as ledger:
        entry = _entry(ledger, seq)
        told = _as_json(entry)
        told["media_files"] = [
            {"kind": m.kind, "state": m.state, "path": str(m.path)} for m in ledger.media_of(seq)
        ]
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(json.dumps(told, indent=2))


@results.command("open")
@click.argument("seq", type=int)
@_where
def open_(seq: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print the path of SEQ's picture or sound (the overlay first), and open it on a desktop."""
    import os

    with _reader(config, data) as ledger:
        _entry(ledger, seq)
        media = sorted(ledger.media_of(seq), key=lambda m: m.kind != "overlay")
    kept = [m for m in media if m.state != "evicted" and m.path.is_file()]
    if not kept:
        why = "its media were evicted to make room" if media else "its lane keeps no media of it"
        raise NoInput(f"result {seq} has no file: {why}")
    click.echo(json.dumps([str(m.path) for m in kept]) if as_json else str(kept[0].path))
    if not as_json and ("DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ):
        click.launch(str(kept[0].path))


def _reader(config: Path | None, data: Path | None) -> LedgerReader:
    from edge_runtime.cli.status import data_folder
    from edge_runtime.ledger.queries import LedgerReader

    return LedgerReader(data_folder(config, data))


def _entry(ledger: LedgerReader, seq: int) -> Entry:
    entry = ledger.result(seq)
    if entry is None:
        raise NoInput(f"there is no result {seq}; the ledger ends at {ledger.max_seq()}")
    return entry


def _as_json(entry: Entry) -> dict[str, Any]:
    import msgspec

    return {"seq": entry.seq, "epoch": entry.epoch, **msgspec.to_builtins(entry.body)}


def _print(entry: Entry, *, as_json: bool) -> None:
    click.echo(json.dumps(_as_json(entry)) if as_json else one_line(entry))


def one_line(entry: Entry) -> str:
    """A result for a terminal."""
    from edge_runtime.types import Tombstone

    body = entry.body
    if isinstance(body, Tombstone):
        count = "" if body.count is None else f" {body.count}"
        return (
            f"{entry.seq:>8}  {_time(body.last.wall_ns)}  {body.lane:<12} "
            f"tombstone {body.reason.value}{count}  {body.detail or ''}"
        )
    verdict = body.verdict
    score = "" if verdict.score is None else f"{verdict.score:.3f}"
    more = body.text or verdict.reason or body.item or ""
    return (
        f"{entry.seq:>8}  {_time(body.captured.wall_ns)}  {body.lane:<12} "
        f"{verdict.kind.value:<9} {verdict.label or '-':<12} {score:<6} {more}"
    )


def _time(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
