"""What decoding a still picture costs: as it was (OpenCV alone) beside as it is, in one run.

Both decode the same bytes in turn, round after round; the ratio is taken pair by pair, so that what
else the machine does hits both.  One thread, CPU time.

    python -m tools.decode_cost [--data DIR] [--rounds 9] [--each 12] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.files.image import decode_image

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one kind of picture."""

    kind: str
    pictures: int
    before_ms: float
    after_ms: float
    ratio: float
    """The median of the pairs: below 1 it became cheaper."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="where the real media are")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--each", type=int, default=12, help="pictures of each kind")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for kind, pictures in _kinds(given.data, given.each).items():
        cost = measure(kind, pictures, given.rounds)
        if given.json:
            print(json.dumps(asdict(cost)))
        else:
            print(
                f"{cost.kind:<34} {cost.pictures:>3} pictures  before {cost.before_ms:7.3f} ms  "
                f"after {cost.after_ms:7.3f} ms  ratio {cost.ratio:.2f}",
                flush=True,
            )
    return 0


def measure(kind: str, pictures: list[bytes], rounds: int) -> Cost:
    """Both ways over `pictures`, in turn."""
    ratios, before, after = [], [], []
    for number in range(rounds):
        for data in pictures:
            ways: list[Callable[[bytes], object]] = [_before, _after]
            took = {}
            for way in ways if number % 2 else reversed(ways):
                began = time.thread_time_ns()
                way(data)
                took[way] = max(1, time.thread_time_ns() - began)
            before.append(took[_before])
            after.append(took[_after])
            ratios.append(took[_after] / took[_before])
    return Cost(
        kind,
        len(pictures),
        round(statistics.median(before) / 1e6, 4),
        round(statistics.median(after) / 1e6, 4),
        round(statistics.median(ratios), 3),
    )


def _before(data: bytes) -> object:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def _after(data: bytes) -> object:
    return decode_image(data, "measured")


def _kinds(data: Path, each: int) -> dict[str, list[bytes]]:
    rng = random.Random(1)

    def some(paths: list[Path]) -> list[bytes]:
        return [path.read_bytes() for path in rng.sample(paths, min(each, len(paths)))]

    screws = sorted((data / "ballscrew_BSData_CC-BY-SA").rglob("*.jpg"))
    papers = sorted((data / "surface_PIPED_CC-BY").rglob("*.jpg"))
    phones = some(sorted((data / "phone_screen_MSD_GPL3" / "images").glob("*.jpg")))
    shown = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in phones]
    small = [
        cv2.resize(np.asarray(one), (1280, 720), interpolation=cv2.INTER_AREA) for one in shown
    ]
    return {
        "JPEG 4:2:0, ball screws": some(screws),
        "JPEG 4:4:4, papers 128x128": some(papers),
        "JPEG 4:2:0, phones 1920x1080": [_jpeg(one) for one in shown],
        "JPEG 4:2:0, phones 1280x720": [_jpeg(one) for one in small],
        "JPEG 4:2:2, phones 1280x720": [
            _jpeg(one, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x211111) for one in small
        ],
        "JPEG progressive, phones 1280x720": [
            _jpeg(one, cv2.IMWRITE_JPEG_PROGRESSIVE, 1) for one in small
        ],
        "PNG, phones 1920x1080": phones,
        "BMP, phones 1280x720": [cv2.imencode(".bmp", one)[1].tobytes() for one in small],
    }


def _jpeg(pixels: object, *flags: int) -> bytes:
    done, data = cv2.imencode(".jpg", np.asarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, 90, *flags])
    assert done
    return bytes(data.tobytes())


if __name__ == "__main__":
    sys.exit(main())
