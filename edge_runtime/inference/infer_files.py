"""One model over files, exactly as a lane would run it: what ``edge-runtime infer`` prints.

A sound file is one segment, whatever its length; a video is a picture a frame.  One thread.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.config import sound_names
from edge_runtime.errors import ItemError, NoInput
from edge_runtime.files import image as image_file
from edge_runtime.files import numbers as number_file
from edge_runtime.files import sound as sound_file
from edge_runtime.files import video as video_file
from edge_runtime.files.offset import without_offset
from edge_runtime.inference.infer_listing import (
    files_below,
    files_in,
    why_no_file,
    why_nothing,
)
from edge_runtime.inference.pictures.region_of_interest import of_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.protocols import NumbersRunner, PictureRunner, SoundRunner
    from edge_runtime.types import Inference

    Frames = Callable[
        [Path, Callable[[str], None]], Iterator[tuple[int | None, NDArray[np.uint8] | str]]
    ]

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said of one file, or of one frame of a video; or why it could not."""

    file: str
    inference: Inference | None
    latency_ms: float
    """Of preprocessing, inference and decoding of the answer; without reading the file."""
    frame: int | None = None
    error: str = ""
    warning: str = ""
    """What is wrong with a file that could be read all the same, or odd about it."""
    is_silent: bool = False
    """A sound in which nothing is: digital silence, a dead channel."""
    pixels: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    """(height, width, 3) BGR, what was seen, until the next answer."""

    def as_json(self, *, detail: bool = False) -> dict[str, Any]:
        """One JSON line; boxes are [x0, y0, x1, y1] in pixels of the original."""
        told: dict[str, Any] = {"file": self.file}
        if self.frame is not None:
            told["frame"] = self.frame
        if self.inference is None:
            return {**told, "error": self.error}
        best = self.inference.scores[0] if self.inference.scores else None
        told |= {
            "label": best.label if best else None,
            "score": round(best.score, _DIGITS) if best else None,
            "scores": {s.label: round(s.score, _DIGITS) for s in self.inference.scores},
            "regions": [
                {
                    "label": region.label,
                    "score": round(region.score, _DIGITS),
                    "box": [region.x0, region.y0, region.x1, region.y1],
                }
                for region in self.inference.regions
            ],
            "spans": [
                {
                    "label": span.label,
                    "score": round(span.score, _DIGITS),
                    "start_s": round(span.start_s, 3),
                    "end_s": round(span.end_s, 3),
                }
                for span in self.inference.spans
            ],
            "values": [round(value, _DIGITS) for value in self.inference.values],
            "text": self.inference.text,
            "latency_ms": round(self.latency_ms, 3),
        }
        if self.is_silent and not self.inference.values:
            told |= {"label": None, "score": None}  # what a model says of nothing is no answer
        if self.warning:
            told["warning"] = self.warning
        if self.inference.values:
            told["values"] = [round(value, _DIGITS) for value in self.inference.values]
        if detail:
            told["tiles"] = [[*tile[:4], round(tile[4], _DIGITS)] for tile in self.inference.tiles]
        return told


def infer_paths(
    model: LoadedModel,
    paths: Iterable[Path],
    *,
    roi: Sequence[float] | None = None,
    bits: int | None = None,
    subfolders: bool = False,
    frames: Frames | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Answer]:
    """An answer for every file, in order; folders are looked through, with `subfolders` all below.

    `roi`: the model is shown this part of each picture, see `region_of_interest`.
    `bits`: how many of a 16-bit picture are used, see `decode_picture`.
    `frames`: reads recordings, as (frame number, pixels or what is wrong with it); else OpenCV
    does, which hears of no damage.
    `tell` hears, once each, what is left out of a folder and what is odd about its pictures.

    What cannot be read or inferred is an answer with an `error`, and the rest goes on: a path that
    is not there, a folder with nothing in it for this model, a damaged file.
    """
    if model.manifest.numbers is not None:
        columns = model.manifest.numbers.columns
        numbers = functools.partial(_number_answers, model.numbers_runner(), columns)
        for path in paths:
            listed = functools.partial(
                files_below, path, number_file.SUFFIXES, subfolders=subfolders
            )
            why = "no .npy, .csv, .f32 or .bin files in this folder"
            why = f"{path}: {why if path.exists() else 'there is no such file or folder'}"
            yield from _answers(path, listed, numbers, why)
        return
    is_sound = model.manifest.audio is not None
    answers: Callable[[Path], Iterator[Answer]]
    if is_sound:
        answers = functools.partial(_sound_answers, model.sound_runner())
    else:
        shown = of_region(model.picture_runner(), roi)
        answers = functools.partial(_picture_answers, shown, bits, frames or _frames, _once(tell))
    for path in paths:
        listed = functools.partial(
            files_in, path, is_sound=is_sound, subfolders=subfolders, tell=tell
        )
        yield from _answers(path, listed, answers, why_nothing(path, is_sound=is_sound))


