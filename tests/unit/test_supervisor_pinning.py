from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edge_runtime.config import Lane
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.manifest import find_bundle, load_manifest
from edge_runtime.supervisor.pinning import Pinned, chosen_by, find_pinned, one_before, resolve

NAME = "surface-defect"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in ("1.0.0", "2.0.0"):
        add(tmp_path, version)
    return tmp_path


def add(folder: Path, version: str, sha256: str = "") -> str:
    """Another version of the shipped model; the sha256 of its file."""
    bundle = folder / NAME / version
    shutil.copytree(find_bundle(NAME, None), bundle, dirs_exist_ok=True)
    manifest = bundle / "model.toml"
    text = re.sub(
        r'^version = ".*"$', f'version = "{version}"', manifest.read_text(), flags=re.MULTILINE
    )
    found = load_manifest(find_bundle(NAME, None))
    manifest.write_text(text.replace(found.sha256[found.file], sha256 or found.sha256[found.file]))
    return sha256 or found.sha256[found.file]


def lane(*asked: str) -> Lane:
    return Lane(source="v4l2:0", models=list(asked))


def ids(models: Path, asked: str, pin: Pinned | None) -> str:
    (found,) = resolve("top", lane(asked), models, {} if pin is None else {asked: pin})
    return found.id


def test_without_a_pin_the_highest_version_is_taken_and_its_hash_is_not_known(models: Path) -> None:
    (found,) = resolve("top", lane(NAME), models, {})
    assert (found.asked, found.id, found.sha256) == (NAME, f"{NAME}/2.0.0", None)
    assert found.folder == str(models / NAME / "2.0.0")


def test_a_pin_wins_over_a_higher_version(models: Path) -> None:
    pin = Pinned(f"{NAME}/1.0.0", str(models / NAME / "1.0.0"), add(models, "1.0.0"))
    (found,) = resolve("top", lane(NAME), models, {NAME: pin})
    assert (found.id, found.sha256) == (pin.model, pin.sha256)


def test_a_pin_whose_folder_is_gone_or_holds_another_file_is_given_up(models: Path) -> None:
    folder = str(models / NAME / "1.0.0")
    assert ids(models, NAME, Pinned(f"{NAME}/1.0.0", folder, "0" * 64)) == f"{NAME}/2.0.0"
    shutil.rmtree(folder)
    assert ids(models, NAME, Pinned(f"{NAME}/1.0.0", folder, None)) == f"{NAME}/2.0.0"


def test_a_version_that_the_config_names_wins(models: Path) -> None:
    assert ids(models, f"{NAME}/1.0.0", None) == f"{NAME}/1.0.0"
    assert ids(models, str(models / NAME / "1.0.0"), None) == f"{NAME}/1.0.0"


def test_a_folder_whose_file_was_changed_under_a_lane_that_served_it_is_not_taken_unseen(
    models: Path,
) -> None:
    asked = f"{NAME}/1.0.0"
    pin = Pinned(asked, str(models / NAME / "1.0.0"), "0" * 64)
    (found,) = resolve("top", lane(asked), models, {asked: pin})
    assert found.sha256 == "0" * 64, "the lane compares it with the file, and refuses"


def test_only_what_the_config_leaves_open_can_be_chosen() -> None:
    assert chosen_by(lane(NAME, "other"), f"{NAME}/1.0.0") == NAME
    with pytest.raises(UsageError, match=f"names {NAME}/2.0.0"):
        chosen_by(lane(f"{NAME}/2.0.0"), f"{NAME}/1.0.0")
    with pytest.raises(UsageError, match="asks for other, not for surface-defect"):
        chosen_by(lane("other"), NAME)


def test_the_one_before_is_the_last_other_one_of_the_same_name(models: Path) -> None:
    sha256 = add(models, "1.0.0")
    serving = Pinned(f"{NAME}/2.0.0", str(models / NAME / "2.0.0"), sha256)
    history = [
        (f"{NAME}/2.0.0", sha256), ("keywords/1", "f" * 64), (f"{NAME}/1.0.0", sha256),
    ]  # fmt: skip
    assert one_before(history, serving, models).model == f"{NAME}/1.0.0"
    with pytest.raises(ModelError, match="no model served before"):
        one_before(history[:2], serving, models)
    with pytest.raises(ModelError, match=r"is not the surface-defect/1\.0\.0 that served before"):
        one_before([(f"{NAME}/1.0.0", "0" * 64)], serving, models)


def test_a_bundle_is_found_by_name_and_by_version(models: Path) -> None:
    assert find_pinned(NAME, models).model == f"{NAME}/2.0.0"
    assert find_pinned(f"{NAME}/1.0.0", models).model == f"{NAME}/1.0.0"
    with pytest.raises(ModelError):
        find_pinned("nothing", models)
