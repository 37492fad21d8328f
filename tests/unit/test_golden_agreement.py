"""When answers are as they were recorded: the formulas, and what refuses."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.trust.golden.agreement import Difference, differences, disagreements
from edge_runtime.inference.trust.golden.index import Index, Limit, Recorded, Sample
from edge_runtime.inference.trust.golden.playing import Played

HERE = Recorded(
    file="m.onnx", runtime="onnxruntime", package="onnxruntime 1.32.0", kernels="x avx2"
)
FLOATS = Tensor("y", (1, 3), np.dtype(np.float32))
STEPS = Tensor("y", (1, 3), np.dtype(np.int8), (0.5, 3))
WANT = np.array([1.0, -10.0, 100.0], np.float32)
PICTURE = Sample(
    name="01", kind="media", file="01.png", sizes=[3], best=[("ok", 0.9), ("bad", 0.1)]
)
NOISE = Sample(name="noise-1", kind="noise", low=0.0, high=1.0, sizes=[3])


def index(limit: Limit, recorded: Recorded = HERE) -> Index:
    return Index(format=1, recorded=recorded, outputs=[limit], samples=[PICTURE, NOISE])


def compared(
    values: np.ndarray,
    limit: Limit,
    *,
    sample: Sample = PICTURE,
    spec: Tensor = FLOATS,
    best: list[tuple[str, float]] | None = None,
    here: Recorded = HERE,
    size: int = 3,
) -> list[Difference]:
    played = Played(
        sample.name, [values.astype(np.float32)], [size], ["", ""], best or PICTURE.best
    )
    return differences(index(limit), sample, [WANT], played, outputs=[spec], here=here)


def test_a_float_may_differ_by_an_absolute_part_and_one_that_grows_with_the_number() -> None:
    limit = Limit(name="y", absolute=0.01, relative=0.001)
    inside = WANT + np.array([0.0109, -0.019, 0.109])
    outside = WANT + np.array([0.0, 0.0, 0.112])
    assert disagreements(compared(inside, limit)) == []
    [wrong] = disagreements(compared(outside, limit))
    assert wrong.largest == pytest.approx(0.112, rel=1e-3)
    assert wrong.limit == pytest.approx(0.11)
    assert str(wrong) == ("golden sample '01', output 'y' differs by 0.112 absolute (at most 0.11)")


def test_the_worst_number_is_the_one_furthest_beyond_its_own_limit() -> None:
    limit = Limit(name="y", absolute=0.0, relative=0.1)
    [wrong] = disagreements(compared(WANT + np.array([0.5, 0.0, 9.0]), limit))
    assert wrong.largest == pytest.approx(0.5)


def test_a_quantised_output_may_differ_by_whole_steps_of_its_scale() -> None:
    limit = Limit(name="y", step=0.5, steps=2.0)
    assert disagreements(compared(WANT + 1.0, limit, spec=STEPS)) == []
    [wrong] = disagreements(compared(WANT + 1.5, limit, spec=STEPS))
    assert wrong.unit == "steps"
    assert wrong.largest == pytest.approx(3.0)


def test_of_two_scales_the_coarser_one_counts() -> None:
    recorded_float = Limit(name="y", steps=1.0, absolute=1e-6)
    assert disagreements(compared(WANT + 0.5, recorded_float, spec=STEPS)) == []
    recorded_steps = Limit(name="y", step=0.5, steps=1.0)
    assert disagreements(compared(WANT + 0.5, recorded_steps, spec=FLOATS)) == []
    assert disagreements(compared(WANT + 0.6, recorded_steps, spec=FLOATS)) != []


def test_not_a_number_never_agrees() -> None:
    limit = Limit(name="y", absolute=1.0)
    assert disagreements(compared(np.array([1.0, np.nan, 100.0]), limit))
    assert disagreements(compared(np.array([1.0, np.nan, 100.0]), Limit(name="y", step=1.0)))


def test_another_number_of_values_never_agrees() -> None:
    [wrong] = disagreements(compared(WANT, Limit(name="y", absolute=1.0), size=4))
    assert "4 numbers instead of 3" in str(wrong)


def test_another_number_of_outputs_never_agrees() -> None:
    played = Played("01", [WANT, WANT], [3, 3], ["", "", ""])
    found = differences(
        index(Limit(name="y")), PICTURE, [WANT], played, outputs=[FLOATS, FLOATS], here=HERE
    )
    assert "1 outputs, the model 2" in str(disagreements(found)[0])


LOOSE = Limit(name="y", absolute=1.0)


def test_another_label_is_refused_and_named() -> None:
    [wrong] = disagreements(compared(WANT, LOOSE, best=[("bad", 0.91), ("ok", 0.9)]))
    assert "answers bad instead of ok" in str(wrong)


def test_a_score_further_away_than_the_limit_is_refused() -> None:
    assert disagreements(compared(WANT, LOOSE, best=[("ok", 0.885), ("bad", 0.1)])) == []
    assert disagreements(compared(WANT, LOOSE, best=[("ok", 0.87), ("bad", 0.1)])) != []


def test_a_tie_may_fall_either_way() -> None:
    tie = msgspec.structs.replace(PICTURE, best=[("ok", 0.51), ("bad", 0.49)])
    found = compared(WANT, LOOSE, sample=tie, best=[("bad", 0.505), ("ok", 0.495)])
    assert disagreements(found) == []


def test_no_label_at_all_is_refused() -> None:
    played = Played("01", [WANT], [3], ["", ""], [])
    found = differences(index(LOOSE), PICTURE, [WANT], played, outputs=[FLOATS], here=HERE)
    assert "no label instead of ok" in str(disagreements(found)[0])


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"file": "m.tflite"},
        {"runtime": "openvino"},
        {"package": "tflite-runtime 2.14"},
        {"kernels": "aarch64 asimddp"},
    ],
)
def test_noise_judges_only_the_file_runtime_and_kind_of_processor_it_was_recorded_with(
    elsewhere: dict[str, str],
) -> None:
    limit = Limit(name="y", absolute=0.1)
    here = msgspec.structs.replace(HERE, **elsewhere)
    far = WANT + 5.0
    assert disagreements(compared(far, limit, sample=NOISE)) != []
    [shown] = compared(far, limit, sample=NOISE, here=here)
    assert not shown.agrees
    assert disagreements([shown]) == []
    assert disagreements(compared(far, limit, here=here)) != []


def test_noise_judges_another_version_of_the_same_runtime() -> None:
    newer = msgspec.structs.replace(HERE, package="onnxruntime 2.0")
    assert disagreements(compared(WANT + 5.0, Limit(name="y"), sample=NOISE, here=newer)) != []


def test_what_is_only_shown_never_refuses() -> None:
    wrong = Difference("n", "y", 9.0, 1.0, "steps", agrees=False)
    assert disagreements([wrong, replace(wrong, judged=False)]) == [wrong]
