"""``results list``, ``tail``, ``show`` and ``open``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.results.lines import Look, stamp_of
from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import NoInput, UsageError
from edge_runtime.types import AdditionKind, TombstoneReason, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.ledger.queries import LedgerReader
    from edge_runtime.ledger.rows import Entry, Kind
    from edge_runtime.ledger.times import Times

FOLLOW_S = 0.5
BATCH = 1000
LARGEST = (1 << 63) - 1
"""What a column of the ledger can hold."""
_KINDS = [kind.value for kind in (*VerdictKind, *TombstoneReason, *AdditionKind)]
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def where(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every subcommand has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="As JSON lines."),
        click.option(
            "--data", type=click.Path(path_type=Path, readable=False), help="The data folder."
        ),
        click.option(
            "--config", type=click.Path(path_type=Path, readable=False), help="The daemon's config."
        ),
    ):
        command = option(command)
    return command


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "-n", "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True
        ),
        click.option("--since", help="Not older than: 90s, 15m, 2h, 3d, or a time in ISO 8601."),
        click.option("--label", help="Only this label."),
        click.option("--verdict", type=click.Choice(_KINDS), help="Only this verdict."),
        click.option("--lane", help="Only this lane."),
        click.option(
            "--utc",
            is_flag=True,
            help="Times in UTC, not in the box's zone; also of --since.",
        ),
        click.option(
            "--all",
            "everything",
            is_flag=True,
            help="Also what came later about parts: evidence, findings, acknowledgements.",
        ),
    ):
        command = option(command)
    return command


@click.command("list")
@where
@_filters
def list_(
    config: Path | None,
    data: Path | None,
    as_json: bool,
    lane: str | None,
    verdict: str | None,
    label: str | None,
    since: str | None,
    limit: int,
    everything: bool,
    utc: bool,
) -> None:
    """List the newest results, newest first."""
    tell = _teller(as_json=as_json, utc=utc)
    with reader_of(config, data) as ledger:
        times = ledger.times()
        for entry in ledger.results(
            lane=lane,
            verdict=verdict,
            label=label,
            since_wall_ns=_since_wall_ns(since, utc=utc),
            kinds=_kinds(everything, verdict),
            limit=limit,
        ):
            tell(entry, times)


@click.command()
@where
@_filters
@click.option("-f", "--follow", is_flag=True, help="Keep printing what comes.")
def tail(
    config: Path | None,
    data: Path | None,
    as_json: bool,
    lane: str | None,
    verdict: str | None,
    label: str | None,
    since: str | None,
    limit: int,
    everything: bool,
    utc: bool,
    follow: bool,
) -> None:
    """Print the last results, oldest first; with --follow, also those to come."""
    import threading

    from edge_runtime.clock import SYSTEM_CLOCK

    never = threading.Event()
    kinds = _kinds(everything, verdict)
    tell = _teller(as_json=as_json, utc=utc)
    with reader_of(config, data) as ledger:
        last = ledger.max_seq()
        entries = ledger.results(
            lane=lane,
            verdict=verdict,
            label=label,
            since_wall_ns=_since_wall_ns(since, utc=utc),
            before_seq=last + 1,
            kinds=kinds,
            limit=limit,
        )[::-1]
        while True:
            times = ledger.times() if entries else None
            for entry in entries:
                tell(entry, times)
            if not follow:
                return
            SYSTEM_CLOCK.wait(never, FOLLOW_S)
            top = ledger.max_seq()
            entries = ledger.results(
                lane=lane,
                verdict=verdict,
                label=label,
                after_seq=last,
                before_seq=top + 1,
                kinds=kinds,
                limit=BATCH,
                newest_first=False,
            )
            last = top if len(entries) < BATCH else entries[-1].seq


@click.command()
@click.argument("seq", type=click.IntRange(1, LARGEST))
@where
@click.option("--why", is_flag=True, help="Say in words how it came to its verdict.")
@click.option("--utc", is_flag=True, help="Times in UTC, not in this box's time zone.")
def show(
    seq: int, config: Path | None, data: Path | None, as_json: bool, why: bool, utc: bool
) -> None:
    """Show everything known about SEQ, what came later about it, and where its media are."""
    from edge_runtime.cli.results.limits import limits_now
    from edge_runtime.cli.results.why import words

    with reader_of(config, data) as ledger:
        entry = entry_in(ledger, seq)
        later = ledger.additions_of(seq)
        times = ledger.times()
        media = [row for one in (entry, *later) for row in ledger.media_of(one.seq)]
    lane = getattr(entry.body, "lane", None) or ""
    told_why = (
        words(entry, later, media, Look(utc=utc), limits_now(config, data, lane)) if why else []
    )
    if why and not as_json:
        click.echo("\n".join(told_why))
        return
    told = _as_json(entry, times)
    told["media_files"] = [{"kind": m.kind, "state": m.state, "path": str(m.path)} for m in media]
    told["later"] = [_as_json(one, times) for one in later]
    if why:
        told["why"] = told_why
    click.echo(json.dumps(told) if as_json else Look.here(utc=utc).page(told))


@click.command("open")
@click.argument("seq", type=click.IntRange(1, LARGEST))
@where
def open_(seq: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print the path of SEQ's picture or sound (the overlay first), and open it on a desktop."""
    import os

    with reader_of(config, data) as ledger:
        entry = entry_in(ledger, seq)
        all_media = [m for e in (entry, *ledger.additions_of(seq)) for m in ledger.media_of(e.seq)]
        media = sorted(all_media, key=lambda m: m.kind != "overlay")
    kept = [m for m in media if m.state != "evicted" and m.path.is_file()]
    if not kept:
        why = "its media were evicted to make room" if media else "its lane keeps no media of it"
        raise NoInput(f"result {seq} has no file: {why}")
    click.echo(json.dumps([str(m.path) for m in kept]) if as_json else str(kept[0].path))
    if not as_json and ("DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ):
        click.launch(str(kept[0].path))


def reader_of(config: Path | None, data: Path | None) -> LedgerReader:
    """The ledger of a data folder, or of a config's."""
    from edge_runtime.cli.status import data_folder
    from edge_runtime.ledger.queries import LedgerReader

    return LedgerReader(data_folder(config, data))


def entry_in(ledger: LedgerReader, seq: int) -> Entry:
    """One entry.  Raises `NoInput`."""
    entry = ledger.result(seq)
    if entry is None:
        raise NoInput(f"there is no result {seq}; the ledger ends at {ledger.max_seq()}")
    return entry


def _as_json(entry: Entry, times: Times | None) -> dict[str, Any]:
    """As it is stored; beside it the time as it is known now."""
    from edge_runtime.wire.shape import entry_json

    told = entry_json(entry.seq, entry.epoch, entry.body)
    if times is not None:
        moment = times.of(stamp_of(entry))
        told["time"] = Look(utc=True).time(moment.wall_ns)
        told["time_trusted"] = moment.is_trusted
        told["time_corrected"] = moment.is_corrected
    return told


def _kinds(everything: bool, verdict: str | None) -> tuple[Kind, ...] | None:
    """What is listed: additions only where they are asked for."""
    from edge_runtime.ledger.rows import Kind

    if everything or verdict in list(AdditionKind):
        return None
    return (Kind.RESULT, Kind.TOMBSTONE, Kind.EVENT)


def _teller(*, as_json: bool, utc: bool) -> Callable[[Entry, Times | None], None]:
    """What prints an entry; on a terminal below the columns' names."""
    if as_json:
        return lambda entry, times: click.echo(json.dumps(_as_json(entry, times)))
    look = Look.here(utc=utc)
    if look.width is not None:
        click.echo(look.header(), color=look.colour)
    return lambda entry, times: click.echo(look.line(entry, times), color=look.colour)


def _since_wall_ns(since: str | None, *, utc: bool) -> int | None:
    """``15m`` before now, or a time in ISO 8601; one without a zone is as times are shown."""
    if since is None:
        return None
    from edge_runtime.clock import SYSTEM_CLOCK

    number, unit = since[:-1], since[-1:]
    if unit in _UNITS_S and number.isdecimal():
        ago_ns = int(number) * _UNITS_S[unit] * NS_PER_S
        return max(-LARGEST, SYSTEM_CLOCK.stamp().wall_ns - ago_ns)
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as exc:
        raise UsageError(
            f"--since: found '{since}'; write 15m, 2h, 3d or 2026-11-24T08:00"
        ) from exc
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC) if utc else moment.astimezone()
    return min(LARGEST, int(moment.timestamp() * NS_PER_S))
