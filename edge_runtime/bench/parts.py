"""The limit and the parts: what the model costs alone, and what each stage costs by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from edge_runtime.sample_station import media

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SIZE = (1280, 720)
DISTINCT = 12
"""Different pictures in the video; they repeat."""


@dataclass(frozen=True, slots=True)
class Stages:
    """CPU milliseconds a frame, one thread, nothing else running."""

    decode_ms: float
    preprocess_ms: float
    infer_ms: float

    @property
    def sum_ms(self) -> float:
        """All three."""
        return self.decode_ms + self.preprocess_ms + self.infer_ms


def make_video(path: Path, *, frames: int) -> None:
    """`frames` pictures of 1280x720 as MJPEG, a quarter of them of scratched parts."""
    belt = path.with_name("distinct.avi")
    media.make_belt_video(belt, parts=DISTINCT, fps=30.0, seed=3)
    pictures = [cv2.resize(pixels, SIZE) for pixels in decoded(belt, DISTINCT - 1)[0]]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, SIZE)
    for frame in range(frames):
        writer.write(pictures[frame % len(pictures)])
    writer.release()


def decoded(path: Path, count: int) -> tuple[list[NDArray[np.uint8]], float]:
    """The first frames, and the CPU ms that decoding one took."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    capture.read()
    begin, frames = time.process_time(), []
    for _ in range(count):
        ok, pixels = capture.read()
        if not ok:
            break
        frames.append(pixels)
    spent = (time.process_time() - begin) * 1000 / max(1, len(frames))
    capture.release()
    return frames, spent  # type: ignore[return-value]


def stages(path: Path, bundle: Path, count: int) -> Stages:
    """Each stage by itself, as the lane runs it."""
    from edge_runtime.inference import load_model

    frames, decode_ms = decoded(path, count)
    runner = load_model(bundle).picture_runner()
    runner.frame(frames[0])
    preprocess_ms = infer_ms = 0.0
    begin = time.process_time()
    for pixels in frames:
        answer = runner.frame(pixels)
        preprocess_ms += answer.preprocess_ms
        infer_ms += answer.infer_ms
    total_ms = (time.process_time() - begin) * 1000 / len(frames)
    share = preprocess_ms / (preprocess_ms + infer_ms)
    return Stages(decode_ms, total_ms * share, total_ms * (1 - share))


class Bare:
    """The model alone on tensors that are decoded and preprocessed already: the limit."""

    def __init__(self, path: Path, bundle: Path, *, frames: int, threads: int) -> None:
        """Prepare the tensors, and a session with so many threads of its own."""
        from edge_runtime.inference import load_model

        self._engine = load_model(bundle, threads=threads)._engine  # noqa: SLF001 - below the runner
        pictures, _ = decoded(path, frames)
        loaded: Any = load_model(bundle)
        recorder = _Recorder(loaded._engine)  # noqa: SLF001 - below the runner
        loaded._engine = recorder  # noqa: SLF001 - to get the tensors as the runner makes them
        runner = loaded.picture_runner()
        for pixels in pictures:
            runner.frame(pixels)
        self._tensors = recorder.tensors
        self._frames = len(pictures)

    def frames_per_s(self) -> float:
        """One round."""
        begin = time.perf_counter()
        for tensors in self._tensors:
            self._engine.infer(tensors)
        return self._frames / (time.perf_counter() - begin)


class _Recorder:
    """Stands before an engine and keeps what it is given."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401 - any engine
        self._engine = engine
        self.tensors: list[list[NDArray[np.generic]]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the engine's own
        return getattr(self._engine, name)

    def infer(self, tensors: list[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Keep a copy, then run."""
        self.tensors.append([tensor.copy() for tensor in tensors])
        found: list[NDArray[np.generic]] = self._engine.infer(tensors)
        return found
