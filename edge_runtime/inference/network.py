"""An engine behind its manifest: one tensor in, real numbers out, states fed back.

Owned by its runner's thread; only the engine may be shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.tensors import Tensor, fed_back, to_dtype, to_real

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.manifest import Manifest


class Network:
    """What a runner runs.  Not thread-safe: `states` belong to one stream."""

    def __init__(
        self,
        manifest: Manifest,
        engine: ThreadEngine,
        *,
        tap: Callable[[Sequence[NDArray[np.generic]]], None] | None = None,
    ) -> None:
        """Find the manifest's tensors in the engine.

        `tap` sees the outputs of every run as the engine gave them, in the decoder's order.  Raises
        `ModelError` naming tensors that are not there or that nothing feeds.
        """
        self._engine = engine
        self._tap = tap
        self._given, self._made = list(engine.inputs), list(engine.outputs)
        self._main = _main_input(manifest, self._given)
        self._read = _outputs_read(manifest, self._made)
        made = {spec.name: at for at, spec in enumerate(self._made)}
        given = {spec.name: at for at, spec in enumerate(self._given)}
        self._feedback = {given[into]: made[out] for into, out in manifest.states.items()}
        self._constants = {
            given[name]: to_dtype(
                np.full(_closed(self._given[given[name]].shape), value, np.float32),
                self._given[given[name]],
            )
            for name, value in manifest.constants.items()
        }
        self._has_count = manifest.decoder == "ssd"
        self._states: dict[int, NDArray[np.generic]] = {}
        self.reset()

    @property
    def input(self) -> Tensor:
        """The one that pixels, features or numbers go into."""
        return self._given[self._main]

    @property
    def outputs(self) -> Sequence[Tensor]:
        """Those that the decoder reads, in its order."""
        return [self._made[at] for at in self._read]

    def reset(self) -> None:
        """A new stream begins: states are zero again, inside the model and outside."""
        self._engine.reset()
        self._states = {at: zeros_of(self._given[at]) for at in self._feedback}

    def run(self, tensor: NDArray[np.generic]) -> list[NDArray[np.float32]]:
        """Infer once: the decoder's outputs as real numbers.

        Raises `ItemError`, also for numbers that are none: compared with a threshold they would
        pass.
        """
        feeds = {**self._constants, **self._states, self._main: tensor}
        found = self._engine.infer([feeds[at] for at in range(len(self._given))])
        self._states = {at: self._state(found[out], out, at) for at, out in self._feedback.items()}
        read = [found[at] for at in self._read]
        if self._tap is not None:
            self._tap(read)
        real = [
            to_real(values, self._made[at]) for values, at in zip(read, self._read, strict=True)
        ]
        if self._has_count:
            real = _only_counted(real)
        if not all(np.isfinite(values).all() for values in real):
            raise ItemError("the model answered with NaN or infinity")
        return real

    def _state(self, values: NDArray[np.generic], out: int, at: int) -> NDArray[np.generic]:
        kept = fed_back(values, self._made[out], self._given[at])
        if kept is None:
            raise ItemError(
                f"the state '{self._made[out].name}' {list(values.shape)} does not go into the "
                f"input {self._given[at]}; correct [states] in model.toml"
            )
        return kept


def _only_counted(real: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Zeros behind the rows that the count, the output of one number, says are there.

    TFLite's detection operator leaves there what was in memory before: NaN now and then.
    """
    counts = [values for values in real if values.size == 1]
    if len(counts) != 1 or not np.isfinite(counts[0]).all():
        return real
    count = max(0, int(counts[0].item()))
    kept = [values if values.size == 1 else values.copy() for values in real]
    for values in kept:
        if values.size > 1 and values.ndim > 1:
            values[:, count:] = 0
    return kept


def zeros_of(spec: Tensor) -> NDArray[np.generic]:
    """What stands for the real number 0, open axes closed at 1."""
    return to_dtype(np.zeros(_closed(spec.shape), np.float32), spec)


def _closed(shape: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in shape)


def _main_input(manifest: Manifest, given: Sequence[Tensor]) -> int:
    names = [spec.name for spec in given]
    unknown = [name for name in (*manifest.states, *manifest.constants) if name not in names]
    if unknown:
        raise ModelError(
            f"{manifest.id}: states and constants name the input '{unknown[0]}', which the model "
            f"does not have; it has {', '.join(names)}"
        )
    left = [name for name in names if name not in manifest.states | manifest.constants]
    if len(left) != 1:
        told = ", ".join(map(str, given))
        raise ModelError(
            f"{manifest.id}: the model has {len(given)} inputs ({told}); name all but one under "
            "[states] or [constants] in model.toml"
        )
    return names.index(left[0])


def _outputs_read(manifest: Manifest, made: Sequence[Tensor]) -> list[int]:
    names = [spec.name for spec in made]
    wanted = list(manifest.output.tensors)
    fed_back = set(manifest.states.values())
    unknown = [name for name in (*wanted, *sorted(fed_back)) if name not in names]
    if unknown:
        raise ModelError(
            f"{manifest.id}: the manifest names the output '{unknown[0]}', which the model does "
            f"not have; it has {', '.join(names)}"
        )
    if wanted:
        return [names.index(name) for name in wanted]
    return [at for at, name in enumerate(names) if name not in fed_back]
