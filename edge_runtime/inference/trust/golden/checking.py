"""A bundle's golden samples against an engine that was loaded from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference.trust.golden.agreement import differences, disagreements
from edge_runtime.inference.trust.golden.index import read_expected, read_index
from edge_runtime.inference.trust.golden.playing import Player

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.inference.trust.bundle import Bundle
    from edge_runtime.inference.trust.golden.agreement import Difference
    from edge_runtime.inference.trust.golden.index import Index, Recorded, Sample
    from edge_runtime.inference.trust.golden.playing import Played


DEFAULT_SEEDS = range(1, 9)
"""Of the noise for a bundle that has no samples of its own."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A sample that was run, and how far it is from what was recorded."""

    played: Played
    differences: list[Difference]


class Golden:
    """A bundle's samples; noise of our own for one that has none."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises `ModelError` when the golden files are not what they should be."""
        self.bundle = bundle
        where = f"{bundle.folder}/golden"
        self.index: Index | None = read_index(bundle.golden, where)
        self.output_names: list[str] = []
        self._expected: dict[str, list[NDArray[np.float32]]] = {}
        if self.index is not None:
            self._expected = read_expected(bundle.golden, self.index, where)

    def samples(self, player: Player) -> list[Sample]:
        """The bundle's, or ours."""
        return self.index.samples if self.index is not None else player.noise(DEFAULT_SEEDS)

    def compare(self, player: Player, sample: Sample, here: Recorded) -> Compared:
        """Run one sample.  Raises `ModelError` when it cannot be run."""
        played = player.play(sample, self.bundle.golden)
        if self.index is None:
            return Compared(played, [])
        expected = self._expected[sample.name]
        found = differences(self.index, sample, expected, played, outputs=player.outputs, here=here)
        return Compared(played, found)

    def check(self, engine: ThreadEngine) -> list[Played]:
        """Run every sample.  Raises `ModelError` naming the first that disagrees."""
        from edge_runtime.inference.trust.environment import recorded_here

        player = Player(self.bundle.manifest, self.bundle.sha256, engine)
        self.output_names = [spec.name for spec in player.outputs]
        here = recorded_here(self.bundle.runtime, self.bundle.file)
        done = []
        for sample in self.samples(player):
            compared = self.compare(player, sample, here)
            refuse(self.bundle.name, compared.differences)
            done.append(compared.played)
        return done


def refuse(name: str, found: Sequence[Difference]) -> None:
    """Raise `ModelError` for the first difference that is too large."""
    wrong = disagreements(found)
    if wrong:
        raise ModelError(f"{name}: does not answer as it did where it was made: {wrong[0]}")
