"""One model over files, exactly as a lane would run it: what ``edge-runtime infer`` prints."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import image_file, sound_file
from edge_runtime.errors import ItemError, NoInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge_runtime.inference.runner import LoadedModel, ModelRunner
    from edge_runtime.types import Inference

VIDEOS = frozenset({".mp4", ".avi", ".mkv", ".mov", ".gif", ".webm", ".m4v"})
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said of one file, or of one frame of a video; or why it could not."""

    file: str
    inference: Inference | None
    latency_ms: float
    frame: int | None = None
    error: str = ""

    def as_json(self, *, detail: bool = False) -> dict[str, Any]:
        """One JSON line."""
        told: dict[str, Any] = {"file": self.file}
        if self.frame is not None:
            told["frame"] = self.frame
        if self.inference is None:
            return {**told, "error": self.error}
        best = self.inference.scores[0]
        told |= {
            "label": best.label,
            "score": round(best.score, _DIGITS),
            "scores": {s.label: round(s.score, _DIGITS) for s in self.inference.scores},
            "regions": [
                {
                    "label": region.label,
                    "score": round(region.score, _DIGITS),
                    "box": [region.x0, region.y0, region.x1, region.y1],
                }
                for region in self.inference.regions
            ],
            "text": self.inference.text,
            "latency_ms": round(self.latency_ms, 3),
        }
        if detail:
            told["tiles"] = [[*tile[:4], round(tile[4], _DIGITS)] for tile in self.inference.tiles]
        return told


def infer_paths(model: LoadedModel, paths: Iterable[Path]) -> Iterator[Answer]:
    """An answer for every file; folders are searched, in order.  One thread.

    A bad file is an answer with an `error`.  Raises `NoInput` for a path that is not there.
    """
    runner = model.runner()
    for path in paths:
        if not path.exists():
            raise NoInput(f"{path}: no such file or folder")
        for file in files_in(path, is_sound=model.manifest.audio is not None):
            yield from _answers(runner, file)


def files_in(path: Path, *, is_sound: bool) -> list[Path]:
    """`path` itself, or the files in a folder that the model could take."""
    if path.is_file():
        return [path]
    wanted = sound_file.SUFFIXES if is_sound else image_file.SUFFIXES | VIDEOS
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in wanted and p.is_file())


def _answers(runner: ModelRunner, file: Path) -> Iterator[Answer]:
    suffix = file.suffix.lower()
    if suffix in VIDEOS:
        yield from _video(runner, file)
        return
    begin = time.perf_counter()
    try:
        if suffix in sound_file.SUFFIXES:
            samples, rate_hz = sound_file.read_sound(file)
            inference = runner.segment(samples, rate_hz)
        else:
            inference = runner.frame(image_file.read_image(file))
    except (ItemError, NoInput) as exc:
        yield Answer(str(file), None, 0.0, error=str(exc))
        return
    yield Answer(str(file), inference, (time.perf_counter() - begin) * 1000)


def _video(runner: ModelRunner, file: Path) -> Iterator[Answer]:
    import cv2

    capture = cv2.VideoCapture(str(file), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            yield Answer(str(file), None, 0.0, error=f"{file}: not a video that can be decoded")
            return
        index = 0
        while True:
            begin = time.perf_counter()
            ok, pixels = capture.read()
            if not ok:
                return
            inference = runner.frame(pixels)  # type: ignore[arg-type]
            yield Answer(str(file), inference, (time.perf_counter() - begin) * 1000, frame=index)
            index += 1
    finally:
        capture.release()
