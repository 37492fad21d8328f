"""The gate in front of a model: what does not fit or was changed is refused in one clear line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference import load_model
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.network import Network
from edge_runtime.manifest import find_bundle, list_bundles, load_manifest
from tests.support.data import PROJECT, needs_data
from tests.support.models import THIRD_PARTY, third_party_bundle, write_bundle
from tests.support.tiny_onnx import (
    dense_onnx,
    field,
    keep_no_axes,
    onnx_model,
    onnx_node,
    onnx_tensor,
    onnx_value,
)
from tests.support.tiny_tflite import dense_tflite

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = np.zeros((4 * 4 * 3, 2), np.float32)
SHAPE = [1, 3, 4, 4]
CLASSIFIER: dict[str, Any] = {
    "task": "image-classification",
    "labels": ["ok", "bad"],
    "image": {"width": 4, "height": 4, "layout": "NCHW"},
}
TILED: dict[str, Any] = {
    "task": "tile-classification",
    "labels": ["ok", "bad"],
    "image": {"width": 8, "height": 8, "layout": "NHWC", "colour": "GRAY"},
    "tiles": {"width": 8, "height": 8, "stride": 8, "batch": 4, "positive": "bad"},
}
SOUND: dict[str, Any] = {
    "task": "audio-classification",
    "labels": ["yes", "no"],
    "audio": {"front_end": "mfcc"},
}


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        load_model(folder)
    told = str(raised.value)
    assert "\n" not in told
    return told


def bundle(folder: Path, table: dict[str, Any], model: bytes, file: str = "model.onnx") -> Path:
    return write_bundle(folder, model, table, file=file)


@pytest.fixture(params=["model.onnx", "model.tflite"])
def good(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    maker = dense_onnx if request.param.endswith("onnx") else dense_tflite
    return bundle(tmp_path / "good", CLASSIFIER, maker(WEIGHTS, SHAPE), request.param)


def test_a_good_bundle_loads_and_tells_its_name_and_hash(good: Path) -> None:
    model = load_model(good)
    assert model.manifest.id == "fixture/1.0.0"
    assert model.sha256 == load_manifest(good).sha256[model.manifest.file]
    model.close()


def test_a_model_changed_by_one_bit_is_refused_before_it_is_opened(good: Path) -> None:
    path = good / load_manifest(good).file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    told = refusal(good)
    assert str(path) in told
    assert "the manifest says" in told
    assert "install the bundle again" in told


def test_a_missing_file_of_the_bundle_is_named(good: Path) -> None:
    path = good / load_manifest(good).file
    path.unlink()
    assert refusal(good).startswith(f"{path}: listed in the manifest's sha256, but")


def test_every_listed_file_is_checked_not_only_the_model(tmp_path: Path) -> None:
    table = {**CLASSIFIER, "sha256": {"model.onnx": "", "labels.txt": "0" * 64}}
    model = dense_onnx(WEIGHTS, SHAPE)
    folder = bundle(tmp_path / "b", CLASSIFIER, model)
    digest = load_manifest(folder).sha256["model.onnx"]
    bundle(folder, {**table, "sha256": {**table["sha256"], "model.onnx": digest}}, model)
    (folder / "labels.txt").write_text("ok\nbad\n")
    assert "labels.txt: sha256 is" in refusal(folder)


def test_a_pipe_in_place_of_the_model_does_not_hang(good: Path) -> None:
    path = good / load_manifest(good).file
    path.unlink()
    os.mkfifo(path)
    assert "there is no such file" in refusal(good)


def test_a_folder_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not a model bundle: there is no model\.toml"):
        load_model(tmp_path)


def test_a_manifest_that_is_wrong_tells_every_problem(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "b", {**CLASSIFIER, "labels": [], "colour": 1}, b"x")
    with pytest.raises(ModelError) as raised:
        load_model(folder)
    lines = str(raised.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{folder}/model.toml: ") for line in lines)


def test_a_manifest_of_a_later_format_is_refused(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "b", {**CLASSIFIER, "format": 2}, b"x")
    assert "format 2 is not supported; this version reads 1" in refusal(folder)


@pytest.mark.parametrize(
    ("table", "model", "told"),
    [
        (
            {**CLASSIFIER, "image": {"width": 8, "height": 4, "layout": "NCHW"}},
            dense_onnx(WEIGHTS, SHAPE),
            (
                "the manifest says [1, 3, 4, 8], the model's input is 'x' [1, 3, 4, 4] float32; "
                "correct [image] in model.toml"
            ),
        ),
        (
            {**CLASSIFIER, "image": {"width": 4, "height": 4, "layout": "NHWC"}},
            dense_onnx(WEIGHTS, SHAPE),
            "the manifest says [1, 4, 4, 3], the model's input is 'x' [1, 3, 4, 4] float32",
        ),
        (
            {**CLASSIFIER, "labels": ["a", "b", "c"]},
            dense_onnx(WEIGHTS, SHAPE),
            "the manifest has 3 labels, the model's output is 'y' [1, 2] float32; correct labels",
        ),
        (
            TILED,
            dense_onnx(np.zeros((64, 2), np.float32), [1, 8, 8, 1]),
            (
                "the manifest says [4, 8, 8, 1], the model's input is 'x' [1, 8, 8, 1] float32; "
                "correct [image] or [tiles]"
            ),
        ),
        (
            {**TILED, "labels": ["ok", "bad", "worse"]},
            dense_onnx(np.zeros((64, 2), np.float32), ["n", 8, 8, 1]),
            "the model's output is 'y' [4, 2] float32 for a batch of 4; correct labels",
        ),
        (
            SOUND,
            dense_onnx(np.zeros((480, 2), np.float32), [1, 48, 10, 1]),
            (
                "the manifest says [49, 10], the model's input is 'x' [1, 48, 10, 1] float32; "
                "correct [audio]"
            ),
        ),
        (
            {**SOUND, "audio": {"front_end": "mfcc", "layout": "mels_first"}},
            dense_onnx(np.zeros((490, 2), np.float32), [1, 49, 10, 1]),
            "the manifest says [10, 49], the model's input is",
        ),
    ],
)
def test_a_model_that_is_not_what_the_manifest_says_is_refused_with_both(
    tmp_path: Path, table: dict[str, Any], model: bytes, told: str
) -> None:
    folder = bundle(tmp_path / "b", table, model)
    said = refusal(folder)
    assert said.startswith(f"{folder}/model.onnx: ")
    assert told in said


@pytest.mark.parametrize("shape", [[1, 49, 10, 1], [1, 1, 49, 10], [1, 490], ["n", 49, 10]])
def test_features_fit_whatever_axes_of_one_the_model_has(
    tmp_path: Path, shape: list[int | str]
) -> None:
    model = load_model(
        bundle(tmp_path / "b", SOUND, dense_onnx(np.zeros((490, 2), np.float32), shape))
    )
    answer = model.sound_runner().segment(np.zeros(16000, np.int16), 16000)
    assert {score.label for score in answer.scores} == {"yes", "no"}


def test_weights_in_another_file_are_refused_although_the_hash_is_right(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "b", CLASSIFIER, dense_onnx(WEIGHTS, SHAPE, external="w.bin"))
    assert "external data" in refusal(folder)


@needs_data
def test_the_third_party_model_with_custom_operators_is_refused_by_their_names(
    tmp_path: Path,
) -> None:
    folder = third_party_bundle(tmp_path / "n", "NEGATIVE_audio_preprocessor_int8.tflite")
    assert "needs the custom operators" in refusal(folder)
    assert "SignalWindow" in refusal(folder)


@needs_data
@pytest.mark.parametrize("file", THIRD_PARTY)
def test_third_party_models_cut_anywhere_are_refused(tmp_path: Path, file: str) -> None:
    for share in (0.01, 0.3, 0.7, 0.999):
        refusal(third_party_bundle(tmp_path / f"cut{share}", file, share=share))


def test_a_bundle_is_found_by_name_the_highest_version_first(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0"):
        bundle(tmp_path / "m" / version, {**CLASSIFIER, "version": version}, b"x")
    assert find_bundle("m", tmp_path) == tmp_path / "m" / "0.10.0"
    assert find_bundle("m/0.9.0", tmp_path) == tmp_path / "m" / "0.9.0"
    assert find_bundle(str(tmp_path / "m" / "0.9.0"), None) == tmp_path / "m" / "0.9.0"
    assert tmp_path / "m" / "0.9.0" in list_bundles(tmp_path)


def test_a_model_that_is_not_there_is_told_with_where_was_looked(tmp_path: Path) -> None:
    bundle(tmp_path / "known" / "1.0.0", CLASSIFIER, b"x")
    with pytest.raises(ModelError, match=rf"'unknown' is not in {tmp_path}.*known: .*known"):
        find_bundle("unknown", tmp_path)


def test_loading_a_tflite_model_writes_nothing_to_stderr_and_loses_nothing_of_others(
    tmp_path: Path,
) -> None:
    folder = bundle(tmp_path / "b", CLASSIFIER, dense_tflite(WEIGHTS, SHAPE), "m.tflite")
    code = (
        "import os, pathlib, sys\n"
        "from edge_runtime.inference import load_model\n"
        "from edge_runtime.inference.engines.tflite import without_delegate_line\n"
        "load_model(pathlib.Path(sys.argv[1])).picture_runner()\n"
        "with without_delegate_line():\n"
        "    os.write(2, b'somebody else\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == "somebody else\n"


def test_a_model_loads_its_own_engine_only_and_importing_the_package_loads_none(
    tmp_path: Path,
) -> None:
    model = dense_onnx(np.zeros((490, 2), np.float32), [1, 49, 10, 1])
    folder = bundle(tmp_path / "b", SOUND, model)
    code = (
        "import pathlib, sys\n"
        "from edge_runtime.inference import load_model\n"
        "heavy = {'cv2', 'onnxruntime', 'ai_edge_litert', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "load_model(pathlib.Path(sys.argv[1])).sound_runner()\n"
        "assert 'ai_edge_litert' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=PROJECT, timeout=60, check=True)


def test_threads_are_limited_by_variables_that_an_operator_can_overrule() -> None:
    code = (
        "import os\n"
        "from edge_runtime.inference.engines.threads import limit_threads\n"
        "limit_threads()\n"
        "import cv2\n"
        "print(cv2.getNumThreads(), os.environ['OPENBLAS_NUM_THREADS'])\n"
    )
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    }
    for extra, expected in (({}, "1 1"), ({"OPENBLAS_NUM_THREADS": "2"}, "1 2")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=PROJECT,
            env={**environment, **extra},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.strip() == expected


@pytest.mark.parametrize("axes", [[1, 28, 28], [28, 28], [1, 784], [1, 28, 28, 1], ["n", 28, 28]])
def test_grey_pictures_go_into_inputs_without_an_axis_for_their_colour(
    tmp_path: Path, axes: list[int | str]
) -> None:
    """The scores are how bright the upper and the lower half are."""
    halves = np.zeros((28, 28, 2), np.float32)
    halves[:14, :, 0] = halves[14:, :, 1] = 1 / (14 * 28)
    nodes = [
        onnx_node("Reshape", ["x", "flat_shape"], ["flat"]),
        onnx_node("MatMul", ["flat", "w"], ["y"]),
    ]
    model = onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", axes)],
        outputs=[onnx_value("y", "float32", [1, 2])],
        tensors=[
            onnx_tensor("w", halves.reshape(-1, 2)),
            onnx_tensor("flat_shape", np.array([1, 784], np.int64)),
        ],
    )
    image = {"width": 28, "height": 28, "layout": "NCHW", "colour": "GRAY"}
    loaded = load_model(bundle(tmp_path / "b", {**CLASSIFIER, "image": image}, model))
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[:14] = 255
    pixels[14:] = 51
    scores = {s.label: s.score for s in loaded.picture_runner().frame(pixels).scores}
    assert list(scores.values()) == pytest.approx([1.0, 0.2], abs=1e-6)


def test_an_export_for_several_pictures_at_a_time_is_told_so(tmp_path: Path) -> None:
    batched = dense_onnx(WEIGHTS, [4, *SHAPE[1:]])
    told = refusal(bundle(tmp_path / "b", CLASSIFIER, batched))
    assert "exported for 4 pictures at a time" in told
    assert "batch 1, or an open batch" in told
    assert "[image]" not in told
    tiled = dense_onnx(np.zeros((64, 2), np.float32), [2, 8, 8, 1])
    assert "set tiles.batch = 2" in refusal(bundle(tmp_path / "t", TILED, tiled))


def test_a_file_of_a_later_onnx_is_told_with_both_versions(tmp_path: Path) -> None:
    model = dense_onnx(WEIGHTS, SHAPE)
    later = field(1, 30) + model[len(field(1, 8)) :]
    told = refusal(bundle(tmp_path / "b", CLASSIFIER, later))
    assert re.search(r"IR version: 30, max supported IR version: \d+$", told), told
    assert "ModelProto" not in told


def test_a_state_that_comes_out_with_an_axis_more_is_fed_back_by_the_runtime(
    tmp_path: Path,
) -> None:
    """Each step adds its first number to 24 states: [1, 24] goes in, [1, 1, 24] comes out."""
    nodes = [
        onnx_node("ReduceMax", ["x"], ["level"], attributes=[keep_no_axes()]),
        onnx_node("Add", ["state", "level"], ["raised"]),
        onnx_node("Reshape", ["raised", "wide"], ["next"]),
        onnx_node("ReduceMax", ["raised"], ["most"], attributes=[keep_no_axes()]),
        onnx_node("Add", ["zeros", "most"], ["y"]),
    ]
    model = onnx_model(
        nodes,
        inputs=[onnx_value("x", "float32", [1, 2]), onnx_value("state", "float32", [1, 24])],
        outputs=[onnx_value("y", "float32", [1, 2]), onnx_value("next", "float32", [1, 1, 24])],
        tensors=[
            onnx_tensor("wide", np.array([1, 1, 24], np.int64)),
            onnx_tensor("zeros", np.zeros((1, 2), np.float32)),
        ],
    )
    table: dict[str, Any] = {
        "task": "numbers",
        "labels": ["a", "b"],
        "numbers": {"columns": 2},
        "states": {"state": "next"},
    }
    folder = bundle(tmp_path / "b", table, model)
    engine = open_engine(model, "m.onnx")
    network = Network(load_manifest(folder), engine)
    ones = np.ones((1, 2), np.float32)
    assert [float(network.run(ones)[0][0, 0]) for _ in range(3)] == [1.0, 2.0, 3.0]
    load_model(folder).close()
