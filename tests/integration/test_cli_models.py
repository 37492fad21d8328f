"""``edge-runtime models``: list, show, remove, schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import numpy as np
import pytest

from edge_runtime.errors import ExitCode
from edge_runtime.manifest import MANIFEST, list_bundles
from edge_runtime.toml.table import read_toml
from tests.support.command_line import run
from tests.support.data import PROJECT
from tests.support.models import write_bundle
from tests.support.tiny_onnx import dense_onnx

if TYPE_CHECKING:
    from pathlib import Path

TABLE = {
    "task": "image-classification",
    "name": "mine",
    "labels": ["ok", "bad"],
    "image": {"width": 4, "height": 4, "layout": "NCHW"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two versions of a bundle."""
    for version in ("1.0.0", "1.1.0"):
        write_bundle(
            tmp_path / "mine" / version,
            dense_onnx(np.zeros((48, 2), np.float32), [1, 3, 4, 4]),
            {**TABLE, "version": version},
            file="model.onnx",
        )
    return tmp_path


def test_bundles_are_listed_with_what_they_do_the_users_before_the_shipped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "models", "list", "--models-dir", folder, "--json")
    assert ended.code == 0
    rows = ended.json
    assert [row["model"] for row in rows[:2]] == ["mine/1.0.0", "mine/1.1.0"]
    assert rows[0]["task"] == "image-classification"
    assert rows[0]["bytes"] > 0
    assert {"surface-defect", "keywords"} <= {row["model"].partition("/")[0] for row in rows[2:]}


def test_a_bundle_whose_manifest_is_broken_is_listed_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine" / "1.0.0" / MANIFEST).write_text("format = 1\nname = 3\n")
    ended = run(capsys, "models", "list", "--models-dir", folder, "--json")
    assert ended.code == ExitCode.CONFIG
    assert "name: found 3; give a string" in ended.json[0]["problem"]
    assert not ended.json[1]["problem"]
    told = run(capsys, "models", "list", "--models-dir", folder)
    assert told.code == ExitCode.CONFIG
    assert "mine/1.1.0" in told.out


def test_a_bundle_is_shown_with_its_defaults_filled_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run(capsys, "models", "show", "mine", "--models-dir", folder, "--json").json
    assert shown["version"] == "1.1.0"
    assert shown["image"]["pad_value"] == 114
    told = run(capsys, "models", "show", "mine/1.0.0", "--models-dir", folder).out
    assert "picture 4 x 4 RGB NCHW" in told


@pytest.mark.parametrize("bundle", list_bundles(None), ids=lambda path: path.parent.name)
def test_every_shipped_bundle_can_be_shown(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "models", "show", bundle)
    assert ended.code == 0
    assert "labels" in ended.out


def test_a_removed_version_is_gone_and_the_other_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "models", "remove", "mine/1.1.0", "--models-dir", folder, "--yes")
    assert ended.out == "removed mine/1.1.0\n"
    assert [path.name for path in (folder / "mine").iterdir()] == ["1.0.0"]
    run(capsys, "models", "remove", "mine/1.0.0", "--models-dir", folder, "--yes")
    assert list(folder.iterdir()) == []


def test_removing_wants_a_version_and_leaves_shipped_bundles_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "models", "remove", "mine", "--models-dir", folder, "--yes")
    assert ended.code == ExitCode.USAGE
    assert "write mine/VERSION" in ended.err
    shipped = list_bundles(None)[0]
    name = f"{shipped.parent.name}/{shipped.name}"
    ended = run(capsys, "models", "remove", name, "--yes")
    assert ended.code == ExitCode.USAGE
    assert "came with the program" in ended.err
    assert (shipped / MANIFEST).is_file()


def test_the_schema_takes_every_shipped_manifest_and_is_the_one_in_the_documents(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = run(capsys, "models", "schema").json
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    for bundle in list_bundles(None):
        check.validate(read_toml(bundle / MANIFEST))
    wrong = read_toml(folder / "mine" / "1.0.0" / MANIFEST) | {"task": "guessing"}
    assert not check.is_valid(wrong)
    committed = json.loads((PROJECT / "docs" / "model.schema.json").read_text())
    assert committed == schema, "run: make schemas"