def _answers(
    path: Path,
    listed: Callable[[], list[Path]],
    answers: Callable[[Path], Iterator[Answer]],
    why_nothing: str,
) -> Iterator[Answer]:
    try:
        files = listed()
    except ItemError as exc:
        yield _bad(path, str(exc))
        return
    if not files:
        yield _bad(path, why_nothing)
    for file in files:
        if problem := why_no_file(file):
            yield _bad(file, problem)
        else:
            yield from answers(file)


def _number_answers(runner: NumbersRunner, columns: int, file: Path) -> Iterator[Answer]:
    yield _answer(file, functools.partial(_computed, runner, file, columns))


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """The same thing is told once."""
    told: set[str] = set()

    def tell_once(what: str) -> None:
        if what and what not in told:
            told.add(what)
            tell(what)

    return tell_once


def _sound_answers(runner: SoundRunner, file: Path) -> Iterator[Answer]:
    if file.suffix.lower() in image_file.SUFFIXES | video_file.SUFFIXES:
        yield _bad(file, f"{file}: the model takes sound, not pictures")
    else:
        yield _heard(runner, file)


def _picture_answers(
    runner: PictureRunner,
    bits: int | None,
    frames: Frames,
    tell: Callable[[str], None],
    file: Path,
) -> Iterator[Answer]:
    suffix = file.suffix.lower()
    if suffix in sound_names.SOUNDS:
        yield _bad(file, f"{file}: the model takes pictures, not sound")
    elif suffix in video_file.SUFFIXES:
        yield from _video(runner, frames(file, tell), file)
    else:
        yield _still(runner, bits, tell, file)


def _still(
    runner: PictureRunner, bits: int | None, tell: Callable[[str], None], file: Path
) -> Answer:
    try:
        picture = image_file.read_picture(file, bits)
    except ItemError as exc:
        return _bad(file, str(exc))
    tell(picture.advice)
    seen = functools.partial(_seen, runner, picture.pixels)
    return _answer(file, seen, pixels=picture.pixels)


def _answer(
    file: Path,
    infer: Callable[[], tuple[Inference, float]],
    *,
    frame: int | None = None,
    pixels: NDArray[np.uint8] | None = None,
) -> Answer:
    try:
        inference, latency_ms = infer()
    except (ItemError, NoInput) as exc:
        return _bad(file, str(exc), frame=frame)
    return Answer(str(file), inference, latency_ms, frame, pixels=pixels)


def _bad(file: Path, error: str, *, frame: int | None = None) -> Answer:
    return Answer(str(file), None, 0.0, frame, error)


def _heard(runner: SoundRunner, file: Path) -> Answer:
    """As a lane hears it: without its offset."""
    try:
        sound = sound_file.read_whole(file)
        samples = without_offset(sound.samples, sound.rate_hz)
        begin = time.perf_counter()
        inference = runner.segment(samples, sound.rate_hz)
    except (ItemError, NoInput) as exc:
        return _bad(file, str(exc))
    latency_ms = (time.perf_counter() - begin) * 1000
    told = [*sound.told, *(["digital silence: nothing was said"] if sound.is_silent else [])]
    return Answer(
        str(file), inference, latency_ms, warning="; ".join(told), is_silent=sound.is_silent
    )


def _computed(runner: NumbersRunner, file: Path, columns: int) -> tuple[Inference, float]:
    rows = number_file.read_numbers(file, columns)
    begin = time.perf_counter()
    return runner.numbers(rows), (time.perf_counter() - begin) * 1000


def _seen(runner: PictureRunner, pixels: NDArray[np.uint8]) -> tuple[Inference, float]:
    begin = time.perf_counter()
    return runner.frame(pixels), (time.perf_counter() - begin) * 1000


def _frames(file: Path, tell: Callable[[str], None]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    del tell
    return enumerate(video_file.read_video(file))


def _video(
    runner: PictureRunner,
    frames: Iterator[tuple[int | None, NDArray[np.uint8] | str]],
    file: Path,
) -> Iterator[Answer]:
    try:
        for index, pixels in frames:
            if isinstance(pixels, str):
                yield _bad(file, pixels, frame=index)
                continue
            seen = functools.partial(_seen, runner, pixels)
            yield _answer(file, seen, frame=index, pixels=pixels)
    except ItemError as exc:
        yield _bad(file, str(exc))
