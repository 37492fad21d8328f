"""The whole lane of this tree beside that of an older revision: rounds in turn, in one run.

``python -m tools.compare_revisions --old REV``.  Both run ``edge-runtime bench`` from their own
source tree (a git worktree of REV) with the same interpreter and packages; ratios are new over old.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]
Figure = Callable[[dict[str, Any]], float]
FIGURES: tuple[tuple[str, Figure], ...] = (
    ("throughput over the bare model", lambda told: told["lane_over_bare"]),
    ("CPU a frame over its stages", lambda told: told["cpu_over_stages"]),
    ("CPU ms a frame", lambda told: told["cpu_ms_per_frame"]),
    ("live 30 fps: p50 over service", lambda told: told["live_30"]["p50_over_service"]),
    ("live 30 fps: p99 ms", lambda told: told["live_30"]["p99_ms"]),
    ("overload: p50 over service", lambda told: told["overload"]["p50_over_service"]),
    ("overload: parts a second", lambda told: told["overload"]["served_hz"]),
    ("lane MiB", lambda told: told["rss_mib"]["lane"]),
    ("status s", lambda told: told["status_s"]),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", default="HEAD~1", help="the revision to compare with")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--live-s", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        git("worktree", "add", "--detach", str(old), chosen.old)
        try:
            told = compare(old, chosen)
        finally:
            git("worktree", "remove", "--force", str(old))
    if chosen.as_json:
        print(json.dumps(told))
    else:
        show(told, chosen.old)
    return 0


def compare(old: Path, chosen: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Old, new, old, new ... so that a slow minute hits both."""
    told: dict[str, list[dict[str, Any]]] = {"old": [], "new": []}
    for _ in track(range(chosen.rounds), "rounds", console=Console(stderr=True)):
        for name, tree in (("old", old), ("new", HERE)):
            told[name].append(bench(tree, chosen))
    return told


def bench(tree: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "edge_runtime", "bench", "--json", "--rounds", "1",
         "--frames", str(chosen.frames), "--live-s", str(chosen.live_s)],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(told: dict[str, list[dict[str, Any]]], revision: str) -> None:
    table = Table(title=f"this tree beside {revision}, {len(told['new'])} rounds in turn")
    for column in (
        "figure",
        "old, median",
        "new, median",
        "new / old by round: median",
        "min",
        "max",
    ):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, figure in FIGURES:
        old, new = [figure(one) for one in told["old"]], [figure(one) for one in told["new"]]
        ratios = [n / o for n, o in zip(new, old, strict=True)]
        table.add_row(
            name, f"{statistics.median(old):.3f}", f"{statistics.median(new):.3f}",
            f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f}", f"{max(ratios):.3f}",
        )  # fmt: skip
    Console().print(table)


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=HERE, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
