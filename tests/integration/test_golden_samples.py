"""Golden samples in real bundles: recorded, compared, and what refuses a model."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from edge_runtime.errors import ItemError, ModelError, NoInput, UsageError
from edge_runtime.inference import load_model
from edge_runtime.inference.trust.golden.export import export_golden
from edge_runtime.manifest import MANIFEST, load_manifest
from tests.support.golden import (
    CLASSIFIER,
    NOISE,
    WEIGHTS,
    golden_bundle,
    picture,
    plain_bundle,
    put_golden,
    put_model,
)
from tests.support.models import write_bundle
from tests.support.tiny_onnx import dense_onnx
from tests.support.tiny_tflite import dense_tflite

if TYPE_CHECKING:
    from pathlib import Path


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        load_model(folder)
    told = str(raised.value)
    assert "\n" not in told
    return told


def test_what_was_recorded_is_listed_hashed_and_agrees(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    listed = load_manifest(folder).sha256
    files = {f"golden/{file.name}": file for file in (folder / "golden").iterdir()}
    assert set(files) == {"golden/01.png", "golden/golden.json", "golden/expected.npz"}
    assert {k: hashlib.sha256(f.read_bytes()).hexdigest() for k, f in files.items()} == {
        name: digest for name, digest in listed.items() if name.startswith("golden/")
    }
    index = json.loads(files["golden/golden.json"].read_text())
    assert [sample["kind"] for sample in index["samples"]] == ["media"] + ["noise"] * NOISE
    load_model(folder).close()


def test_recording_again_replaces_and_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    before = (folder / MANIFEST).read_bytes()
    export_golden(folder, [tmp_path / "sample.png"], noise=NOISE)
    assert (folder / MANIFEST).read_bytes() == before
    export_golden(folder, [], noise=2)
    assert sorted(file.name for file in (folder / "golden").iterdir()) == [
        "expected.npz",
        "golden.json",
    ]
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_a_model_with_other_weights_is_refused_naming_sample_and_output(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    put_model(folder, dense_onnx(WEIGHTS + np.float32(0.01), [1, 3, 4, 4]))
    told = refusal(folder)
    assert f"{folder}/model.onnx: does not answer as it did where it was made" in told
    assert "golden sample '01', output 'y' differs by" in told


def test_rounding_is_no_difference(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    put_model(folder, dense_onnx(np.nextafter(WEIGHTS, np.float32(9)), [1, 3, 4, 4]))
    load_model(folder).close()


def test_another_preprocessing_is_refused_although_the_model_is_the_same(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"layout" =', '"colour" = "BGR"\n"layout" ='))
    assert "golden sample '01'" in refusal(folder)


def test_noise_catches_a_weight_that_the_picture_does_not_touch(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    plain_bundle(folder, image={**CLASSIFIER["image"], "colour": "RGB"})
    black = tmp_path / "black.png"
    import cv2

    cv2.imwrite(str(black), np.zeros((8, 8, 3), np.uint8))
    export_golden(folder, [black], noise=0)
    other = dense_onnx(WEIGHTS * np.float32(1.5), [1, 3, 4, 4])
    put_model(folder, other)
    load_model(folder).close()  # nothing shows it
    put_model(folder, dense_onnx(WEIGHTS, [1, 3, 4, 4]))
    export_golden(folder, [black], noise=1)
    put_model(folder, other)
    assert "golden sample 'noise-1'" in refusal(folder)


def test_a_changed_golden_file_is_refused_by_its_hash(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    picture(folder / "golden" / "01.png", seed=2)
    assert "golden/01.png: sha256 is" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("golden.json", b"{", "golden.json: "),
        ("golden.json", b'{"format": 1}', "missing required field"),
        ("expected.npz", b"PK", "expected.npz: does not hold what golden.json says"),
        ("expected.npz", b"", "expected.npz: does not hold what golden.json says"),
    ],
)
def test_golden_files_that_cannot_be_read_are_refused(
    tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    folder = golden_bundle(tmp_path / "b")
    put_golden(folder, name, data)
    assert told in refusal(folder)


def test_a_later_format_is_refused_saying_which_is_read(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    text = (folder / "golden" / "golden.json").read_bytes()
    put_golden(folder, "golden.json", text.replace(b'"format": 1', b'"format": 2'))
    assert "format 2; this version reads 1" in refusal(folder)


def test_recorded_numbers_of_another_shape_are_refused(tmp_path: Path) -> None:
    folder = golden_bundle(tmp_path / "b")
    with np.load(folder / "golden" / "expected.npz") as arrays:
        kept = {name: values[:-1] for name, values in arrays.items()}
    packed = io.BytesIO()
    np.savez(packed, **kept)
    put_golden(folder, "expected.npz", packed.getvalue())
    assert "does not hold what golden.json says" in refusal(folder)


def test_recorded_numbers_that_unfold_are_refused_before_they_do(tmp_path: Path) -> None:
    """64 MB of zeros, and a header that says a terabyte, in a few kB."""
    folder = golden_bundle(tmp_path / "b")
    with np.load(folder / "golden" / "expected.npz") as arrays:
        names = list(arrays)
    packed = io.BytesIO()
    np.savez_compressed(packed, **{names[0]: np.zeros(16 << 20, np.float32)})  # type: ignore[arg-type]
    put_golden(folder, "expected.npz", packed.getvalue())
    assert "says that it has 67108992 bytes" in refusal(folder)
    header = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (1 << 38,)}
    np.lib.format.write_array_header_1_0(header, shape)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{names[0]}.npy", header.getvalue())
    put_golden(folder, "expected.npz", packed.getvalue())
    assert "does not hold what golden.json says" in refusal(folder)


def test_sounds_are_kept_as_flac_and_run_through_the_whole_path(tmp_path: Path) -> None:
    model = dense_tflite(
        np.random.default_rng(1).normal(0, 1, (490, 2)).astype(np.float32), (1, 49, 10, 1)
    )
    table = {
        "task": "audio-classification",
        "labels": ["yes", "no"],
        "audio": {"front_end": "mfcc"},
        "output": {"activation": "softmax"},
    }
    folder = write_bundle(tmp_path / "b", model, table, file="model.tflite")
    sound = tmp_path / "s.wav"
    hum = (3000 * np.sin(np.arange(16000) / 9)).astype(np.int16)
    soundfile.write(sound, np.stack([hum, hum], axis=1), 16000)
    index = export_golden(folder, [sound], noise=2)
    kept, rate_hz = soundfile.read(folder / "golden" / "01.flac", dtype="int16")
    assert np.array_equal(kept, hum)
    assert rate_hz == 16000
    assert index.samples[0].best[0][0] in ("yes", "no")
    noise = index.samples[1]
    assert noise.low < -5
    assert noise.high > 5  # what the features of the sound were, not a guess
    load_model(folder).close()


def test_samples_that_are_none_are_refused(tmp_path: Path) -> None:
    folder = plain_bundle(tmp_path / "b")
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    with pytest.raises(ItemError, match=r"notes\.txt: golden samples are pictures"):
        export_golden(folder, [text])
    with pytest.raises((ItemError, NoInput), match=r"away\.png"):
        export_golden(folder, [tmp_path / "away.png"])
    with pytest.raises(UsageError, match="at most 256"):
        export_golden(folder, [], noise=257)
    assert not (folder / "golden").exists()


def test_cheap_models_get_more_noise_than_the_least(tmp_path: Path) -> None:
    index = export_golden(plain_bundle(tmp_path / "b"), [])
    assert 8 <= len(index.samples) <= 60
