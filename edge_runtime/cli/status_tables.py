"""The picture of the station for a terminal of 100 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

LEAST_COLUMNS = 100
"""A pipe has no width; what is narrower than this wraps."""
_SHOWN_WAL_BYTES = 8 << 20
"""A log is at most half of it where nobody keeps it from being moved."""
_COLOURS = {
    **dict.fromkeys(("running", "connected", "ok", "pass", "heard"), "green"),
    **dict.fromkeys(("done", "draining"), "cyan"),
    **dict.fromkeys(("degraded", "review", "starting", "offline", "warning"), "yellow"),
    **dict.fromkeys(("reject", "no_read", "refused", "waiting", "away", "held", "unknown"), "red"),
    **dict.fromkeys(("bypassed", "full", "failed", "auth_failed", "stranger", "fault"), "bold red"),
    "note": "dim",
}


def console() -> Console:
    """Where it goes."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=max(LEAST_COLUMNS, plain.width))


def tables(picture: dict[str, Any]) -> list[Table | str]:
    """From top to bottom: lanes, outputs, stores, and what is wrong."""
    head = f"[bold]edge-runtime[/] {picture.get('version', '')}  {escape(picture['device'])}  "
    if not picture["running"]:
        word = "does not answer" if picture["silent"] else "not running"
        return [f"{head}[red]{word}[/]", _ledger(picture["ledger"]), *_findings(picture)]
    head += f"up {span(picture['uptime_s'])}  {picture['supervisor']['rss_mib']} MiB"
    told: list[Table | str] = [head, _lanes(picture), *_looks(picture["lanes"])]
    if picture["outputs"]:
        told += _outputs(picture["outputs"])
    told.append(_ledger(picture["ledger"]))
    if picture["sync"] is not None:
        told.append(_sync(picture["sync"]))
    if picture["targets"]:
        told.append("targets " + ", ".join(f"{k} {v:g}" for k, v in picture["targets"].items()))
    return [*told, *_findings(picture)]


def _lanes(picture: dict[str, Any]) -> Table:
    columns = ("lane", "state", "rate", "p50/p99 ms", "infer", "left out", "verdicts", "last")
    table = _table(*columns)
    for lane in picture["lanes"]:
        table.add_row(
            lane["name"],
            coloured(lane["state"])
            + (f"\n[dim]{n} restarts[/]" if (n := lane["restarts"]) else ""),
            f"{lane['rate_hz']:.1f}/s",
            f"{_number(lane['latency_p50_ms'])}/{_number(lane['latency_p99_ms'])}",
            _number(lane["infer_p50_ms"]),
            str(lane["dropped"] + lane["skipped"] + lane["gaps"]),
            "\n".join(f"{n} {coloured(kind)}" for kind, n in sorted(lane["verdicts"].items())),
            _last(lane["last"]),
        )
    return table


def _looks(lanes: list[dict[str, Any]]) -> list[Table | str]:
    """A line a lane: where it looks, with which model, and how old what it sees is."""
    lines: list[Table | str] = []
    for lane in lanes:
        parts = [lane["source"] or ", ".join(lane["views"].values())]
        parts += [f"{m['id']} {(m['sha256'] or '')[:8]}".strip() for m in lane["models"]]
        if lane["picture_age_s"] is not None:
            parts.append(f"last picture {span(lane['picture_age_s'])} ago")
        if lane["level_dbfs"] is not None:
            parts.append(f"{lane['level_dbfs']:.0f} dBFS")
        parts += _microphone(lane)
        if lane["bad_items"]:  # each a no_read; how many says whether the camera lies now and then
            parts.append(f"{lane['bad_items']} bad items")
        if lane["rss_mib"]:
            parts.append(f"{lane['rss_mib']:.0f} MiB")
        lines.append(f"[dim]{lane['name']}: {escape('  '.join(parts))}[/]")
    return lines


