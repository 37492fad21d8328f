"""Runs samples through a model: raw outputs, answers, times.  Owned by the loading thread."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import ItemError, ModelError, NoInput
from edge_runtime.files import image as image_file
from edge_runtime.files import sound as sound_file
from edge_runtime.inference.engines.tensors import to_dtype, to_real
from edge_runtime.inference.network import Network
from edge_runtime.inference.pictures.fitting import sample_tensor
from edge_runtime.inference.runner import LoadedModel
from edge_runtime.inference.trust.golden.index import Sample, strided
from edge_runtime.inference.trust.golden.noise import noise, noise_samples, range_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.runner import Tap
    from edge_runtime.manifest import InputKind, Manifest
    from edge_runtime.types import Inference

_MS = 1000.0
_NAMES: dict[InputKind, str] = {"image": "pictures", "audio": "sound", "numbers": "numbers"}
BEST = 5
"""Labels kept of an answer."""
_STREAM_RUNS = 4
"""A state that was zero at first reaches the weights behind it from the second run on."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came out for one sample."""

    name: str
    kept: list[NDArray[np.float32]]
    """Of each output, see `index.strided`."""
    sizes: list[int]
    digests: list[str]
    """sha256 of every byte of each output as the engine gave it; last, of the answer."""
    best: list[tuple[str, float]] = field(default_factory=list)
    latency_ms: float = 0.0
    """Media: preprocessing, inference and decoding; noise: one inference."""
    cpu_ms: float = 0.0
    """The process's CPU time in that: what a busy box cannot lengthen much."""


class Player:
    """One model's way for samples.  Takes the engine as it is and leaves it reset."""

    def __init__(self, manifest: Manifest, sha256: str, engine: ThreadEngine) -> None:
        """`engine` must be nobody else's while this is used."""
        self.manifest = manifest
        self._outputs: list[list[NDArray[np.generic]]] = []
        self._network = Network(manifest, engine, tap=self._tap)
        self._infer = _way_in(LoadedModel(manifest, sha256, engine), self._tap)

    @property
    def outputs(self) -> Sequence[Tensor]:
        """What the decoder reads."""
        return self._network.outputs

    def play(self, sample: Sample, files: Mapping[str, bytes]) -> Played:
        """Run one sample.  Raises `ModelError` naming it when it cannot be run."""
        self._network.reset()
        self._outputs = [[] for _ in self._network.outputs]
        try:
            if sample.kind == "noise":
                return self._played(sample.name, None, *self._noise(sample))
            item = Item.read(sample.file, files[sample.file])
            item.require(self.manifest.input_kind)
            begin_ms = _cpu_ms()
            answer = self._infer(item)
            cpu_ms = _cpu_ms() - begin_ms
            latency_ms = answer.preprocess_ms + answer.infer_ms
            return self._played(sample.name, answer, latency_ms, cpu_ms)
        except (ItemError, NoInput) as exc:
            raise ModelError(
                f"{self.manifest.id}: golden sample '{sample.name}' cannot be run: {exc}"
            ) from exc
        finally:
            self._network.reset()

    def noise(self, seeds: Sequence[int], span: tuple[float, float] | None = None) -> list[Sample]:
        """Noise samples for this model; `span` None: all that its input can hold."""
        low, high = span or range_of(self.manifest, self._network.input)
        runs = _STREAM_RUNS if _is_stream(self.manifest) else 1
        return noise_samples(low, high, seeds=seeds, runs=runs)

    def _noise(self, sample: Sample) -> tuple[float, float]:
        """(time, CPU time) of the quickest run, in ms."""
        given = self._network.input
        shape = sample_tensor(self.manifest, given).shape
        times = []
        for values in noise(sample, shape):
            tensor = to_dtype(values, given)
            begin_s, begin_cpu_ms = time.perf_counter(), _cpu_ms()
            self._network.run(tensor)
            cpu_ms = _cpu_ms() - begin_cpu_ms
            times.append(((time.perf_counter() - begin_s) * _MS, cpu_ms))
        return min(times)

    def _tap(self, outputs: Sequence[NDArray[np.generic]]) -> None:
        for kept, values in zip(self._outputs, outputs, strict=True):
            kept.append(np.array(values).reshape(-1))

    def _played(
        self, name: str, answer: Inference | None, latency_ms: float, cpu_ms: float
    ) -> Played:
        flat = [np.concatenate(each) if each else np.zeros(0) for each in self._outputs]
        kept = [
            to_real(strided(values), spec) for values, spec in zip(flat, self.outputs, strict=True)
        ]
        digests = [hashlib.sha256(values.tobytes()).hexdigest() for values in flat]
        best = []
        if answer is not None:
            digests.append(digest_of(answer))
            best = [(score.label, score.score) for score in answer.scores[:BEST]]
        sizes = [len(values) for values in flat]
        return Played(name, kept, sizes, digests, best, latency_ms, cpu_ms)


