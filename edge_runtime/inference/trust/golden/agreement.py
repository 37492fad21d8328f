"""Whether a model answers as it was recorded.  Pure.

With e the numbers recorded and f the numbers found, both real, the largest |f - e| over an output
must not be more than

    steps * step                    for a quantised output: step is the larger of both scales
    absolute + relative * |e|       for a float output

and a media sample's best label must be the recorded one, unless the two best were a tie (closer
than twice `score`); its score must be within `score`.

Noise is far from what a network was trained on, where two runtimes, or two kinds of processor, may
round apart by much more than on any real item.  So noise judges only where the model file, the
runtime and the kind of processor are those of the record; elsewhere it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.trust.golden.index import Index, Limit, Recorded, Sample
    from edge_runtime.inference.trust.golden.playing import Played


@dataclass(frozen=True, slots=True)
class Difference:
    """One output (or the answer) of one sample against what was recorded."""

    sample: str
    output: str
    largest: float
    """In `unit`; not a number where sizes differ or the model answered none."""
    limit: float
    unit: str
    """``steps``, ``absolute`` or ``score``."""
    agrees: bool
    judged: bool = True
    """False: shown only."""
    told: str = ""
    """What else is wrong: another label, another size."""

    def __str__(self) -> str:
        if self.told:
            return f"golden sample '{self.sample}', {self.output}: {self.told}"
        return (
            f"golden sample '{self.sample}', output '{self.output}' differs by {self.largest:.3g} "
            f"{self.unit} (at most {self.limit:.3g})"
        )


def differences(
    index: Index,
    sample: Sample,
    expected: Sequence[NDArray[np.float32]],
    played: Played,
    *,
    outputs: Sequence[Tensor],
    here: Recorded,
) -> list[Difference]:
    """Every output of a sample, and for media the answer."""
    judged = sample.kind == "media" or _same(index.recorded, here)
    if not len(index.outputs) == len(expected) == len(outputs) == len(sample.sizes):
        told = f"the record has {len(index.outputs)} outputs, the model {len(outputs)}"
        return [_odd(sample.name, "outputs", told)]
    found = [
        _output(sample, limit, size, want, got, spec, judged=judged)
        for limit, size, want, got, spec in zip(
            index.outputs,
            sample.sizes,
            expected,
            zip(played.kept, played.sizes, strict=True),
            outputs,
            strict=True,
        )
    ]
    if sample.kind == "media" and sample.best:
        found.append(_answer(index.score, sample, played))
    return found


def disagreements(found: Sequence[Difference]) -> list[Difference]:
    """Those that refuse the model."""
    return [each for each in found if each.judged and not each.agrees]


def _output(
    sample: Sample,
    limit: Limit,
    size: int,
    want: NDArray[np.float32],
    got: tuple[NDArray[np.float32], int],
    spec: Tensor,
    *,
    judged: bool,
) -> Difference:
    values, found_size = got
    name = limit.name
    if found_size != size:
        return _odd(sample.name, name, f"{found_size} numbers instead of {size}", judged=judged)
    if size == 0:
        return Difference(sample.name, name, 0.0, 0.0, "absolute", agrees=True, judged=judged)
    apart = np.abs(values.astype(np.float64) - want)
    step = max(limit.step, spec.quantisation[0] if spec.quantisation else 0.0)
    if step:
        # Half a per cent of a step: scales are float32, steps are whole.
        largest, allowed, unit = float(apart.max()) / step, limit.steps + 0.005, "steps"
        agrees = largest <= allowed
    else:
        bound = limit.absolute + limit.relative * np.abs(want.astype(np.float64))
        worst = int((apart - bound).argmax())
        largest, allowed, unit = float(apart[worst]), float(bound[worst]), "absolute"
        agrees = bool((apart <= bound).all())
    return Difference(sample.name, name, largest, allowed, unit, agrees=agrees, judged=judged)


def _answer(limit: float, sample: Sample, played: Played) -> Difference:
    (label, score), *others = sample.best
    if not played.best:
        return _odd(sample.name, "answer", f"no label instead of {label}")
    found = dict(played.best).get(label, 0.0)
    best, _ = played.best[0]
    is_tie = bool(others) and score - others[0][1] <= 2 * limit
    apart = abs(found - score)
    told = "" if best == label or is_tie else f"answers {best} instead of {label}"
    return Difference(
        sample.name, "answer", apart, limit, "score", agrees=not told and apart <= limit, told=told
    )


def _odd(sample: str, output: str, told: str, *, judged: bool = True) -> Difference:
    nan = float("nan")
    return Difference(sample, output, nan, 0.0, "absolute", agrees=False, judged=judged, told=told)


def _same(recorded: Recorded, here: Recorded) -> bool:
    """The same file in the same library on the same kind of processor, whatever the version."""
    return (recorded.file, recorded.runtime, recorded.package.split()[:1], recorded.kernels) == (
        here.file,
        here.runtime,
        here.package.split()[:1],
        here.kernels,
    )
