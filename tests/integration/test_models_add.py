"""``models add``: exports of other tools become bundles that run."""

from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ExitCode
from edge_runtime.files import image as image_file
from edge_runtime.inference import load_model
from edge_runtime.manifest import load_manifest
from tests.support.command_line import Ended, run
from tests.support.data import MODELS, needs_data
from tests.support.exports import (
    SIDE_PX,
    any_onnx,
    picture_tflite,
    taught_tflite,
    tflite_with_metadata,
    ultralytics_onnx,
    zip_of,
)
from tests.support.models import MANIFESTS, THIRD_PARTY

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Blue on the left, red on the right, 64 x 32."""
    import cv2

    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, :32, 0] = 200
    pixels[:, 32:, 2] = 120
    path = tmp_path / "part.png"
    cv2.imwrite(str(path), pixels)
    return path


def add(capsys: Capsys, tmp_path: Path, name: str, data: bytes, *more: str | Path) -> Ended:
    file = tmp_path / name
    file.write_bytes(data)
    return run(capsys, "models", "add", file, "--models-dir", tmp_path / "models", *more)


def only_bundle(tmp_path: Path) -> Path:
    (manifest,) = (tmp_path / "models").glob("*/*/model.toml")
    return manifest.parent


PLAIN = ("--task", "image-classification", "--colour", "RGB", "--resize", "stretch")
NUMBERS = ("--mean", "0", "--scale", "1/255", "--activation", "softmax")
DETECTOR = ultralytics_onnx("detect", ["ok", "bad"], {"output0": [1, 6, 20]})


def test_an_ultralytics_export_is_added_without_a_question(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    ended = add(capsys, tmp_path, "line.onnx", DETECTOR, "--no-input", "--sample", picture)
    assert ended.code == ExitCode.OK, ended.err
    folder = only_bundle(tmp_path)
    assert folder == tmp_path / "models" / "line" / "1.0.0"
    assert load_manifest(folder).labels == ["ok", "bad"]
    assert "added line/1.0.0" in ended.out
    assert (folder / "labels.txt").read_text() == "ok\nbad\n"
    assert "AGPL" in (folder / "MODEL_CARD.md").read_text()
    assert not (folder / "LICENSE").exists()
    assert image_file.read_image(folder / "view.png").shape[1] > 400


def test_an_added_model_answers_like_its_manifest_says_and_has_golden_samples(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    assert add(capsys, tmp_path, "m.onnx", DETECTOR, "--sample", picture).code == ExitCode.OK
    verified = run(capsys, "models", "verify", "m", "--models-dir", tmp_path / "models", "--json")
    assert verified.code == ExitCode.OK, verified.err


def test_without_a_terminal_one_line_names_every_flag(capsys: Capsys, tmp_path: Path) -> None:
    ended = add(capsys, tmp_path, "m.tflite", picture_tflite(2))
    assert ended.code == ExitCode.USAGE
    (line,) = ended.err.splitlines()
    for flag in ("--task", "--labels", "--colour", "--resize", "--mean", "--scale", "--activation"):
        assert flag in line
    assert not (tmp_path / "models").exists()


def test_flags_answer_everything(capsys: Capsys, tmp_path: Path) -> None:
    ended = add(
        capsys, tmp_path, "m.tflite", picture_tflite(2), *PLAIN, *NUMBERS,
        "--labels", "ok,bad", "--name", "cups", "--version", "2.0", "--licence", "MIT",
        "--threshold", "bad=0.7", "--set", "latency.budget_ms=40",
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    manifest = load_manifest(tmp_path / "models" / "cups" / "2.0")
    assert manifest.output.activation == "softmax"
    assert manifest.reject == {"bad": 0.7}
    assert manifest.provenance.licence == "MIT"
    assert manifest.latency is not None
    assert manifest.latency.budget_ms == 40


def test_lists_sizes_and_licences_come_from_options_too(capsys: Capsys, tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text('["ok", "bad"]')
    (tmp_path / "COPYING").write_text("as you like")
    model = any_onnx([1, 3, "height", "width"], {"scores": [1, 2]})
    ended = add(
        capsys, tmp_path, "m.onnx", model, *PLAIN, *NUMBERS, "--size", "48x32",
        "--labels-file", tmp_path / "names.json", "--licence-file", tmp_path / "COPYING",
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    folder = only_bundle(tmp_path)
    manifest = load_manifest(folder)
    assert manifest.image is not None
    assert (manifest.image.width, manifest.image.height) == (48, 32)
    assert manifest.labels == ["ok", "bad"]
    assert (folder / "LICENSE").read_text() == "as you like"


@pytest.mark.parametrize(
    ("flags", "told", "codes"),
    [
        (("--size", "48"), "write WIDTHxHEIGHT", (ExitCode.USAGE, ExitCode.CONFIG)),
        (("--set", "audio.mels"), "write KEY=VALUE", (ExitCode.USAGE, ExitCode.CONFIG)),
        (("--threshold", "bad=2"), "write LABEL=SCORE", (ExitCode.USAGE, ExitCode.CONFIG)),
        (("--mean", "x"), "write numbers or fractions", (ExitCode.USAGE, ExitCode.CONFIG)),
        (
            ("--task", "guessing"),
            "possible: image-classification",
            (ExitCode.USAGE, ExitCode.CONFIG),
        ),
        (("--config", "gone.toml"), "gone.toml", (ExitCode.NO_INPUT,)),
    ],
)
def test_options_that_make_no_sense_are_one_clear_line(
    capsys: Capsys,
    tmp_path: Path,
    flags: tuple[str, ...],
    told: str,
    codes: tuple[ExitCode, ...],
) -> None:
    (tmp_path / "m.onnx").write_bytes(DETECTOR)
    where = () if "--config" in flags else ("--models-dir", tmp_path / "models")
    ended = run(capsys, "models", "add", tmp_path / "m.onnx", *where, *flags)
    assert ended.code in codes
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_key_that_the_manifest_does_not_have_is_named(capsys: Capsys, tmp_path: Path) -> None:
    ended = add(capsys, tmp_path, "m.onnx", DETECTOR, "--set", "image.colur=RGB")
    assert ended.code == ExitCode.CONFIG
    assert "image.colur: unknown key; did you mean 'colour'?" in ended.err


def test_yes_takes_what_is_likely_but_invents_no_labels(capsys: Capsys, tmp_path: Path) -> None:
    ended = add(capsys, tmp_path, "m.tflite", picture_tflite(2), "--yes")
    assert ended.code == ExitCode.USAGE
    assert "--labels" in ended.err
    ended = add(capsys, tmp_path, "m.tflite", picture_tflite(2), "--yes", "--labels", "ok,bad")
    assert ended.code == ExitCode.OK, ended.err
    card = (only_bundle(tmp_path) / "MODEL_CARD.md").read_text()
    assert "| `image.scale` | 1/255 | likely, taken by --yes |" in card


def test_a_version_is_never_overwritten_unless_asked(capsys: Capsys, tmp_path: Path) -> None:
    assert add(capsys, tmp_path, "m.onnx", DETECTOR).code == ExitCode.OK
    before = (only_bundle(tmp_path) / "model.toml").read_bytes()
    again = add(capsys, tmp_path, "m.onnx", DETECTOR, "--licence", "other")
    assert again.code == ExitCode.USAGE
    assert "--version 1.0.1" in again.err
    assert (only_bundle(tmp_path) / "model.toml").read_bytes() == before
    replaced = add(capsys, tmp_path, "m.onnx", DETECTOR, "--licence", "other", "--replace")
    assert replaced.code == ExitCode.OK
    assert load_manifest(only_bundle(tmp_path)).provenance.licence == "other"
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["m"]


def test_what_a_killed_add_left_is_swept_away(capsys: Capsys, tmp_path: Path) -> None:
    dead, alive = (tmp_path / "models" / f".adding-m-1.0.0-{pid}" for pid in (2**22 + 1, 1))
    for left in (dead, alive):
        left.mkdir(parents=True)
        (left / "model.onnx").write_bytes(b"half of it")
    assert add(capsys, tmp_path, "m.onnx", DETECTOR).code == ExitCode.OK
    assert not dead.exists()
    assert alive.exists()


def test_a_model_that_does_not_load_leaves_nothing_behind(capsys: Capsys, tmp_path: Path) -> None:
    ended = add(
        capsys, tmp_path, "m.tflite", picture_tflite(2), *PLAIN, *NUMBERS, "--labels", "a,b,c"
    )
    assert ended.code == ExitCode.CONFIG
    assert "3 labels" in ended.err
    assert ".adding" not in ended.err
    assert list((tmp_path / "models").iterdir()) == []


def test_a_sample_of_the_wrong_kind_leaves_nothing_behind(capsys: Capsys, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no picture")
    ended = add(capsys, tmp_path, "m.onnx", DETECTOR, "--sample", tmp_path / "no.png")
    assert ended.code == ExitCode.USAGE
    assert "not a JPEG, PNG, BMP, TIFF or WebP" in ended.err
    assert list((tmp_path / "models").iterdir()) == []


def test_nowhere_to_put_it_is_a_usage_error(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_RUNTIME_MODELS", raising=False)
    file = tmp_path / "m.onnx"
    file.write_bytes(DETECTOR)
    ended = run(capsys, "models", "add", file)
    assert ended.code == ExitCode.USAGE
    for way in ("--models-dir", "--config", "EDGE_RUNTIME_MODELS"):
        assert way in ended.err
    monkeypatch.setenv("EDGE_RUNTIME_MODELS", str(tmp_path / "mine"))
    assert run(capsys, "models", "add", file).code == ExitCode.OK
    assert (tmp_path / "mine" / "m" / "1.0.0" / "model.toml").is_file()


def test_a_folder_that_cannot_be_written_is_told(capsys: Capsys, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    ended = add(capsys, tmp_path, "m.onnx", DETECTOR)
    assert ended.code == ExitCode.CANNOT_CREATE
    assert "cannot be written" in ended.err


def test_a_dry_run_shows_the_manifest_and_writes_nothing(capsys: Capsys, tmp_path: Path) -> None:
    ended = add(capsys, tmp_path, "m.onnx", DETECTOR, "--dry-run")
    assert ended.code == ExitCode.OK
    assert 'decoder = "yolov8"' in ended.out
    assert not (tmp_path / "models").exists()


def test_json_tells_every_fact_with_its_origin(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    ended = add(capsys, tmp_path, "m.onnx", DETECTOR, "--json", "--sample", picture)
    told = ended.json
    assert told["kind"] == "Ultralytics ONNX"
    assert told["facts"]["image.layout"] == {"value": "NCHW", "origin": "the input's shape"}
    assert told["manifest"]["image"]["resize"] == "letterbox"
    assert told["folder"] == str(only_bundle(tmp_path))
    assert set(told["samples"][0]["scores"]) == {"ok", "bad"}


def test_a_teachable_machine_zip_is_added_as_it_is(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    members: dict[str, bytes | str] = {}
    members |= {"model_unquant.tflite": taught_tflite(2), "labels.txt": "0 Good\n1 Bad\n"}
    ended = add(
        capsys, tmp_path, "converted_tflite.zip", zip_of(members), "--no-input",
        "--name", "cups", "--sample", picture,
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    assert load_manifest(tmp_path / "models" / "cups" / "1.0.0").labels == ["Good", "Bad"]


def test_tflite_metadata_leave_one_question(capsys: Capsys, tmp_path: Path) -> None:
    model = tflite_with_metadata(picture_tflite(2), ["a", "b"], mean=[127.5], deviation=[127.5])
    refused = add(capsys, tmp_path, "m.tflite", model, "--no-input", "--activation", "none")
    assert refused.code == ExitCode.USAGE
    assert refused.err.count("--") == 1
    assert "--resize" in refused.err
    ended = add(capsys, tmp_path, "m.tflite", model, "--activation", "none", "--resize", "stretch")
    assert ended.code == ExitCode.OK, ended.err


@pytest.mark.parametrize(
    "heads",
    [
        {"pred_score": [1, 1], "anomaly_map": [1, 1, 8, 8]},
        {"pred_score": [1], "pred_label": [1]},
        {"anomaly_map": [1, 1, 8, 8]},
    ],
)
def test_an_anomalib_export_is_judged_at_one_half(
    capsys: Capsys, tmp_path: Path, picture: Path, heads: dict[str, list[int]]
) -> None:
    model = any_onnx([1, 3, SIDE_PX, SIDE_PX], heads, name="input")
    ended = add(capsys, tmp_path, "a.onnx", model, "--no-input", "--sample", picture)
    assert ended.code == ExitCode.OK, ended.err
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.task == "anomaly"
    assert manifest.reject == {"anomalous": 0.5}


@pytest.mark.parametrize("how", ["folder", "zip", "nested zip"])
def test_a_ready_bundle_is_copied_as_it_is(capsys: Capsys, tmp_path: Path, how: str) -> None:
    made = tmp_path / "made"
    file = tmp_path / "m.onnx"
    file.write_bytes(DETECTOR)
    assert run(capsys, "models", "add", file, "--models-dir", made).code == ExitCode.OK
    bundle = made / "m" / "1.0.0"
    files = {str(p.relative_to(bundle)): p.read_bytes() for p in bundle.rglob("*") if p.is_file()}
    given: Path = bundle
    if how != "folder":
        prefix = "m/1.0.0/" if how == "nested zip" else ""
        given = tmp_path / "bundle.zip"
        given.write_bytes(zip_of({f"{prefix}{name}": data for name, data in files.items()}))
    ended = run(capsys, "models", "add", given, "--models-dir", tmp_path / "models")
    assert ended.code == ExitCode.OK, ended.err
    copied = only_bundle(tmp_path)
    for name in ("model.toml", "model.onnx", "golden/golden.json", "MODEL_CARD.md"):
        assert (copied / name).read_bytes() == files[name], name


def test_a_ready_bundle_with_another_hash_is_refused(capsys: Capsys, tmp_path: Path) -> None:
    made = tmp_path / "made"
    file = tmp_path / "m.onnx"
    file.write_bytes(DETECTOR)
    assert run(capsys, "models", "add", file, "--models-dir", made).code == ExitCode.OK
    bundle = made / "m" / "1.0.0"
    (bundle / "labels.txt").write_text("good\nbad\n")
    ended = run(capsys, "models", "add", bundle, "--models-dir", tmp_path / "models")
    assert ended.code == ExitCode.CONFIG
    assert "sha256" in ended.err
    assert list((tmp_path / "models").iterdir()) == []


def test_what_the_model_sees_comes_back_as_pixels(tmp_path: Path) -> None:
    from edge_runtime.importers.picture_view import seen_pixels
    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.inference.pictures.preprocess import Preprocess
    from edge_runtime.manifest import ImageInput

    pixels = np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8)
    cases: list[tuple[Any, Any, Any]] = [
        (np.float32, None, ((0.0,), (1 / 255,))),
        (np.float32, None, ((123.7, 116.3, 103.5), (1 / 58.4, 1 / 57.1, 1 / 57.4))),
        (np.int8, (1 / 255, -128), ((0.0,), (1 / 255,))),
        (np.uint8, (2 / 255, 128), ((127.5,), (1 / 127.5,))),
    ]
    for dtype, quantisation, (mean, scale) in cases:
        for layout, colour in (("NCHW", "RGB"), ("NHWC", "BGR")):
            settings: dict[str, Any] = {"layout": layout, "colour": colour}
            image = ImageInput(width=16, height=16, mean=mean, scale=scale, **settings)
            given = Tensor("x", (1, 3, 16, 16), np.dtype(dtype), quantisation)
            tensor = Preprocess(image, given).image(pixels)[0]
            seen = seen_pixels(tensor, image, given)
            assert np.abs(seen.astype(int) - pixels).max() <= 1


@needs_data
@pytest.mark.parametrize(
    ("file", "flags"),
    [
        (
            "vww_96_int8.tflite",
            ("--task", "image-classification", "--labels", "no person,person",
             "--colour", "RGB", "--resize", "stretch"),
        ),
        (
            "kws_ref_model_int8.tflite",
            ("--task", "audio-classification", "--front-end", "mfcc", "--labels",
             "down,go,left,no,off,on,right,stop,up,yes,_silence_,_unknown_",
             "--set", "audio.normalise=peak", "--set", 'ignore=["_silence_", "_unknown_"]'),
        ),
        (
            "dscnn_l_kws_fp32.onnx",
            ("--task", "audio-classification", "--front-end", "mfcc", "--labels",
             "_silence_,_unknown_,yes,no,up,down,left,right,on,off,stop,go",
             "--set", "audio.frame_length=640", "--set", "audio.fft_length=1024",
             "--set", "audio.log_offset=0.0", "--set", "audio.log_floor=1e-12"),
        ),
    ],
    ids=["vww", "kws", "dscnn"],
)  # fmt: skip
def test_third_party_models_are_added_with_flags_alone(
    capsys: Capsys, tmp_path: Path, file: str, flags: tuple[str, ...]
) -> None:
    ended = run(
        capsys, "models", "add", MODELS / file, "--models-dir", tmp_path / "models",
        "--no-input", *flags,
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    load_model(only_bundle(tmp_path)).close()
    table = tomllib.loads((only_bundle(tmp_path) / "model.toml").read_text())
    assert len(table["labels"]) >= 2


def _flags_of(table: dict[str, Any]) -> list[str]:
    """A manifest as a person would give it on the command line."""
    flags = ["--task", table["task"], "--labels", ",".join(table["labels"])]
    for key, value in table.items():
        if key in ("task", "labels"):
            continue
        settings = value.items() if isinstance(value, dict) else [("", value)]
        for inner, setting in settings:
            flags += ["--set", f"{key}{'.' if inner else ''}{inner}={json.dumps(setting)}"]
    return flags


@needs_data
@pytest.mark.parametrize("file", THIRD_PARTY)
def test_every_third_party_model_is_added_by_options_alone(
    capsys: Capsys, tmp_path: Path, file: str
) -> None:
    table = tomllib.loads((MANIFESTS / f"{Path(file).stem}.toml").read_text())
    ended = run(
        capsys, "models", "add", MODELS / file, "--models-dir", tmp_path / "models",
        "--yes", *_flags_of(table),
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    added = tomllib.loads((only_bundle(tmp_path) / "model.toml").read_text())
    for key, value in table.items():
        if isinstance(value, dict):
            assert value.items() <= added[key].items()
        else:
            assert added[key] == value


@needs_data
def test_a_streaming_model_is_shown_as_it_hears(capsys: Capsys, tmp_path: Path) -> None:
    file = "mww_vad_stateful.tflite"
    table = tomllib.loads((MANIFESTS / f"{Path(file).stem}.toml").read_text())
    wav = tmp_path / "chirp.wav"
    _write_chirp(wav)
    ended = run(
        capsys, "models", "add", MODELS / file, "--models-dir", tmp_path / "models", "--json",
        *_flags_of(table), "--sample", wav,
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    view = image_file.read_image(only_bundle(tmp_path) / "view.png")
    assert len(np.unique(view[:240].reshape(-1, 3), axis=0)) > 20


@needs_data
def test_the_negative_model_is_refused_with_its_operator(capsys: Capsys, tmp_path: Path) -> None:
    file = MODELS / "NEGATIVE_audio_preprocessor_int8.tflite"
    ended = run(capsys, "models", "add", file, "--models-dir", tmp_path / "models", "--yes")
    assert ended.code == ExitCode.CONFIG
    assert "SignalWindow" in ended.err


def test_a_sound_is_shown_as_the_model_hears_it(capsys: Capsys, tmp_path: Path) -> None:
    from tests.support.tiny_tflite import dense_tflite

    wav = tmp_path / "chirp.wav"
    _write_chirp(wav)
    model = dense_tflite(np.zeros((49 * 10, 2), np.float32), (1, 49, 10, 1))
    ended = add(
        capsys, tmp_path, "k.tflite", model, "--task", "audio-classification", "--front-end",
        "mfcc", "--labels", "yes,no", "--activation", "softmax", "--json", "--sample", wav,
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    (sample,) = json.loads(ended.out)["samples"]
    assert sample["scores"] == pytest.approx({"yes": 0.5, "no": 0.5})
    view = image_file.read_image(Path(sample["view"]))
    assert view.shape[1] == 960
    assert len(np.unique(view[:240].reshape(-1, 3), axis=0)) > 20


def _write_chirp(path: Path) -> None:
    import soundfile

    at_s = np.arange(32000) / 16000
    rising = 0.3 * np.sin(2 * np.pi * (200 + 500 * at_s) * at_s)
    soundfile.write(path, rising.astype(np.float32), 16000)


def test_at_a_terminal_only_what_is_missing_is_asked(tmp_path: Path) -> None:
    """A real terminal: defaults by Enter, a wrong answer is asked again."""
    import os
    import pty
    import subprocess
    import sys

    file = tmp_path / "m.tflite"
    file.write_bytes(picture_tflite(2, dtype="int8", input_q=(1 / 255, -128)))
    here, there = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", "models", "add", file,
         "--models-dir", tmp_path / "models", "--activation", "softmax"],
        stdin=there, stdout=there, stderr=there,
    )  # fmt: skip
    os.close(there)
    os.write(here, b"\nok,bad\nPINK\nBGR\n\n")  # task, labels, colour twice, resize
    heard = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the child is
        while part := os.read(here, 4096):
            heard += part
    os.close(here)
    assert child.wait(timeout=60) == ExitCode.OK, heard.decode()
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.image is not None
    assert (manifest.labels, manifest.image.colour) == (["ok", "bad"], "BGR")
    asked = heard.decode()
    assert "What does the model do?" in asked
    assert "scale, a number" not in asked
    assert (
        "| `image.colour` | BGR | asked |" in (only_bundle(tmp_path) / "MODEL_CARD.md").read_text()
    )


def test_teachable_machines_sound_takes_the_samples_that_no_milliseconds_have(
    capsys: Capsys, tmp_path: Path
) -> None:
    from tests.support.tiny_tflite import dense_tflite

    wav = tmp_path / "chirp.wav"
    _write_chirp(wav)
    members: dict[str, bytes | str] = {
        "soundclassifier_with_metadata.tflite": dense_tflite(
            np.zeros((44032, 2), np.float32), (1, 44032)
        ),
        "labels.txt": "0 Background Noise\n1 Knock\n",
    }
    ended = add(
        capsys, tmp_path, "converted_tflite.zip", zip_of(members), "--no-input", "--name", "knock",
        "--sample", wav,
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.audio is not None
    assert manifest.audio.window == 44032
    assert manifest.silence == ["Background Noise"]


CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _given_as(folder: Path, how: str, model: str, data: bytes, labels: str) -> Path:
    """A network and its labels as a zip, as a folder, or as two files side by side."""
    if how == "zip":
        (folder / "m.zip").write_bytes(zip_of({model: data, "labels.txt": labels}))
        return folder / "m.zip"
    home = folder / "given"
    home.mkdir(exist_ok=True)
    (home / model).write_bytes(data)
    (home / "labels.txt").write_text(labels)
    return home if how == "folder" else home / model


WAYS = ["zip", "folder", "loose file"]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("model", ["model.tflite", "model_unquant.tflite"])
@pytest.mark.parametrize("side", [32, 224])
def test_a_name_and_labels_make_no_teachable_machine(
    capsys: Capsys, tmp_path: Path, how: str, model: str, side: int
) -> None:
    data = picture_tflite(10, side=side)
    file = _given_as(tmp_path, how, model, data, "\n".join(CIFAR))
    ended = run(capsys, "models", "add", file, "--models-dir", tmp_path / "models", "--no-input")
    assert ended.code == ExitCode.USAGE
    for flag in ("--task", "--colour", "--resize", "--mean", "--scale", "--activation"):
        assert flag in ended.err
    assert "Teachable Machine" not in ended.out.splitlines()[0]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("flag", ["--yes", "--no-input"])
@pytest.mark.parametrize(
    ("model", "dtype"), [("model_unquant.tflite", "float32"), ("model.tflite", "uint8")]
)
def test_a_teachable_machine_export_is_known_however_it_is_given(
    capsys: Capsys, tmp_path: Path, how: str, flag: str, model: str, dtype: str
) -> None:
    data = taught_tflite(2, dtype=dtype)
    file = _given_as(tmp_path, how, model, data, "0 Good\n1 Bad\n")
    ended = run(
        capsys, "models", "add", file, "--models-dir", tmp_path / "models", flag, "--name", "cups"
    )
    assert ended.code == ExitCode.OK, ended.err
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.labels == ["Good", "Bad"]
    assert manifest.image is not None
    image = manifest.image
    assert (image.resize, image.interpolation, image.colour) == ("crop", "antialias", "RGB")
    assert (image.mean, image.scale) == ((127.5,), (1 / 127.5,))
    assert manifest.output.activation == "none"


def test_what_looks_a_little_like_teachable_machine_is_asked_with_its_numbers(
    capsys: Capsys, tmp_path: Path
) -> None:
    """Numbered labels and its size, under a name of its own: likely, not certain."""
    file = _given_as(tmp_path, "loose file", "cups.tflite", taught_tflite(2), "0 Good\n1 Bad\n")
    add_it = ("models", "add", file, "--models-dir", tmp_path / "models")
    strict = run(capsys, *add_it, "--no-input", "--task", "image-classification")
    assert strict.code == ExitCode.USAGE
    for told in ("(likely: 127.5)", "(likely: 1/127.5)", "(likely: crop)"):
        assert told in strict.err
    likely = run(capsys, *add_it, "--yes")
    assert likely.code == ExitCode.OK, likely.err
    assert "could be another's" in likely.out
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.image is not None
    assert (manifest.image.resize, manifest.image.mean) == ("crop", (127.5,))


def test_a_keras_network_of_its_size_and_names_is_known_without_its_file_name(
    capsys: Capsys, tmp_path: Path
) -> None:
    from tests.support.tiny_tflite import with_input_name

    renamed = with_input_name(taught_tflite(2), "sequential_1_input")
    file = _given_as(tmp_path, "loose file", "cups.tflite", renamed, "0 Good\n1 Bad\n")
    ended = run(capsys, "models", "add", file, "--models-dir", tmp_path / "models", "--no-input")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.out.startswith("Teachable Machine")


def test_grey_pictures_without_an_axis_for_colour_are_asked_for_little(
    capsys: Capsys, tmp_path: Path, picture: Path
) -> None:
    from tests.support.tiny_tflite import dense_tflite

    model = dense_tflite(np.zeros((28 * 28, 10), np.float32), (1, 28, 28))
    ended = add(
        capsys, tmp_path, "digits.tflite", model, "--task", "image-classification",
        "--labels", "0,1,2,3,4,5,6,7,8,9", "--mean", "0", "--scale", "1/255",
        "--resize", "stretch", "--activation", "softmax", "--no-input", "--sample", picture,
    )  # fmt: skip
    assert ended.code == ExitCode.OK, ended.err
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.image is not None
    assert (manifest.image.width, manifest.image.colour) == (28, "GRAY")


def test_a_teachable_machine_export_is_known_with_its_labels_elsewhere(
    capsys: Capsys, tmp_path: Path
) -> None:
    from tests.support.tiny_tflite import with_input_name

    (tmp_path / "mine.txt").write_text("0 Good\n1 Bad\n")
    file = tmp_path / "model_unquant.tflite"
    file.write_bytes(with_input_name(taught_tflite(2), "sequential_1_input"))
    command = ("models", "add", file, "--models-dir", tmp_path / "models", "--yes")
    asked = run(capsys, *command)
    assert asked.code == ExitCode.USAGE
    assert "--labels" in asked.err
    ended = run(capsys, *command, "--labels-file", tmp_path / "mine.txt")
    assert ended.code == ExitCode.OK, ended.err
    manifest = load_manifest(only_bundle(tmp_path))
    assert manifest.labels == ["Good", "Bad"]
    assert manifest.image is not None
    assert (manifest.image.resize, manifest.image.mean) == ("crop", (127.5,))
