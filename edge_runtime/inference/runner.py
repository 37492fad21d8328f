"""A loaded model, and threads' ways into it.  Which way a task needs is decided here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_runtime.inference.answering import Answering
from edge_runtime.inference.network import Network
from edge_runtime.inference.pictures.fitting import sample_tensor
from edge_runtime.manifest import STREAMING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.manifest import Manifest
    from edge_runtime.protocols import Runner, SpeechScorer

    Tap = Callable[[Sequence[NDArray[np.generic]]], None]


class LoadedModel:
    """A checked bundle.  `runner`: any thread; each then belongs to the thread that uses it."""

    def __init__(self, manifest: Manifest, sha256: str, engine: ThreadEngine) -> None:
        """Made by `loading.load`, with a warm engine."""
        self.manifest = manifest
        self.sha256 = sha256
        """Of the model file."""
        self._engine = engine
        self._lock = threading.Lock()
        self._is_first_free = True

    def runner(self, tap: Tap | None = None) -> Runner:
        """A runner for one thread.  ONNX: all share the session; TFLite: an interpreter each.

        `tap` sees the raw outputs of every run, see `Network`.
        """
        return _runner(Answering(self.manifest, self.sha256, self._network(tap)))

    def speech_scorer(self) -> SpeechScorer:
        """The model as one thread's speech detector.  Raises `ModelError` for another task."""
        from edge_runtime.inference.sounds.streams import SpeechModel

        return SpeechModel(self.manifest, self._network())

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


def _runner(answering: Answering) -> Runner:
    # Imported by need: sound does without the code for pictures.
    manifest = answering.manifest
    if manifest.numbers is not None:
        from edge_runtime.inference.number_rows import NumbersRunner

        return NumbersRunner(manifest.numbers, answering)
    if manifest.task in STREAMING:
        from edge_runtime.inference.sounds.listening import StreamRunner

        return StreamRunner(answering)
    if manifest.audio is not None:
        from edge_runtime.inference.sounds.windows import SoundRunner

        return SoundRunner(manifest.audio, answering)
    assert manifest.image is not None
    if manifest.tiles is not None and manifest.tiles.cell:
        from edge_runtime.inference.pictures.cells import CellRunner

        return CellRunner(manifest.image, manifest.tiles, answering)
    if manifest.tiles is not None:
        from edge_runtime.inference.pictures.tiled import TileRunner

        return TileRunner(manifest.image, manifest.tiles, answering)
    from edge_runtime.inference.pictures.whole import PictureRunner

    return PictureRunner(manifest.image, answering)
