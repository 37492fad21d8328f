"""``edge-runtime demo``: both stories in a minute, with faults on purpose."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.errors import EdgeRuntimeError, ExitCode, LedgerError, NoInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.demo.station import Station
    from edge_runtime.demo.story import Story

LOOK_S = 0.25
AT_MOST_S = 85.0
SYNCED_WITHIN_S = 8.0


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, readable=False),
    help="Where everything goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Only the final count, as JSON.")
def demo(folder: Path | None, as_json: bool) -> int:
    """Run an inspection station and a listening station, on media and models of our own.

    First the shipped model is taught the demo's parts with good and bad pictures of other ones; the
    untaught one runs beside it as its shadow.  A light barrier triggers each part, a simulated PLC
    ejects the bad ones.  The collector is taken away and brought back, and the camera's lane is
    killed while the gate ejects: the PLC's record tells what that did to the line.
    """
    from edge_runtime.demo import teaching
    from edge_runtime.demo.station import Station
    from edge_runtime.demo.story import Line, Story
    from edge_runtime.sample_station import media

    folder = Path(tempfile.mkdtemp(prefix="edge-runtime-demo-")) if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "data").exists():
        raise NoInput(f"{folder}: holds an earlier demo; give another --dir, or remove it")
    words = media.make_voice(folder / "voice.wav")
    if not as_json:
        click.echo(f"teaching {teaching.BASE} with {teaching.PICTURES} pictures of such parts …")
    taught = teaching.teach(folder)
    station, line = Station(folder), Line()
    story = Story(station, line)
    try:
        station.write_config(line.url)
        station.start_plc()
        station.start_collector()
        station.start_daemon()
        _watch(station, story, quiet=as_json)
        code = station.stop_daemon()
        told = _count(station, story, words)
    finally:
        line.close()
        station.close()
    told["daemon_exit"] = code
    told["taught"] = {key: taught[key] for key in ("seconds", "auc_before", "auc_after")}
    if as_json:
        click.echo(json.dumps(told))
    else:
        _show(told, folder)
    good = told["lost"] == told["twice"] == told["bad_passed"] == 0
    return int(ExitCode.OK if good and told["complete"] and code == 0 else ExitCode.FAILED)


def _watch(station: Station, story: Story, *, quiet: bool) -> None:
    """Until the last part has passed the gate and the collector has what there is."""
    from edge_runtime.cli.status import take
    from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK

    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(AT_MOST_S * NS_PER_S)
    synced_by_ns = None
    with _screen(quiet=quiet) as show:
        while station.daemon_code() is None:
            now_ns = SYSTEM_CLOCK.boottime_ns()
            if now_ns > until_ns:
                raise EdgeRuntimeError(f"the demo took longer than {AT_MOST_S:.0f} s")
            with contextlib.suppress(NoInput, LedgerError):  # it is still being created
                picture = take(station.data)
                if picture["running"]:
                    story.advance(picture)
                    show(picture, story.told)
                if story.line.has_ended():
                    synced_by_ns = synced_by_ns or now_ns + int(SYNCED_WITHIN_S * NS_PER_S)
                    if picture["sync"]["backlog_rows"] == 0 or now_ns > synced_by_ns:
                        return
            SYSTEM_CLOCK.wait(never, LOOK_S)
    raise EdgeRuntimeError(f"the daemon ended by itself; see {station.folder / 'daemon.log'}")


@contextlib.contextmanager
def _screen(*, quiet: bool) -> Iterator[Any]:
    """A function that shows the daemon's picture: live on a terminal, in steps elsewhere."""
    from rich.console import Console, Group

    console = Console()
    if quiet:
        yield lambda _picture, _told: None
    elif console.is_terminal:
        from rich.live import Live

        from edge_runtime.cli.status_tables import tables

        with Live(console=console, refresh_per_second=8) as live:
            yield lambda picture, told: live.update(Group(*tables(picture), *_events(told)))
    else:
        yield _Steps(console)


class _Steps:
    """For a log: a line when something changed, at most one for every eighth part."""

    def __init__(self, console: Any) -> None:  # noqa: ANN401 - rich
        self._console = console
        self._told = 0
        self._shown = -1

    def __call__(self, picture: dict[str, Any], told: list[str]) -> None:
        for text in told[self._told :]:
            self._console.print(f"  ! {text}")
        self._told = len(told)
        stored = picture["ledger"]["rows"]
        if stored // 8 != self._shown // 8:
            self._shown = stored
            lanes = "; ".join(
                f"{lane['name']} {lane['state']} {sum(lane['verdicts'].values())}"
                for lane in picture["lanes"]
            )
            behind = picture["sync"]["backlog_rows"]
            self._console.print(f"  {lanes}; {stored} stored, {behind} not yet synced")


