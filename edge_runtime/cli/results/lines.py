"""Entries of the ledger for people: lines in columns, coloured by verdict, and whole pages."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.clock import NS_PER_S
from edge_runtime.files.naming import printable
from edge_runtime.types import Addition, Event, Result, Tombstone, VerdictKind

if TYPE_CHECKING:
    from edge_runtime.ledger.rows import Entry
    from edge_runtime.ledger.times import Times
    from edge_runtime.types import Stamp, Verdict

_COLOURS = {
    "pass": "green",
    "heard": "green",
    "review": "yellow",
    "no_speech": "bright_black",
    "reject": "red",
    "no_read": "magenta",
    "tombstone": "yellow",
}
_STAMPS = ("captured", "first", "last", "at")
_LEAST_TEXT = 8


@dataclass(frozen=True, slots=True)
class Look:
    """How entries are shown.  Pure but for `here`."""

    utc: bool = False
    """Times in UTC, else in the box's time zone."""
    colour: bool = False
    width: int | None = None
    """Lines are cut to so many columns; None: as long as they are."""

    @classmethod
    def here(cls, *, utc: bool) -> Look:
        """As stdout is: a terminal has a width and, unless NO_COLOR is set, colours."""
        if not sys.stdout.isatty():
            return cls(utc=utc)
        colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(utc=utc, colour=colour, width=shutil.get_terminal_size().columns)

    def header(self) -> str:
        """The columns' names."""
        zone = "UTC" if self.utc else datetime.now().astimezone().tzname() or "local"  # noqa: TID251 - only its zone
        line = _columns("seq", f"time ({zone})", "lane", "verdict", "label", "score", "about")
        return click.style(line, dim=True) if self.colour else line

    def line(self, entry: Entry, times: Times | None = None) -> str:
        """One entry; with `times`, by the clock as it is known now."""
        body = entry.body
        match body:
            case Result():
                told, where = _verdict(body.verdict), body.lane
                word, about = body.verdict.kind.value, _about(body)
            case Tombstone():
                count = "" if body.count is None else f" {body.count}"
                word, where = "tombstone", body.lane
                first = body.first if times is None else times.of(body.first).wall_ns
                lasted = self.lasted(body.first, body.last, first)
                told = f"tombstone {body.reason.value}{count} "
                about = "; ".join(text for text in (lasted, body.detail) if text)
            case Addition():
                word, where = "", body.lane
                told, about = f"{body.kind.value} of {body.about} ", _added(body)
            case Event():
                word, where = "", body.lane or body.output or "-"
                told, about = f"{body.code}", body.text
        stamp = stamp_of(entry)
        moment = None if times is None else times.of(stamp)
        at = self.time(stamp if moment is None else moment.wall_ns)
        if moment is not None and not moment.is_trusted:
            told = f"{told} (time not trusted)"
        head = f"{entry.seq:>7} {at:<24} {where:<10} "
        line = self._cut(head, printable(told), printable(about))
        if self.colour and word in _COLOURS:
            begin, end = len(head), len(head) + len(word)
            line = line[:begin] + click.style(line[begin:end], fg=_COLOURS[word]) + line[end:]
        return line

    def time(self, at: Stamp | int) -> str:
        """To the millisecond; ``Z`` at its end where it is UTC."""
        wall_ns = at if isinstance(at, int) else at.wall_ns
        moment = datetime.fromtimestamp(wall_ns / 1e9, UTC)
        if not self.utc:
            moment = moment.astimezone()
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + ("Z" if self.utc else "")

    def lasted(self, first: Stamp, last: Stamp, shown: Stamp | int | None = None) -> str:
        """``from … for 12.3 s``; empty for a moment.  `shown`: `first` as it is known by now."""
        is_one_boot = first.boot_id == last.boot_id
        begin_ns, end_ns = (
            (first.boottime_ns, last.boottime_ns) if is_one_boot else (first.wall_ns, last.wall_ns)
        )
        if end_ns <= begin_ns:
            return ""
        began = self.time(first if shown is None else shown)
        return f"from {began} for {(end_ns - begin_ns) / NS_PER_S:.1f} s"

    def page(self, told: dict[str, Any]) -> str:
        """Everything about one entry, a line a fact; what is not known is left out."""
        facts = {key: value for key, value in told.items() if value not in (None, [], {})}
        if isinstance(verdict := facts.get("verdict"), dict) and verdict.get("kind") == "pass":
            # No finding: what came nearest to one, and is told as that.
            name = "best" if verdict.get("threshold") is None else "nearest"
            facts["verdict"] = {{"label": name}.get(k, k): v for k, v in verdict.items()}
        wide = max(map(len, facts), default=0)
        lines = []
        for key, value in facts.items():
            items = value if isinstance(value, list) else [value]
            lines += [f"{key:<{wide}}  {self._fact(key, item)}" for item in items]
        return "\n".join(lines)

    def _fact(self, key: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
        if key in _STAMPS and isinstance(value, dict):
            return f"{self.time(value['wall_ns'])} (boot {value['boot_id'][:8]})"
        if isinstance(value, dict):
            return ", ".join(
                f"{name} {self._nested(name, fact)}"
                for name, fact in value.items()
                if fact not in (None, [], {}, ())
            )
        return _plain(value)

    def _nested(self, key: str, value: Any) -> str:  # noqa: ANN401
        if isinstance(value, dict):
            return f"({self._fact(key, value)})"
        if isinstance(value, list | tuple) and any(isinstance(x, dict) for x in value):
            return " ".join(f"({self._fact(key, item)})" for item in value)
        return _plain(value)

    def _cut(self, head: str, told: str, about: str) -> str:
        line = f"{head}{told} {about}".rstrip()
        if self.width is None or len(line) <= self.width:
            return line
        least = len(head) + len(told) + _LEAST_TEXT
        return line[: max(self.width, least) - 1] + "…"


def _columns(*names: str) -> str:
    seq, at, lane, verdict, label, score, about = names
    return f"{seq:>7} {at:<24} {lane:<10} {verdict:<9} {label:<10} {score:<5} {about}"


def _verdict(verdict: Verdict) -> str:
    """Without the label of a pass: the likeliest of what was not found is no finding."""
    passed = verdict.kind is VerdictKind.PASS
    label = "-" if passed else verdict.label or "-"
    score = "" if passed or verdict.score is None else f"{verdict.score:.3f}"
    return f"{verdict.kind.value:<9} {label:<10} {score:<5}"


def _about(result: Result) -> str:
    return result.text or result.verdict.reason or result.part or result.item or ""


def _added(addition: Addition) -> str:
    if addition.actuation is not None:
        done = addition.actuation
        return f"{done.output} {done.action} {'' if done.acknowledged else 'not '}acknowledged"
    if addition.finding is not None:
        return addition.finding.key
    return ", ".join(media.kind for media in addition.media)


def _plain(value: Any) -> str:  # noqa: ANN401
    """A value without brackets: ``0.1 0.2 0.3``, of several such ``0.1 0.2; 0.3 0.4``."""
    if isinstance(value, list | tuple):
        apart = "; " if any(isinstance(x, list | tuple) for x in value) else " "
        return apart.join(_plain(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else printable(str(value))


def stamp_of(entry: Entry) -> Stamp:
    """The time by which an entry is listed."""
    body = entry.body
    match body:
        case Result():
            return body.captured
        case Tombstone():
            return body.last
        case _:
            return body.at


def one_line(entry: Entry, times: Times | None = None) -> str:
    """An entry in a line without colour, its time in UTC."""
    return Look(utc=True).line(entry, times)