def _microphone(lane: dict[str, Any]) -> list[str]:
    """What is known of a microphone."""
    parts = []
    if lane.get("offset_percent") is not None:
        parts.append(f"offset {lane['offset_percent']:.1f} %")
    if lane.get("device") is not None:
        parts.append(f"from {lane['device']}")
    if lane.get("why_silent"):
        parts.append(lane["why_silent"])
    return parts


def _outputs(outputs: list[dict[str, Any]]) -> list[Table | str]:
    """The table, and a line for each that has a reason: a column of its own would be a thin one."""
    table = _table("output", "state", "address", "last ack", "acked", "unacked", "merged")
    for output in outputs:
        age_s = output["last_ack_age_s"]
        table.add_row(
            output["name"],
            coloured(output["state"]),
            escape(output["address"] or "-"),
            "never" if age_s is None else span(age_s),
            str(output["acknowledged"]),
            f"{output['unacknowledged']} ({output['unacknowledged_running']})",
            str(output["merged"]),
        )
    whys = [(output["name"], _why(output)) for output in outputs]
    return [table, *(f"[dim]{name}: {escape(why)}[/]" for name, why in whys if why)]


def _why(output: dict[str, Any]) -> str:
    told = "; ".join(output["held_by"]) or output["detail"]
    left_s = output["bypass_left_s"]
    return told if left_s is None else f"{span(left_s)} more: {told}"


def _ledger(ledger: dict[str, Any]) -> str:
    text = (
        f"ledger  {coloured(ledger['state'])}  {ledger['rows']} results, "
        f"{ledger['tombstones']} tombstones, {ledger['backlog_rows']} not synced"
    )
    if ledger.get("days_left") is not None:
        text += f", {ledger['days_left']:.0f} days left"
    if "free_mib" in ledger:
        text += f", {ledger['free_mib']} MiB free"
    counted = [
        f"{ledger[key]} {word}"
        for key, word in (
            ("times_full", "times full"),
            ("waiting", "rows wait"),
            ("refused", "refused"),
            ("media_evicted", "media evicted"),
            ("rows_expired", "rows expired"),
        )
        if ledger.get(key)
    ]
    if (log := ledger.get("wal_bytes", 0)) > _SHOWN_WAL_BYTES:
        counted.append(f"log of {log >> 20} MiB")
    return text + (f"\n        {', '.join(counted)}" if counted else "")


def _sync(sync: dict[str, Any]) -> str:
    text = (
        f"sync    {coloured(sync['state'])}  {sync['backlog_rows']} results and "
        f"{sync['backlog_media']} media behind"
    )
    if sync["backlog_age_s"] is not None:
        text += f", oldest {span(sync['backlog_age_s'])}"
    return text + (f"  [dim]{escape(sync['detail'])}[/]" if sync["detail"] else "")


def _findings(picture: dict[str, Any]) -> list[Table | str]:
    found = picture["findings"]
    if not found:
        return ["[green]all is well[/]"]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # a reason is told to its end, however long its one word is
    for each in found:
        told = f"{each['where']}: {each['text']}"
        table.add_row(coloured(each["severity"]), each["code"], escape(told))
    told_codes = " ".join(dict.fromkeys(each["code"] for each in found))
    well = ["[green]all is well[/]"] if picture["ok"] else []
    return [*well, table, f"[dim]-> edge-runtime explain {told_codes}[/]"]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _last(last: dict[str, Any] | None) -> str:
    if last is None:
        return "-"
    if last["verdict"] == "pass":
        return coloured("pass")  # the likeliest of what was not found is no finding
    score = "" if last["score"] is None else f" {last['score']:.2f}"
    return f"{coloured(last['verdict'])} {escape(last['label'] or '')}{score}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def coloured(word: str) -> str:
    """A state in its colour."""
    colour = _COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else escape(word)


def span(seconds: float) -> str:
    """A time for people."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _restarts(number: int) -> str:
    return f"\n[dim]{number} restarts[/]" if number else ""