@dataclass(frozen=True, slots=True)
class Item:
    """A picture, a sound or rows of numbers, decoded."""

    values: NDArray[Any]
    kind: InputKind
    rate_hz: int = 0

    @classmethod
    def read(cls, file: str, data: bytes) -> Item:
        """Decode a picture, a WAV or FLAC sound, or a ``.npy`` array.  Raises `ItemError`."""
        ending = Path(file).suffix.lower()
        if ending in image_file.SUFFIXES:
            return cls(image_file.decode_image(data, file), "image")
        if ending in sound_file.SUFFIXES:
            with _as_file(data) as path:
                samples, rate_hz = sound_file.read_sound(path)
            return cls(samples, "audio", rate_hz)
        return cls(_rows(data, file), "numbers")

    def require(self, kind: InputKind) -> None:
        """Raise `ItemError` when it is of another kind."""
        if self.kind != kind:
            raise ItemError(f"the model takes {_NAMES[kind]}, not {_NAMES[self.kind]}")


def _way_in(model: LoadedModel, tap: Tap) -> Callable[[Item], Inference]:
    """The whole path for an item of the model's kind; raises `ItemError`."""
    if model.manifest.input_kind == "image":
        seeing = model.picture_runner(tap)
        return lambda item: seeing.frame(item.values)
    if model.manifest.input_kind == "audio":
        hearing = model.sound_runner(tap)
        return lambda item: hearing.segment(item.values, item.rate_hz)
    counting = model.numbers_runner(tap)
    return lambda item: counting.numbers(item.values)


def digest_of(answer: Inference) -> str:
    """sha256 of everything that the rules could see."""
    told = {
        "scores": [[s.label, s.score] for s in answer.scores],
        "regions": [[r.label, r.score, r.x0, r.y0, r.x1, r.y1] for r in answer.regions],
        "spans": [[s.label, s.score, s.start_s, s.end_s] for s in answer.spans],
        "tiles": answer.tiles,
        "values": answer.values,
        "text": answer.text,
    }
    data = json.dumps(told, default=float).encode()
    heat = b"" if answer.heat is None else np.ascontiguousarray(answer.heat).tobytes()
    return hashlib.sha256(data + heat).hexdigest()


def _is_stream(manifest: Manifest) -> bool:
    """Whether the model may remember; variables inside it show in no manifest."""
    return bool(manifest.states) or manifest.task in ("wake-word", "speech-detection")


def _cpu_ms() -> float:
    """Of this process.  The clock of the process counts in ticks once its CPU time is limited."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * _MS


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[Path]:
    """A file in memory: sound is read from the bytes that were hashed."""
    with os.fdopen(os.memfd_create("golden"), "wb") as file:
        file.write(data)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")


def _rows(data: bytes, file: str) -> NDArray[np.float32]:
    try:
        rows = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as exc:
        raise ItemError(f"{file}: not an array in numpy's format: {exc}") from exc
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.number):
        raise ItemError(f"{file}: {list(rows.shape)} {rows.dtype}; (rows, columns) numbers are run")
    return np.asarray(rows, np.float32)
