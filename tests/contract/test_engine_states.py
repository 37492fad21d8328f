"""Models of several inputs, without axes, with a state outside or inside: through the engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.inference.engines.opening import ThreadEngine, open_engine
from edge_runtime.inference.engines.tensors import to_dtype, to_real
from edge_runtime.inference.network import Network
from edge_runtime.manifest import Manifest
from edge_runtime.toml.table import convert
from tests.support.data import MODELS, needs_data
from tests.support.tiny_onnx import recurrent_onnx
from tests.support.tiny_tflite import sum_tflite

if TYPE_CHECKING:
    from numpy.typing import NDArray

X = np.array([[1.0, 2.0, 3.0]], np.float32)


def manifest(**changes: Any) -> Manifest:
    table: dict[str, Any] = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": "numbers",
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": ["a", "b", "c"],
        "numbers": {"columns": 3},
        "states": {"state": "next"},
        "constants": {"rate": 100},
    }
    return convert({**table, **changes}, Manifest, "model.toml")


def test_a_recurrent_model_tells_open_axes_and_an_input_without_any() -> None:
    engine = open_engine(recurrent_onnx(), "m.onnx")
    assert [spec.shape for spec in engine.inputs] == [(None, None), (2, None, 1), ()]
    assert engine.inputs[2].dtype == np.int64


def test_a_state_is_fed_back_and_a_constant_fills_an_input_without_axes() -> None:
    network = Network(manifest(), open_engine(recurrent_onnx(), "m.onnx"))
    assert network.input.name == "x"
    for run in range(3):
        assert network.run(X)[0].tolist() == [[101.0 + run, 102.0 + run, 103.0 + run]]
    network.reset()
    assert network.run(X)[0].tolist() == [[101.0, 102.0, 103.0]]


def test_two_streams_on_one_session_have_states_of_their_own() -> None:
    engine = open_engine(recurrent_onnx(), "m.onnx")
    one, other = Network(manifest(), engine), Network(manifest(), engine.for_thread())
    one.run(X)
    assert one.run(X)[0][0, 0] == 102.0
    assert other.run(X)[0][0, 0] == 101.0


def test_inputs_and_outputs_each_have_their_own_scale() -> None:
    model = sum_tflite((1, 4), first_q=(0.5, 3), second_q=(0.125, -7), output_q=(1.0, -20))
    engine = open_engine(model, "m.tflite")
    first, second = engine.inputs
    assert (first.quantisation, second.quantisation) == ((0.5, 3), (0.125, -7))
    a = np.array([[10.0, -20.0, 0.0, 7.5]], np.float32)
    b = np.array([[1.0, 2.0, -3.0, 0.5]], np.float32)
    [made] = engine.infer([to_dtype(a, first), to_dtype(b, second)])
    assert made.dtype == np.int8
    assert to_real(made, engine.outputs[0]) == pytest.approx(a + b, abs=1.0)
    swapped = engine.infer([to_dtype(b, first), to_dtype(a, second)])[0]
    assert to_real(swapped, engine.outputs[0]) == pytest.approx(
        b + np.clip(a, -15.2, 16.75), abs=1.0
    )


def scores(engine: ThreadEngine, sounds: NDArray[np.int8]) -> list[int]:
    return [int(engine.infer([sound])[0][0, 0]) for sound in sounds]


@needs_data
@pytest.mark.parametrize("file", ["mww_okay_nabu_stateful.tflite", "mww_vad_stateful.tflite"])
def test_variables_inside_a_model_last_until_a_reset_and_belong_to_one_engine(file: str) -> None:
    engine = open_engine((MODELS / file).read_bytes(), file)
    assert engine.outputs[0].dtype == np.uint8
    sounds = np.random.default_rng(0).integers(-128, 128, (30, 1, 3, 40)).astype(np.int8)
    first = scores(engine, sounds)
    assert scores(engine, sounds) != first, "it remembers the first run"
    assert scores(engine.for_thread(), sounds) == first
    engine.reset()
    assert scores(engine, sounds) == first
    engine.close()
    engine.reset()  # nothing to reset


@needs_data
def test_a_head_of_int16_is_read_by_its_own_scale() -> None:
    file = "tinyvad_int8_int16head.tflite"
    engine = open_engine((MODELS / file).read_bytes(), file)
    [head] = engine.outputs
    assert head.dtype == np.int16
    assert head.quantisation is not None
    assert head.quantisation[0] * 32767 == pytest.approx(2.0, abs=1e-3)
    made = [
        engine.infer([to_dtype(features, engine.inputs[0])])[0]
        for features in np.random.default_rng(0).normal(0, 1, (20, 1, 1, 32, 16)).astype(np.float32)
    ]
    assert len({int(one[0, 0]) for one in made}) > 10
    for one in made:
        assert one.dtype == np.int16
        assert float(to_real(one, head)[0, 0]) == pytest.approx(
            int(one[0, 0]) * head.quantisation[0]
        )