def _events(told: list[str]) -> list[str]:
    return [f"[yellow]! {text}[/]" for text in told]


def _count(station: Station, story: Story, words: tuple[str, ...]) -> dict[str, Any]:
    """The daemon's word, the PLC's, and the collector's."""
    from edge_runtime.demo.count import arrived, fetch_all
    from edge_runtime.demo.station import DEVICE
    from edge_runtime.ledger.queries import LedgerReader

    summary = station.summary()
    with LedgerReader(station.data) as ledger:
        counts = ledger.counts()
    stored = counts.rows + counts.tombstones + counts.additions + counts.events
    rows, complete = fetch_all(station.url, station.token, DEVICE)
    bad, record = story.line.bad(), station.record()
    there = arrived(rows, complete=complete, stored=stored, bad=bad)
    bodies = [row["event"]["data"] for row in rows]
    heard = [
        body["verdict"]["label"]
        for body in bodies
        if body["lane"] == "operator" and "verdict" in body
    ]
    passed = [part for part in bad if record.passes(story.line.at_gate_ns(part))]
    not_good = {part for part in bad if bad[part]} | set(there.unjudged)
    return {
        "parts": len(bad),
        "scratched": sum(bad.values()),
        "rejected": summary["verdicts"]["belt"].get("reject", 0),
        "gate_pulses": len(record.pulses),
        "passed": len(passed),
        "bad_passed": len(not_good.intersection(passed)),
        "killed": None if story.killed_ns is None else asdict(record.about_kill(story.killed_ns)),
        "heard": heard,
        "said": list(words),
        "stored": stored,
        "results": counts.rows,
        "later": counts.additions,
        "at_collector": len(rows),
        "restarts": sum(summary["restarts"].values()),
        "faults": story.told,
        **asdict(there),
    }


def _show(told: dict[str, Any], folder: Path) -> None:
    from rich.console import Console

    from edge_runtime.demo import teaching

    proof = "complete" if told["complete"] else "NOT complete"
    twice = f"{told['twice']} twice, the sequence is {proof}"
    right = sum(word == said for word, said in zip(told["heard"], told["said"], strict=False))
    judged = f"{told['scratched']} were scratched, {told['wrong']} judged wrong"
    taught = told["taught"]
    lines = (
        f"taught     {teaching.PICTURES} pictures of other parts, in {taught['seconds']:.0f} s",
        f"triggered  {told['parts']} parts, {told['rejected']} rejected ({judged})",
        (
            f"the gate   ejected {told['gate_pulses']} times; {told['passed']} parts passed it, "
            f"{told['bad_passed']} of them bad or unjudged"
        ),
        *_about_kill(told),
        f"heard      {' '.join(told['heard'])}",
        f"           {right} of {len(told['said'])} words in their place",
        f"on purpose {'; '.join(told['faults'])}; lanes restarted {told['restarts']} times",
        (
            f"stored     {told['stored']} entries in the ledger: {told['results']} results, "
            f"{told['later']} of what came later about them"
        ),
        f"synced     {told['at_collector']} at the collector: {told['lost']} lost, {twice}",
        "",
        f"look at    edge-runtime results list --data {folder / 'data'} --verdict reject",
        f"           edge-runtime results show SEQ --why --data {folder / 'data'}",
        f"           {folder / 'plc.out'} is the PLC's record, {folder / 'demo.toml'} the config",
    )
    Console(soft_wrap=True, highlight=False).print("\n".join(lines))


def _about_kill(told: dict[str, Any]) -> list[str]:
    """What the PLC saw of the lane that was killed."""
    killed = told["killed"]
    if killed is None:
        return []
    unjudged = len(told["unjudged"])
    return [
        (
            "the kill   by the PLC's record: the pulse under way lasted "
            f"{_ms(killed['pulse_ms'])}, the safe coil was on after {_ms(killed['safe_after_ms'])}"
        ),
        f"           and for {_ms(killed['held_ms'])}; {unjudged} parts came by without a verdict",
    ]


def _ms(number: float | None) -> str:
    return "(never)" if number is None else f"{number:.0f} ms"
