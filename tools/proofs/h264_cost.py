"""What decoding H.264 costs: OpenCV's reader as it was, and the readers that are used now.

One run, one after the other and again, on the same recording; the least of `--rounds` counts.

    python -m tools.proofs.h264_cost [FILE] --rounds 5
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.capture import opencv
from edge_runtime.capture.opencv_recording import OpenCvFile
from edge_runtime.capture.opencv_stream import OpenCvDecoder
from edge_runtime.capture.pyav import PyAvDecoder, PyAvFile
from edge_runtime.capture.rtsp.units import START
from tests.support.h264 import encoded

if TYPE_CHECKING:
    from edge_runtime.capture.decoders import Decoder
    from edge_runtime.capture.recording import Recording

SIZE = (1280, 720)
PICTURES = 100


def before(path: Path) -> int:
    capture = opencv.open_file(path)
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def recording(reader: Callable[[Path], Recording]) -> Callable[[Path], int]:
    def read(path: Path) -> int:
        file = reader(path)
        count = 0
        while file.grab():
            count += file.retrieve() is not None
        file.close()
        return count

    return read


def stream(decoder: Callable[[str], Decoder], pictures: list[bytes]) -> Callable[[Path], int]:
    def read(_: Path) -> int:
        decodes = decoder("h264")
        count = sum(
            decoded.pixels is not None
            for key, data in enumerate(pictures)
            for decoded in decodes.decode(data, key, lambda: None)
        )
        decodes.close()
        return count

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    drawn = encoded(PICTURES, size=SIZE, key_every=25, options={"preset": "veryfast"})
    pictures = [b"".join(START + nal for nal in nals) for nals in drawn]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.h264"
        path.write_bytes(b"".join(pictures))
        ways = {
            "before: OpenCV's reader": before,
            "recording, OpenCV": recording(OpenCvFile),
            "recording, PyAV": recording(PyAvFile),
            "stream, OpenCV": stream(OpenCvDecoder, pictures),
            "stream, PyAV": stream(PyAvDecoder, pictures),
        }
        best: dict[str, float] = {}
        for _ in range(given.rounds):
            for name, read in ways.items():
                if given.file and name.startswith("stream"):
                    continue
                began = time.perf_counter()
                count = read(given.file or path)
                each_ms = (time.perf_counter() - began) * 1000 / max(1, count)
                best[name] = min(best.get(name, each_ms), each_ms)
    for name, each_ms in best.items():
        print(f"{name:28} {each_ms:6.2f} ms a picture")


if __name__ == "__main__":
    main()
