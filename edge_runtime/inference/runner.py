"""A loaded model, and threads' ways into it.  Which way a task needs is decided here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference.answering import Answering
from edge_runtime.inference.guarded import GuardedSpeech
from edge_runtime.inference.measuring import measured_ms
from edge_runtime.inference.network import Network
from edge_runtime.inference.pictures.fitting import sample_tensor
from edge_runtime.inference.ways_in import counting, hearing, seeing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.manifest import InputKind, Manifest
    from edge_runtime.protocols import NumbersRunner, PictureRunner, SoundRunner, SpeechScorer

    Tap = Callable[[Sequence[NDArray[np.generic]]], None]


class LoadedModel:
    """A checked bundle.  Its ways in: any thread; each then belongs to the thread that uses it.

    A way in takes the `tap` that sees the raw outputs of every run, see `Network`.  ONNX: all share
    the session; TFLite: an interpreter each.
    """

    def __init__(self, manifest: Manifest, sha256: str, engine: ThreadEngine) -> None:
        """Made by `loading.load`, with a warm engine."""
        self.manifest = manifest
        self.sha256 = sha256
        """Of the model file."""
        self._engine = engine
        self._lock = threading.Lock()
        self._is_first_free = True
        self.measured_ms = 0.0
        """Of a sample item; 0 before `measure`."""

    def picture_runner(self, tap: Tap | None = None) -> PictureRunner:
        """For one thread that sees.  Raises `ModelError` for a model of another kind."""
        self._require("image")
        return seeing(self._answering(self._network(tap)))

    def sound_runner(self, tap: Tap | None = None) -> SoundRunner:
        """For one thread that hears.  Raises `ModelError` for a model of another kind."""
        self._require("audio")
        return hearing(self._answering(self._network(tap)))

    def numbers_runner(self, tap: Tap | None = None) -> NumbersRunner:
        """For one thread with rows of numbers.  Raises `ModelError` for a model of another kind."""
        self._require("numbers")
        return counting(self._answering(self._network(tap)))

    def speech_scorer(self) -> SpeechScorer:
        """The model as one thread's speech detector.  Raises `ModelError` for another task."""
        from edge_runtime.inference.sounds.streams import SpeechModel

        scorer = SpeechModel(self.manifest, self._network())
        return GuardedSpeech(self.manifest.id, scorer)

    def outputs_read(self) -> Sequence[Tensor]:
        """The output tensors that a decoder reads, in its order; axes as open as in the file."""
        return Network(self.manifest, self._engine).outputs

    def expected_ms(self) -> float:
        """How long one item may be expected to take, in ms.

        What the manifest's ``[latency]`` says; else what a sample item took when the model was
        loaded, with nothing else running: a busy box takes longer, a larger picture in tiles too.
        """
        latency = self.manifest.latency
        return self.measured_ms if latency is None else latency.budget_ms

    def measure(self) -> None:
        """Time a sample item, where no budget is given; while no other thread uses the model."""
        if self.manifest.latency is None:
            self.measured_ms = measured_ms(self._answering(Network(self.manifest, self._engine)))

    def _answering(self, network: Network) -> Answering:
        return Answering(self.manifest, self.sha256, network)

    def _require(self, kind: InputKind) -> None:
        problem = self.manifest.kind_problem(kind)
        if problem:
            raise ModelError(problem)

    def _network(self, tap: Tap | None = None) -> Network:
        with self._lock:
            takes_first, self._is_first_free = self._is_first_free, False
        engine = self._engine if takes_first else self._engine.for_thread()
        network = Network(self.manifest, engine, tap=tap)
        if engine is not self._engine:
            network.run(sample_tensor(self.manifest, network.input))  # the first run is slow
            network.reset()
        return network

    def close(self) -> None:
        """Free the model; its runners must not be used any more.  Idempotent."""
        self._engine.close()
