"""What holds for every golden sample, whatever its numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.inference.engines.tensors import Tensor, to_real
from edge_runtime.inference.trust.golden.agreement import differences, disagreements
from edge_runtime.inference.trust.golden.index import (
    KEPT_VALUES,
    Index,
    Limit,
    Recorded,
    Sample,
    encode,
    read_expected,
    read_index,
    strided,
)
from edge_runtime.inference.trust.golden.playing import Played
from tools.proofs.mutants import KINDS, mutant

HERE = Recorded(file="m.tflite", runtime="litert", package="ai-edge-litert 2", kernels="x")


@given(st.integers(0, 50_000))
def test_kept_numbers_are_spread_evenly_from_the_first_to_near_the_last(count: int) -> None:
    kept = strided(np.arange(count))
    assert len(kept) == min(count, KEPT_VALUES)
    if count:
        gaps = np.diff(kept)
        assert kept[0] == 0
        assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
        assert count - kept[-1] <= -(-count // KEPT_VALUES)


@given(
    st.lists(st.integers(-128, 127), min_size=1, max_size=20),
    st.integers(-5, 5),
    st.floats(1e-6, 10.0),
    st.integers(-128, 127),
)
def test_a_quantised_output_agrees_exactly_when_no_number_is_more_than_two_steps_off(
    recorded: list[int], off: int, scale: float, zero: int
) -> None:
    spec = Tensor("y", (1, len(recorded)), np.dtype(np.int8), (scale, zero))
    found = np.clip(np.array(recorded) + off, -128, 127).astype(np.int8)
    apart = int(np.abs(found.astype(int) - recorded).max())
    sample = Sample(name="n", kind="noise", sizes=[len(recorded)])
    index = Index(format=1, recorded=HERE, outputs=[Limit(name="y", step=scale)], samples=[sample])
    want = to_real(np.array(recorded, np.int8), spec)
    played = Played("n", [to_real(found, spec)], [len(recorded)], [""])
    told = differences(index, sample, [want], played, outputs=[spec], here=HERE)
    assert (disagreements(told) == []) == (apart <= 2)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=30), st.integers(0, 5))
def test_what_was_written_is_read_back_and_written_the_same_again(
    values: list[float], more: int
) -> None:
    kept = np.array(values, np.float32)
    samples = [Sample(name=f"n{at}", kind="noise", sizes=[len(kept)]) for at in range(more + 1)]
    index = Index(format=1, recorded=HERE, outputs=[Limit(name="y")], samples=samples)
    expected = {sample.name: [kept] for sample in samples}
    files = encode(index, expected)
    again = read_index(files, "golden")
    assert again == index
    read = read_expected(files, index, "golden")
    assert {name: each[0].tolist() for name, each in read.items()} == {
        name: each[0].tolist() for name, each in expected.items()
    }
    assert encode(index, read) == files


@given(st.binary(min_size=8, max_size=400).filter(any), st.integers(0, 10_000))
def test_a_damaged_copy_is_never_the_model_itself_and_always_the_same(
    model: bytes, seed: int
) -> None:
    kind, copy = mutant(model, seed)
    assert kind in KINDS
    assert copy != model
    assert mutant(model, seed) == (kind, copy)
