"""What the documents say is true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from edge_runtime.cli import COMMANDS
from edge_runtime.config import load_config
from edge_runtime.errors import ExitCode
from tests.support.daemon import run
from tests.support.data import PROJECT

DOCUMENTS = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])
EXAMPLES = sorted((PROJECT / "configs").rglob("*.toml"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_in_a_document_exists(document: Path) -> None:
    for line in re.findall(r"edge-runtime ([a-z]+[^\n`|]*)", document.read_text()):
        words = line.split("#")[0].split()
        if words[0] not in COMMANDS:
            assert words[0] in ("is", "run"), line
            continue
        path = [words[0]]
        if words[0] in ("config", "models", "results", "output", "sync") and len(words) > 1:
            path.append(words[1])
        told = run(*path, "--help").stdout
        for option in (word for word in words if word.startswith("--")):
            assert option in told, f"{path}: {option}"


def test_every_make_target_in_a_document_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    for document in DOCUMENTS:
        for target in re.findall(r"(?m)(?:`|^)make ([a-z-]+)", document.read_text()):
            assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_config_is_valid(example: Path) -> None:
    assert load_config(example).lanes


def test_the_readmes_first_camera_is_a_valid_config(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```toml\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    tomllib.loads(snippet)
    (tmp_path / "my.toml").write_text(snippet)
    assert run("config", "check", tmp_path / "my.toml").returncode == ExitCode.OK


@pytest.mark.parametrize("name", ["operations", "outputs"])
def test_every_lane_in_a_document_is_a_valid_config(name: str, tmp_path: Path) -> None:
    text = (PROJECT / "docs" / f"{name}.md").read_text()
    snippets = [
        one for one in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[lanes." in one
    ]
    assert snippets
    for snippet in snippets:
        (tmp_path / "my.toml").write_text('[device]\nid = "d"\n' + snippet)
        assert load_config(tmp_path / "my.toml").lanes


def test_every_exit_code_is_explained() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text()
    for code in ExitCode:
        assert f"| {code.value} |" in text, code


def test_every_command_is_in_the_changelog() -> None:
    text = (PROJECT / "CHANGELOG.md").read_text()
    for command in COMMANDS:
        assert f"`{command}`" in text, command


def test_the_architecture_shows_the_layers_that_are_enforced_and_every_module_is_in_one() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    layers = [layer.replace("edge_runtime.", "") for layer in contract["layers"]]
    text = (PROJECT / "docs" / "architecture.md").read_text()
    (shown,) = re.findall(r"## Import rules\n.*?```\n(.*?)```", text, re.DOTALL)
    assert shown.splitlines() == layers
    folder = PROJECT / "edge_runtime"
    there = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    there |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert {name for layer in layers for name in layer.split(" | ")} == there
