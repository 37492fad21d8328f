"""A station that fails safe: parts on a simulated line, while everything fails again and again.

The line (see `failsafe_line`): numbered parts, good and bad ones, an HTTP camera, a PLC that
triggers and opens the gate by its documented rungs, the wire between them, the real daemon with a
triggered lane, its field process, its ledger on a small disk of its own, a collector.
Each component is killed, stopped, stalled or damaged; the next fault waits until the station is
well again.  What is counted: parts that passed the gate and were bad or judged by nobody (none
may), parts that nobody tells of (none may), and how long it took until the line was safe.

    python -m tools.proofs.failsafe --parts 5000 --each 25 [--seed N] [--json] [--only COMPONENT]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.sample_station.line import is_bad
from tools.proofs.failsafe_account import Account, Row, Told, account
from tools.proofs.failsafe_bench import Bench, temporary_folder
from tools.proofs.failsafe_faults import Injected, inject, schedule
from tools.proofs.failsafe_line import Line

RECOVER_S = 40.0
START_S = 60.0
ACTED = ("lane_crash", "store_full")
GAPS = ("restart_gap", "capture_gap", "bad_item")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=5000, help="at least so many")
    parser.add_argument("--each", type=int, default=25, help="injections of each component")
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--only", action="append", help="only faults whose name begins so")
    parser.add_argument("--without", action="append", help="no faults whose name begins so")
    parser.add_argument("--every-ms", type=int, default=300, help="from part to part")
    parser.add_argument("--slack-ms", type=int, default=300, help="allowed on a busy box")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or temporary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    line = Line(every_ms=options.every_ms, seed=options.seed % 10_000)
    begin = time.monotonic()
    found, notes = run(folder, line, options)
    notes |= {"seed": options.seed, "minutes": round((time.monotonic() - begin) / 60, 1)}
    if options.json:
        print(json.dumps({**asdict(found), **notes, "ok": found.is_well}))
    else:
        show(found, notes)
    if not found.is_well:
        raise SystemExit(f"failsafe: FAILED (everything is in {folder})")
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print("failsafe: ok", file=sys.stderr)


def run(folder: Path, line: Line, options: argparse.Namespace) -> tuple[Account, dict[str, Any]]:
    """The whole run."""
    rng = random.Random(options.seed)
    bench = Bench(folder, line)
    injected: list[Injected] = []
    code = -1
    try:
        if not bench.wait_well(START_S):
            raise SystemExit(f"failsafe: the station does not start; see {bench.log}")
        wanted = schedule(options.each, rng, has_disk=bench.disk is not None)
        left_out = options.without or ()
        wanted = [f for f in wanted if not any(f.name.startswith(each) for each in left_out)]
        if options.only:
            wanted = [f for f in wanted if any(f.name.startswith(each) for each in options.only)]
        for number, fault in enumerate(wanted, 1):
            time.sleep(rng.uniform(0.3, 1.0))
            injected.append(inject(bench, fault, rng, RECOVER_S))
            _tell(number, len(wanted), injected[-1], bench)
        while len(bench.plc.written.parts) < options.parts:
            time.sleep(0.5)
            bench.revive()
        time.sleep(line.way_s + 1.0)  # the last parts reach the gate
        bench.end_down()
    finally:
        end_ns = SYSTEM_CLOCK.boottime_ns()
        code = bench.close()
        try:
            told = _told(bench)
        finally:
            bench.unmount()
    written = bench.plc.written
    written.dead = [(since, until) for since, until in written.dead if since < end_ns]
    written.parts = {
        number: at_ns for number, at_ns in written.parts.items() if at_ns + line.way_ns < end_ns
    }
    written.writes = sorted(write for write in written.writes if write[0] < end_ns)
    (folder / "line.json").write_text(
        json.dumps(
            {
                "writes": written.writes,
                "parts": written.parts,
                "injected": [[one.fault.name, one.at_ns, one.until_ns] for one in injected],
                "down": told.down,
                "rows": dict(told.verdicts),
            }
        )
    )
    found = account(
        written,
        line,
        bench.begin_ns,
        injected,
        told,
        lambda number: is_bad(line.seed, number, line.bad_share),
        options.slack_ms / 1000,
    )
    notes = {
        "exit_code": code,
        "disk": bench.disk is not None,
        "nameless_rows": bench.witness.nameless,
        "rss_mib": bench.witness.rss_mib,
    }
    return found, notes


def _told(bench: Bench) -> Told:
    witness = bench.witness
    counts = {
        reason: sum(
            tombstone.count or 0
            for tombstone in witness.tombstones.values()
            if tombstone.reason in reason
        )
        for reason in (ACTED, GAPS)
    }
    return Told(
        verdicts={
            number: [row.verdict.kind.value for row in rows]
            for number, rows in witness.rows.items()
        },
        acted_unstored=counts[ACTED],
        gaps=counts[GAPS],
        missed=witness.missed + witness.nameless,
        down=bench.down,
    )


def _tell(number: int, count: int, done: Injected, bench: Bench) -> None:
    if not (sys.stderr.isatty() or number % 10 == 0 or not done.until_ns):
        return
    took = (done.until_ns - done.at_ns) / 1e9
    state = f"well after {took:.1f} s" if done.until_ns else "NOT WELL"
    parts = len(bench.plc.written.parts)
    print(
        f"  {number}/{count} {done.fault.name}: {state}, part {parts}", file=sys.stderr, flush=True
    )


def show(found: Account, notes: dict[str, Any]) -> None:
    """For people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fault")
    for head in ("N", "bad passed", "unjudged passed", "no row", "safe p50", "max", "promised",
                 "late", "not well"):  # fmt: skip
        table.add_column(head, justify="right")
    for row in sorted(found.faults.values(), key=lambda row: row.name):
        table.add_row(row.name, *_cells(row))
    console = Console(width=120)
    console.print(table)
    console.print(
        f"{found.parts} parts ({found.bad} bad), {found.passed} passed the gate, "
        f"{found.wrong_bad} bad and {found.wrong_unjudged} unjudged among them; "
        f"{found.good_rejected} good ones were kept back; a gate that opens as soon as it is let "
        f"go of, not a way later, would have passed {found.bad_without_off_delay} bad ones"
    )
    console.print(
        f"{found.rows} have a row ({found.twice} more than one), {found.told_lost} are counted as "
        f"acted upon and not stored, {found.told_missed} as missed or left out, "
        f"{found.while_down} came while the station was down, {found.unaccounted} are unaccounted"
    )
    console.print(" ".join(f"{key}={value}" for key, value in notes.items()))


def _cells(row: Row) -> list[str]:
    def time_of(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f} s"

    return [
        *(str(value) for value in (row.n, row.wrong_bad, row.wrong_unjudged, row.without_row)),
        time_of(row.p50_s),
        time_of(row.max_s),
        time_of(row.limit_s),
        str(row.late),
        str(row.not_well),
    ]


if __name__ == "__main__":
    main()
