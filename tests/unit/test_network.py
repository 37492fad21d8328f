"""One tensor in, real numbers out: constants, states and the order of outputs are the manifest's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.network import Network
from edge_runtime.manifest import Manifest
from edge_runtime.toml.table import convert

if TYPE_CHECKING:
    from numpy.typing import NDArray

F32, I64 = np.dtype(np.float32), np.dtype(np.int64)


class CountingEngine:
    """y = x + state + rate; the state counts the runs."""

    def __init__(self, y: Tensor | None = None, answer: float | None = None) -> None:
        self.inputs = [
            Tensor("x", (1, 2), F32),
            Tensor("state", (2, None), F32),
            Tensor("rate", (), I64),
        ]
        self.outputs = [Tensor("stateN", (2, 1), F32), y or Tensor("y", (1, 2), F32)]
        self.resets = 0
        self._answer = answer

    def infer(self, tensors: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        x, state, rate = tensors
        assert rate.shape == ()
        assert rate.dtype == np.int64
        y = np.asarray(x + state[0, 0] + rate, self.outputs[1].dtype)
        return [state + 1, y if self._answer is None else np.full_like(y, self._answer)]

    def for_thread(self) -> CountingEngine:
        return self

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        pass


def manifest(**changes: object) -> Manifest:
    table: dict[str, Any] = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": "numbers",
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": ["a", "b"],
        "numbers": {"columns": 2},
        "states": {"state": "stateN"},
        "constants": {"rate": 100},
    }
    return convert({**table, **changes}, Manifest, "model.toml")


ONES = np.ones((1, 2), np.float32)


def test_states_begin_at_zero_are_fed_back_and_are_zero_again_after_a_reset() -> None:
    engine = CountingEngine()
    network = Network(manifest(), engine)
    assert network.input.name == "x"
    assert [spec.name for spec in network.outputs] == ["y"]
    assert [float(network.run(ONES)[0][0, 0]) for _ in range(3)] == [101.0, 102.0, 103.0]
    network.reset()
    assert float(network.run(ONES)[0][0, 0]) == 101.0
    assert engine.resets == 2


def test_two_networks_on_one_engine_have_states_of_their_own() -> None:
    engine = CountingEngine()
    one, other = Network(manifest(), engine), Network(manifest(), engine)
    one.run(ONES)
    assert float(other.run(ONES)[0][0, 0]) == 101.0
    assert float(one.run(ONES)[0][0, 0]) == 102.0


def test_outputs_come_in_the_manifests_order_and_a_tap_sees_them_raw() -> None:
    seen: list[list[str]] = []
    y = Tensor("y", (1, 2), np.dtype(np.int16), (0.5, 0))
    network = Network(
        manifest(output={"tensors": ["y", "stateN"]}),
        CountingEngine(y),
        tap=lambda outputs: seen.append([values.dtype.name for values in outputs]),
    )
    real = network.run(ONES)
    assert real[0].tolist() == [[50.5, 50.5]]
    assert real[1].shape == (2, 1)
    assert seen == [["int16", "float32"]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_is_refused_instead_of_passing(bad: float) -> None:
    with pytest.raises(ItemError, match="NaN or infinity"):
        Network(manifest(), CountingEngine(answer=bad)).run(ONES)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"states": {}}, r"has 3 inputs \('x' \[1, 2\] float32, .*name all but one under"),
        ({"constants": {"sr": 1}}, "name the input 'sr', which the model does not have"),
        ({"states": {"state": "next"}}, "names the output 'next', which the model does not have"),
        ({"output": {"tensors": ["z"]}}, "names the output 'z', .* it has stateN, y"),
    ],
)
def test_tensors_that_are_not_there_or_that_nothing_feeds_are_named(
    changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        Network(manifest(**changes), CountingEngine())


class CountedEngine(CountingEngine):
    """Four rows of which one is there; behind it is what was in memory before."""

    def __init__(self, count: float) -> None:
        super().__init__()
        self._count = count
        self.inputs = [Tensor("x", (1, 2), F32)]
        self.outputs = [
            Tensor("boxes", (1, 4, 4), F32),
            Tensor("classes", (1, 4), F32),
            Tensor("scores", (1, 4), F32),
            Tensor("count", (1,), F32),
        ]

    def infer(self, tensors: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        sizes = [tuple(size or 1 for size in spec.shape) for spec in self.outputs[:3]]
        made = [np.full(size, np.nan, np.float32) for size in sizes]
        for values in made:
            values[:, 0] = 0.5
        return [*made, np.array([self._count], np.float32)]


def detector() -> Manifest:
    table = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": "detection",
        "file": "m.tflite",
        "sha256": {"m.tflite": "0" * 64},
        "labels": ["a", "b"],
        "image": {"width": 2, "height": 1, "layout": "NHWC"},
        "output": {"decoder": "ssd"},
    }
    return convert(table, Manifest, "model.toml")


def test_rows_that_a_detector_does_not_count_are_no_answer_whatever_lies_there() -> None:
    boxes, classes, scores, count = Network(detector(), CountedEngine(1)).run(ONES)
    assert (boxes[0, 0] == 0.5).all()
    assert not boxes[0, 1:].any()
    assert classes[0].tolist() == scores[0].tolist() == [0.5, 0, 0, 0]
    assert count.tolist() == [1.0]


@pytest.mark.parametrize("count", [2.0, np.nan])
def test_a_row_that_is_counted_and_a_count_must_be_numbers(count: float) -> None:
    with pytest.raises(ItemError, match="NaN or infinity"):
        Network(detector(), CountedEngine(count)).run(ONES)


class SqueezedEngine(CountingEngine):
    """Gives its state with an axis of 1 more, or in other steps, than it takes it."""

    def __init__(self, given: Tensor, made: Tensor, state: NDArray[Any]) -> None:
        super().__init__()
        self.inputs = [Tensor("x", (1, 2), F32), given]
        self.outputs = [made, Tensor("y", (1, 2), F32)]
        self.seen: list[NDArray[Any]] = []
        self._state = state

    def infer(self, tensors: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        self.seen.append(tensors[1].copy())
        return [self._state, np.zeros((1, 2), np.float32)]


COUNTED_UP = np.arange(24, dtype=np.float32)


@pytest.mark.parametrize(
    ("made", "given"),
    [
        ((1, 1, 24), (1, 24)),
        ((1, 24), (1, 1, 24)),
        ((1, 24, 1), (None, 24)),
        ((24,), (1, None, 24)),
        ((1, 4, 6), (4, 6)),
        ((4, 6), (24,)),
    ],
)
def test_a_state_is_fed_back_whatever_its_axes_of_one(
    made: tuple[int, ...], given: tuple[int | None, ...]
) -> None:
    state = COUNTED_UP.reshape(made)
    engine = SqueezedEngine(Tensor("state", given, F32), Tensor("stateN", made, F32), state)
    network = Network(manifest(constants={}), engine)
    network.run(ONES)
    network.run(ONES)
    assert Tensor("state", given, F32).accepts(engine.seen[1].shape)
    assert not engine.seen[0].any()
    assert engine.seen[1].ravel().tolist() == COUNTED_UP.tolist()


@pytest.mark.parametrize("made", [(1, 25), (6, 4)])
def test_a_state_that_does_not_go_into_its_input_is_named(made: tuple[int, ...]) -> None:
    state = np.zeros(made, np.float32)
    engine = SqueezedEngine(Tensor("state", (4, 6), F32), Tensor("stateN", made, F32), state)
    with pytest.raises(ItemError, match=r"'stateN' \[.*\] does not go into the input 'state' \[4"):
        Network(manifest(constants={}), engine).run(ONES)


def test_a_state_in_other_steps_is_fed_back_by_its_value() -> None:
    int8 = np.dtype(np.int8)
    engine = SqueezedEngine(
        Tensor("state", (1, 2), int8, (0.25, 0)),
        Tensor("stateN", (1, 2), int8, (0.5, 10)),
        np.array([[12, 8]], np.int8),
    )
    network = Network(manifest(constants={}), engine)
    network.run(ONES)
    network.run(ONES)
    assert engine.seen[1].tolist() == [[4, -4]]  # +1 and -1 in steps of 0.25
