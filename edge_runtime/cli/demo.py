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
    from edge_runtime.sample_station.media import Belt

PARTS = 64
FPS = 3.0
LOOK_S = 0.25
AT_MOST_S = 85.0


class _Story:
    """What happens on purpose, and when: a part of the belt each."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._steps = [
            (0.30, "the collector is killed", self._collector_away),
            (0.50, "lane 'belt' is killed", self._lane_dies),
            (0.75, "the collector is back", self._collector_back),
        ]
        self.told: list[str] = []

    def advance(self, picture: dict[str, Any]) -> None:
        """Do what is due."""
        belt = next(lane for lane in picture["lanes"] if lane["name"] == "belt")
        done = sum(belt["verdicts"].values()) / PARTS
        while self._steps and done >= self._steps[0][0]:
            _, text, act = self._steps.pop(0)
            act(belt)
            self.told.append(text)

    def _collector_away(self, _: dict[str, Any]) -> None:
        self._station.kill_collector()

    def _lane_dies(self, belt: dict[str, Any]) -> None:
        self._station.kill_lane(belt["pid"])

    def _collector_back(self, _: dict[str, Any]) -> None:
        self._station.start_collector()


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where everything goes.")
@click.option("--json", "as_json", is_flag=True, help="Only the final count, as JSON.")
def demo(folder: Path | None, as_json: bool) -> int:
    """Run an inspection station and a listening station, on media and models of our own.

    First the shipped model is taught the demo's parts with good and bad pictures of other ones.
    Halfway the collector is taken away and brought back, and a lane is killed; at the end the
    collector is asked what it has: nothing lost, nothing twice.
    """
    from edge_runtime.demo import teaching
    from edge_runtime.demo.station import Station
    from edge_runtime.sample_station import media

    folder = Path(tempfile.mkdtemp(prefix="edge-runtime-demo-")) if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "data").exists():
        raise NoInput(f"{folder}: holds an earlier demo; give another --dir, or remove it")
    belt = media.make_belt_video(folder / "belt.avi", parts=PARTS, fps=FPS)
    words = media.make_voice(folder / "voice.wav")
    if not as_json:
        click.echo(f"teaching {teaching.BASE} with {teaching.PICTURES} pictures of such parts …")
    taught = teaching.teach(folder)
    station = Station(folder)
    station.write_config()
    story = _Story(station)
    try:
        station.start_plc()
        station.start_collector()
        station.start_daemon()
        _watch(station, story, quiet=as_json)
        told = _count(station, belt, words)
    finally:
        station.close()
    told["faults"] = story.told
    told["taught"] = {key: taught[key] for key in ("seconds", "auc_before", "auc_after")}
    if as_json:
        click.echo(json.dumps(told))
    else:
        _show(told, folder)
    good = told["lost"] == told["twice"] == 0 and told["complete"] and told["daemon_exit"] == 0
    return int(ExitCode.OK if good else ExitCode.FAILED)


def _watch(station: Station, story: _Story, *, quiet: bool) -> None:
    """Until the daemon ends by itself."""
    from edge_runtime.cli.status import take
    from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK

    never = threading.Event()
    until_ns = SYSTEM_CLOCK.boottime_ns() + int(AT_MOST_S * NS_PER_S)
    with _screen(quiet=quiet) as show:
        while station.daemon_code() is None:
            if SYSTEM_CLOCK.boottime_ns() > until_ns:
                raise EdgeRuntimeError(f"the demo took longer than {AT_MOST_S:.0f} s")
            with contextlib.suppress(NoInput, LedgerError):  # it is still being created
                picture = take(station.data)
                if picture["running"]:
                    story.advance(picture)
                    show(picture, story.told)
            SYSTEM_CLOCK.wait(never, LOOK_S)


@contextlib.contextmanager
def _screen(*, quiet: bool) -> Iterator[Any]:
    """A function that shows the daemon's picture: live on a terminal, in steps elsewhere."""
    from rich.console import Console, Group

    console = Console()
    if quiet:
        yield lambda _picture, _told: None
    elif console.is_terminal:
        from rich.live import Live

        from edge_runtime.cli.status import tables

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


def _count(station: Station, belt: Belt, words: tuple[str, ...]) -> dict[str, Any]:
    """The daemon's word, and the collector's."""
    from edge_runtime.demo.count import arrived, fetch_all
    from edge_runtime.demo.station import DEVICE
    from edge_runtime.ledger.queries import LedgerReader

    summary = station.summary()
    rows, complete = fetch_all(station.url, station.token, DEVICE)
    there = arrived(rows, complete=complete, parts=belt.parts, scratched=belt.scratched)
    bodies = [row["event"]["data"] for row in rows]
    heard = [
        body["verdict"]["label"]
        for body in bodies
        if body["lane"] == "operator" and "verdict" in body
    ]
    with LedgerReader(station.data) as ledger:
        stored = ledger.counts()
    return {
        "inspected": sum(summary["verdicts"]["belt"].values()),
        "rejected": summary["verdicts"]["belt"].get("reject", 0),
        "scratched": len(belt.scratched),
        "gate_pulses": station.pulses(),
        "heard": heard,
        "said": list(words),
        "stored": stored.rows + stored.tombstones,
        "at_collector": len(rows),
        "restarts": sum(summary["restarts"].values()),
        "daemon_exit": summary["exit_code"],
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
        f"inspected  {told['inspected']} parts, {told['rejected']} rejected ({judged})",
        f"           the reject gate pulsed {told['gate_pulses']} times",
        f"heard      {' '.join(told['heard'])}",
        f"           {right} of {len(told['said'])} words in their place",
        f"on purpose {'; '.join(told['faults'])}; lanes restarted {told['restarts']} times",
        f"stored     {told['stored']} entries in the ledger",
        f"synced     {told['at_collector']} at the collector: {told['lost']} lost, {twice}",
        "",
        f"look at    edge-runtime results list --data {folder / 'data'} --verdict reject",
        f"           edge-runtime results open SEQ --data {folder / 'data'}",
        f"           {folder / 'demo.toml'} is the config",
    )
    Console(soft_wrap=True, highlight=False).print("\n".join(lines))
