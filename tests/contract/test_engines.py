"""One suite over every engine: the same dense layer must answer the same through all of them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.opening import ThreadEngine, open_engine
from edge_runtime.inference.engines.runtimes import Runtime, is_installed
from edge_runtime.inference.engines.tensors import to_dtype, to_real
from tests.support.data import PROJECT
from tests.support.tiny_onnx import dense_onnx
from tests.support.tiny_tflite import dense_tflite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.protocols import Engine

SHAPE = (1, 2, 3, 1)
WEIGHTS = np.random.default_rng(7).normal(0, 1, (6, 4)).astype(np.float32)


@dataclass(frozen=True)
class Kind:
    runtime: Runtime
    format: str
    given: str = "float32"
    made: str = "float32"

    def open(self) -> ThreadEngine:
        needs(self.runtime)
        if self.format == "onnx":
            model = dense_onnx(WEIGHTS, SHAPE, dtype=self.given, output=self.made)
            return open_engine(model, "m.onnx", runtime=self.runtime)
        zero = 0 if "int16" in (self.given, self.made) else 5
        model = dense_tflite(
            WEIGHTS,
            SHAPE,
            dtype=self.given,
            output=self.made,
            input_q=(0.02, zero if self.given != "int16" else 0),
            output_q=(0.1, zero if self.made != "int16" else 0),
        )
        return open_engine(model, "m.tflite", runtime=self.runtime)


@functools.cache
def opened(kind: Kind) -> ThreadEngine:
    """One engine of a kind for all tests that leave it open: OpenVINO takes its time to compile."""
    return kind.open()


def needs(runtime: Runtime) -> None:
    """CI has every runtime; elsewhere the optional one may be missing."""
    if not is_installed(runtime):
        assert os.environ.get("CI") != "true", f"CI needs {runtime}"
        pytest.skip(f"{runtime} is not installed")


ENGINES: list[tuple[Runtime, str]] = [
    ("onnxruntime", "onnx"),
    ("litert", "tflite"),
    ("openvino", "onnx"),
    ("openvino", "tflite"),
]
KINDS = [
    Kind(runtime, form, given, made)
    for runtime, form in ENGINES
    for given, made in [
        ("float32", "float32"),
        ("int8", "int8"),
        ("uint8", "uint8"),
        ("int8", "int16"),
        ("float32", "uint8"),
        ("int16", "float32"),
    ]
]


@pytest.fixture(params=KINDS, ids=lambda k: f"{k.runtime}-{k.format}-{k.given}-{k.made}")
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


def tensor(engine: ThreadEngine, seed: int = 0) -> NDArray[np.generic]:
    """An input that every dtype holds without loss of more than its step."""
    spec = engine.inputs[0]
    span = 2.0 if spec.quantisation else 20.0
    real = np.random.default_rng(seed).uniform(0, span, SHAPE).astype(np.float32)
    return to_dtype(real, spec)


def dense(engine: ThreadEngine, values: NDArray[np.generic]) -> NDArray[np.float32]:
    """What the layer answers to just these values."""
    return to_real(values, engine.inputs[0]).reshape(1, -1) @ WEIGHTS


def test_it_satisfies_the_seam(kind: Kind) -> None:
    engine: Engine = opened(kind)
    assert len(engine.inputs) == len(engine.outputs) == 1


def test_it_tells_name_shape_and_dtype_of_its_tensors(kind: Kind) -> None:
    engine = opened(kind)
    assert engine.inputs[0].name == "x"
    assert engine.inputs[0].shape == SHAPE
    assert engine.inputs[0].dtype == np.dtype(kind.given)
    assert engine.outputs[0].shape == (1, 4)
    assert engine.outputs[0].dtype == np.dtype(kind.made)


def test_only_quantised_tensors_have_a_quantisation(kind: Kind) -> None:
    engine = opened(kind)
    expected = kind.format == "tflite" and kind.given != "float32"
    assert (engine.inputs[0].quantisation is not None) == expected
    assert str(engine.inputs[0]) == f"'x' [1, 2, 3, 1] {kind.given}"


def test_it_computes_the_layer_within_one_step_of_the_output(kind: Kind) -> None:
    engine = opened(kind)
    step = {"float32": 1e-5}.get(kind.made, 0.1 if kind.format == "tflite" else 1.0)
    spec = engine.outputs[0]
    limits = (-np.inf, np.inf)
    if kind.made != "float32":
        info = np.iinfo(kind.made)
        scale, zero = spec.quantisation or (1.0, 0)
        limits = ((info.min - zero) * scale, (info.max - zero) * scale)
    for seed in range(20):
        values = tensor(engine, seed)
        [made] = engine.infer([values])
        expected = np.clip(dense(engine, values), *limits)
        if kind.made == "uint8" and kind.format == "onnx":
            expected = np.maximum(expected, 0)  # a Cast of less than nothing is not defined
            made = np.where(dense(engine, values) < 0, 0, made)
        assert np.abs(to_real(made, spec) - expected).max() <= step * 1.01


def test_the_answer_is_the_callers_and_no_later_run_changes_it(kind: Kind) -> None:
    engine = opened(kind)
    [first] = engine.infer([tensor(engine, 1)])
    kept = first.copy()
    engine.infer([tensor(engine, 2)])
    assert np.array_equal(first, kept)
    first[:] = 0  # writable


def test_it_leaves_its_input_alone_and_takes_one_that_is_read_only(kind: Kind) -> None:
    engine = opened(kind)
    values = tensor(engine)
    before = values.copy()
    values.flags.writeable = False
    engine.infer([values])
    assert np.array_equal(values, before)


def test_a_wrong_shape_is_one_bad_item_and_the_next_one_runs(kind: Kind) -> None:
    engine = opened(kind)
    values = tensor(engine)
    with pytest.raises(ItemError, match="inference failed: "):
        engine.infer([values.reshape(1, 6, 1, 1)])
    engine.infer([values])


def test_a_wrong_dtype_is_one_bad_item(kind: Kind) -> None:
    engine = opened(kind)
    with pytest.raises(ItemError, match="inference failed: "):
        engine.infer([tensor(engine).astype(np.float64)])


def test_a_wrong_number_of_tensors_is_one_bad_item(kind: Kind) -> None:
    engine = opened(kind)
    with pytest.raises(ItemError, match="inference failed: "):
        engine.infer([])


def test_closing_twice_is_fine_and_running_afterwards_is_an_error_not_a_crash(kind: Kind) -> None:
    engine = kind.open()
    values = tensor(engine)
    engine.close()
    engine.close()
    with pytest.raises(ItemError, match="closed"):
        engine.infer([values])


def test_threads_with_an_engine_each_get_the_answers_of_one_alone(kind: Kind) -> None:
    first = opened(kind)
    expected = [first.infer([tensor(first, seed)])[0] for seed in range(50)]
    wrong: list[int] = []

    def run(engine: ThreadEngine) -> None:
        wrong.extend(
            seed
            for seed in range(50)
            if not np.array_equal(engine.infer([tensor(engine, seed)])[0], expected[seed])
        )

    engines = [first, first.for_thread(), first.for_thread()]
    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


@pytest.mark.parametrize(("runtime", "form"), ENGINES)
def test_an_open_batch_takes_the_batch_that_was_asked_for(runtime: Runtime, form: str) -> None:
    needs(runtime)
    if form == "onnx":
        model = dense_onnx(WEIGHTS, ["n", 2, 3, 1])
    else:
        model = dense_tflite(WEIGHTS, SHAPE, open_batch=True)
    engine = open_engine(model, f"m.{form}", batch=8, runtime=runtime)
    assert engine.inputs[0].accepts((8, 2, 3, 1))
    values = np.random.default_rng(3).normal(0, 1, (8, 2, 3, 1)).astype(np.float32)
    for each in (engine, engine.for_thread()):
        [made] = each.infer([values])
        assert made == pytest.approx(values.reshape(8, 6) @ WEIGHTS, abs=1e-5)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.xml"])
@pytest.mark.parametrize("model", [b"", b"\0" * 8, b"x" * 4096, b"\0\0\0\0TFL3" + b"\xff" * 64])
def test_what_is_no_model_is_refused_in_one_line_with_its_name(name: str, model: bytes) -> None:
    with pytest.raises(ModelError) as raised:
        open_engine(model, name)
    assert str(raised.value).startswith(f"{name}: ")
    assert "\n" not in str(raised.value)


def as_ir(model: bytes, folder: Path) -> tuple[bytes, bytes]:
    """(xml, bin) of an ONNX model."""
    import openvino

    openvino.save_model(openvino.Core().read_model(model), folder / "m.xml", compress_to_fp16=False)
    return (folder / "m.xml").read_bytes(), (folder / "m.bin").read_bytes()


def test_an_ir_with_its_weights_answers_as_the_onnx_it_was_made_of(tmp_path: Path) -> None:
    needs("openvino")
    xml, weights = as_ir(dense_onnx(WEIGHTS, SHAPE), tmp_path)
    engine = open_engine(xml, "m.xml", weights=weights)
    values = tensor(engine)
    assert engine.infer([values])[0] == pytest.approx(dense(engine, values), abs=1e-4)
    with pytest.raises(ModelError, match="beyond the end of the weights"):
        open_engine(xml, "m.xml", weights=weights[:-4])


def test_openvino_leaves_no_telemetry_and_no_copy_of_the_model_behind(tmp_path: Path) -> None:
    needs("openvino")
    model = dense_tflite(WEIGHTS, SHAPE)
    (tmp_path / "m.tflite").write_bytes(model)
    code = """
import os, pathlib, sys, tempfile
tempfile.tempdir = os.environ["HOME"]
from edge_runtime.inference.engines.opening import open_engine
engine = open_engine(pathlib.Path(sys.argv[1]).read_bytes(), "m.tflite", runtime="openvino")
print([name for name in sys.modules if name.startswith("openvino_telemetry")])
"""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.tflite")],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)},
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[]\n"
    assert list(home.iterdir()) == []


def test_onnx_runtime_leaves_no_telemetry_behind(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(dense_onnx(WEIGHTS, SHAPE))
    code = """
import pathlib, sys
from edge_runtime.inference.engines.opening import open_engine
open_engine(pathlib.Path(sys.argv[1]).read_bytes(), "m.onnx")
"""
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: v for name, v in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.onnx")],
        env={**environment, "HOME": str(home), "XDG_CACHE_HOME": str(home)},
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    assert list(home.iterdir()) == []
