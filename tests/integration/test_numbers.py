"""Files of numbers into models of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.errors import ItemError, ModelError, NoInput
from edge_runtime.files.numbers import read_numbers
from edge_runtime.inference import load_model
from tests.support.command_line import run
from tests.support.models import write_bundle
from tests.support.tiny_onnx import dense_onnx, recurrent_onnx

if TYPE_CHECKING:
    from pathlib import Path

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
IDENTITY = np.eye(6, dtype=np.float32)
ANOMALY: dict[str, Any] = {
    "task": "anomaly",
    "labels": ["good", "bad"],
    "numbers": {"columns": 3, "rows": 2, "hop": 1},
    "output": {"image_threshold": 1.0, "maximum": 2.0},
    "reject": {"bad": 0.5},
}


def written(folder: Path) -> dict[str, Path]:
    """`ROWS` in every format."""
    np.save(folder / "a.npy", ROWS)
    ROWS.astype("<f4").tofile(folder / "a.f32")
    ROWS.astype("<f4").tofile(folder / "a.bin")
    lines = ["left, middle, right", *(",".join(map(str, row)) for row in ROWS.tolist()), ""]
    (folder / "a.csv").write_text("\n".join(lines))
    np.save(folder / "flat.npy", ROWS.ravel().astype(np.int16))
    return {path.name: path for path in folder.iterdir()}


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert len(files) == 5
    for path in files.values():
        found = read_numbers(path, 3)
        assert found.dtype == np.float32
        assert np.array_equal(found, ROWS), path.name


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.npy", b"no", "not a .npy file"),
        ("a.npy", b"\x93NUMPY\x01\x00", "a damaged .npy file"),
        ("a.csv", b"1,2,3\n1,x,3\n", "line 2: could not convert"),
        ("a.csv", b"1,2,3\n1,2\n", "lines of different lengths"),
        ("a.csv", b"", "holds no numbers"),
        ("a.f32", b"12345", "5 bytes are no float32 numbers"),
        ("a.bin", b"1234" * 4, "4 numbers are no whole rows of 3"),
        ("a.csv", b"1,2\n", "rows of 2 numbers; the model takes 3"),
        ("a.txt", b"1,2,3", "not a file of numbers; .bin, .csv, .f32, .npy are read"),
    ],
)
def test_a_damaged_or_foreign_file_is_one_bad_item(
    tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ItemError, match=told):
        read_numbers(tmp_path / name, 3)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ItemError, match=r"damaged .npy file: Object arrays"):
        read_numbers(tmp_path / "a.npy", 1)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="no such file"):
        read_numbers(tmp_path / "a.npy", 1)


def test_an_autoencoders_error_rejects_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An identity reconstructs everything; twice the input is an error of the input's square."""
    for name, weights, error, verdict in (
        ("same", IDENTITY, 0.0, "pass"),
        (
            "twice",
            2 * IDENTITY,
            np.mean([(ROWS[at : at + 2] ** 2).mean() for at in range(3)]),
            "reject",
        ),
    ):
        bundle = write_bundle(tmp_path / name, dense_onnx(weights, [1, 6]), ANOMALY, file="m.onnx")
        files = tmp_path / f"{name}-files"
        files.mkdir()
        written(files)
        ended = run(capsys, "infer", bundle, files)
        assert ended.code == 0, ended.err
        assert len(ended.json_lines) == 5
        for line in ended.json_lines:
            assert line["values"] == [pytest.approx(error)]
            assert line["scores"]["bad"] == pytest.approx(min(1.0, max(0.0, error / 2)))
            assert line["verdict"] == verdict


def test_what_cannot_be_read_is_a_line_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_bundle(tmp_path / "b", dense_onnx(IDENTITY, [1, 6]), ANOMALY, file="m.onnx")
    (tmp_path / "bad.csv").write_text("1,2,3\n4,nan,6\n")
    (tmp_path / "short.csv").write_text("1,2,3\n")
    written(tmp_path)
    (tmp_path / "empty").mkdir()
    ended = run(
        capsys,
        "infer",
        bundle,
        *(tmp_path / name for name in ("bad.csv", "short.csv", "a.npy", "empty")),
    )
    assert ended.code == 66
    told = [line.get("error", "") for line in ended.json_lines]
    assert "a number is NaN or infinity" in told[0]
    assert "rows of 3, at least 2" in told[1]
    assert told[2] == ""
    assert "no .npy, .csv, .f32 or .bin files" in told[3]


def test_a_regression_that_remembers_begins_anew_with_every_file(tmp_path: Path) -> None:
    table = {
        "task": "numbers",
        "labels": ["a", "b", "c"],
        "numbers": {"columns": 3},
        "states": {"state": "next"},
        "constants": {"rate": 100},
    }
    bundle = write_bundle(tmp_path / "b", recurrent_onnx(), table, file="m.onnx")
    runner = load_model(bundle).numbers_runner()
    for _ in range(2):
        found = runner.numbers(ROWS[:2])
        assert found.values == (100.0, 101.0, 102.0, 104.0, 105.0, 106.0)
        assert found.scores[0].label == "c"
        assert found.scores[0].score == 104.0


def test_a_model_of_numbers_has_no_way_in_for_a_lane(tmp_path: Path) -> None:
    table = {"task": "numbers", "labels": ["a"], "numbers": {"columns": 3}}
    model = load_model(
        write_bundle(
            tmp_path / "b", dense_onnx(np.ones((3, 1), np.float32), [1, 3]), table, file="m.onnx"
        )
    )
    with pytest.raises(ModelError, match="is a model of numbers; this lane sees"):
        model.picture_runner()
    with pytest.raises(ModelError, match="is a model of numbers; this lane hears"):
        model.sound_runner()


def test_a_model_whose_answer_is_neither_a_score_nor_a_reconstruction_is_refused(
    tmp_path: Path,
) -> None:
    model = dense_onnx(np.zeros((6, 4), np.float32), [1, 6])
    bundle = write_bundle(tmp_path / "b", model, ANOMALY, file="m.onnx")
    with pytest.raises(ModelError, match="one score, or with as many numbers as it is given, 6"):
        load_model(bundle)


def test_a_model_of_other_rows_is_refused_with_the_table_to_correct(tmp_path: Path) -> None:
    model = dense_onnx(np.zeros((8, 8), np.float32), [1, 8])
    bundle = write_bundle(tmp_path / "b", model, ANOMALY, file="m.onnx")
    with pytest.raises(ModelError, match=r"manifest says \[2, 3\].*correct \[numbers\]"):
        load_model(bundle)
