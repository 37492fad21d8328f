"""Damaged pictures, sounds and streams: none that another program reports is judged.

And no whole one is refused.  Made from the real media; judged by the code that lanes and `infer`
run; held against programs that the product does not use (djpeg -strict, pngcheck, flac -t, ffmpeg)
and the lengths that headers tell.  djpeg, flac and ffmpeg are front ends of the libraries, in
builds of their own, whose kin decode here: that they agree shows that their word is heard, not that
it is right.  pngcheck, the lengths, and a camera's own list of what it lost are independent.  What
changes the picture or the sound and nobody reports is
counted, and not claimed.

    python -m tools.proofs.inputs --files 2000 --streams 200 --whole 500 [--seed N] [--json]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.proofs.inputs_row import Row

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
# Module, of what it takes its number, and its share of it: by how many formats each knows.
PARTS = (
    ("tools.proofs.inputs_pictures", "files", 4 / 6),
    ("tools.proofs.inputs_sounds", "files", 2 / 6),
    ("tools.proofs.inputs_streams", "streams", 1 / 2),
    ("tools.proofs.inputs_rtsp", "streams", 1 / 2),
)
_COLUMNS = ("tried", "refused", "judged_though_reported", "visible_and_silent", "whole_refused")
_HEADS = ("tried", "refused", "judged though reported", "visible, silent", "whole refused")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000, help="damaged pictures and sounds")
    parser.add_argument("--streams", type=int, default=200, help="damaged streams")
    parser.add_argument("--whole", type=int, default=500, help="whole pictures and sounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA, help="where the real media are")
    parser.add_argument("--only", help="one part: pictures, sounds, streams or rtsp")
    parser.add_argument("--json", action="store_true", help="a line a row instead of a table")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for run, count, whole in _parts(given):
            rows += run(count, whole, given.seed, given.data, Path(work), _tell)
    for line in _lines(rows, as_json=given.json):
        print(line)
    return int(not rows or any(is_broken(row) for row in rows))


def is_broken(row: Row) -> bool:
    """Whether this row breaks what is claimed."""
    return bool(row.judged_though_reported or row.whole_refused)


def _parts(given: argparse.Namespace) -> Iterator[tuple[Callable[..., list[Row]], int, int]]:
    """Each part's `run`, how many damaged ones it makes, and how many whole ones."""
    for name, of, share in PARTS:
        if given.only and not name.endswith("_" + given.only):
            continue
        count = getattr(given, of)
        if not count:
            continue
        if importlib.util.find_spec(name) is None:
            _tell(f"{name}: not in this tree, left out")
            continue
        run = importlib.import_module(name).run
        yield run, round(count * share), round(given.whole * share)


def _lines(rows: list[Row], *, as_json: bool) -> Iterator[str]:
    if as_json:
        yield from (json.dumps(asdict(row)) for row in rows)
        return
    width = max((len(row.kind) for row in rows), default=0)
    yield " " * width + "  " + "  ".join(_HEADS)
    for row in rows:
        counts = [
            f"{getattr(row, column):>{len(head)}}"
            for column, head in zip(_COLUMNS, _HEADS, strict=True)
        ]
        yield f"{row.kind:<{width}}  {'  '.join(counts)}"
    sums = [
        f"{sum(getattr(row, column) for row in rows):>{len(head)}}"
        for column, head in zip(_COLUMNS, _HEADS, strict=True)
    ]
    yield f"{'all':<{width}}  {'  '.join(sums)}"


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
