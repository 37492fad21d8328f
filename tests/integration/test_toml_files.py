from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from edge_runtime.config import load_config
from edge_runtime.errors import ConfigError
from edge_runtime.toml.merge import file_of, read_merged
from edge_runtime.toml.table import MAX_FILE_BYTES, TableError, read_toml

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[x]\ny = 'ü'\n", "utf-8")
    assert read_toml(path) == {"x": {"y": "ü"}}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x = [", "not valid TOML"),
        (b"x = 1\nx = 2\n", "not valid TOML: Cannot overwrite a value (at line 2"),
        (b"x = '\xff'", "not valid TOML"),
        (b"\x00", "not valid TOML"),
        (b"x = " + b"[" * 5000, "not valid TOML"),
        (b"#" * (MAX_FILE_BYTES + 1), "larger than 1048576 bytes"),
    ],
)
def test_a_broken_file_is_one_line_with_its_name(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(TableError) as caught:
        read_toml(path)
    (line,) = caught.value.problems
    assert line.startswith(f"{path}: {told}")


def test_a_file_that_is_not_there_or_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read: No such file or directory"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(TableError, match="cannot be read: Is a directory"):
        read_toml(tmp_path)


def test_later_files_win_key_by_key_and_each_key_knows_its_file(tmp_path: Path) -> None:
    main, extras = tmp_path / "config.toml", tmp_path / "conf.d"
    extras.mkdir()
    main.write_text("[a]\nx = 1\ny = 1\n[b]\nz = 1\n")
    (extras / "20.toml").write_text("[a]\ny = 3\n")
    (extras / "10.toml").write_text("[a]\ny = 2\nnew = 2\n[c.d]\ne = 1\n")
    (extras / "notes.txt").write_text("not TOML")
    table, origins = read_merged(main, extras)
    assert table == {"a": {"x": 1, "y": 3, "new": 2}, "b": {"z": 1}, "c": {"d": {"e": 1}}}
    files = {
        key: file_of(key, origins, main).name
        for key in ("a.x", "a.y", "a.new", "b.z", "c.d", "c.d.missing", "nowhere")
    }
    assert files == {
        "a.x": "config.toml",
        "a.y": "20.toml",
        "a.new": "10.toml",
        "b.z": "config.toml",
        "c.d": "10.toml",
        "c.d.missing": "10.toml",
        "nowhere": "config.toml",
    }


def test_a_table_can_be_replaced_by_something_else_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    main, extras = tmp_path / "config.toml", tmp_path / "conf.d"
    extras.mkdir()
    main.write_text("x = 1\n[y]\nz = 1\n")
    (extras / "a.toml").write_text("y = 2\n[x]\nz = 2\n")
    assert read_merged(main, extras)[0] == {"x": {"z": 2}, "y": 2}


def test_all_broken_files_are_told_at_once(tmp_path: Path) -> None:
    extras = tmp_path / "conf.d"
    extras.mkdir()
    (extras / "a.toml").write_text("x = ")
    (extras / "b.toml").write_text("[")
    with pytest.raises(TableError) as caught:
        read_merged(tmp_path / "config.toml", extras)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "number", ["9" * 10_000, "0x" + "f" * 10_000, "1" + "0" * 400, "-" + "9" * 30, "1e99999"]
)
def test_a_number_of_any_length_is_one_clear_problem(tmp_path: Path, number: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[device]\nid = "x"\n[ledger]\nmedia_budget_mib = {number}\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    problems = [line for line in caught.value.problems if "lanes" not in line]
    assert len(problems) == 1
    assert str(path) in problems[0]
    assert len(problems[0]) < 400


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "link to nothing"])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[device]\nid = "x"\n')
    odd = tmp_path / "conf.d" / "10-odd.toml"
    odd.parent.mkdir()
    match kind:
        case "pipe":
            os.mkfifo(odd)
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(odd))
        case "device":
            odd.symlink_to("/dev/zero")
        case "folder":
            odd.mkdir()
        case _:
            odd.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = [line for line in caught.value.problems if "10-odd.toml" in line]
    assert "cannot be read" in problem
