"""What people see: a terminal of its own width and colours, and a pipe."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.ledger.writer import PutResult
from edge_runtime.types import VerdictKind
from tests.support.command_line import run
from tests.support.ledger import done, ledger, result

LONG = "a/folder/with/a/very/long/name/that/no/terminal/of/eighty/columns/has/room/for/part0001.png"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pass, a reject of a long item, a no_read."""
    folder = tmp_path_factory.mktemp("data")
    with ledger(folder) as writer:
        for number, kind in enumerate((VerdictKind.PASS, VerdictKind.REJECT, VerdictKind.NO_READ)):
            done(writer, PutResult(result(number, kind=kind, item=LONG)))
    return folder


def on_terminal(*arguments: object, columns: int = 80, **environment: str) -> str:
    """What a terminal of so many columns gets to show."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", *map(str, arguments)],
        stdout=theirs, stderr=subprocess.STDOUT, env=kept | {"TERM": "xterm"} | environment,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    process.wait(30)
    return said.decode().replace("\r\n", "\n")


def test_on_a_terminal_results_have_a_header_and_colours_and_stay_in_their_lines(
    data: Path,
) -> None:
    header, *lines = on_terminal("results", "list", "--data", data).splitlines()
    assert re.search(r"seq +time \(.+\) +lane +verdict +label +score", header)
    assert "\x1b[31mreject\x1b[0m" in lines[1]
    assert "\x1b[32mpass\x1b[0m" in lines[2]
    assert len(lines) == 3
    for line in (header, *lines):
        assert len(re.sub(r"\x1b\[\d*m", "", line)) <= 80
    assert lines[1].endswith("…")


def test_no_color_and_pipes_have_no_colours_and_a_pipe_has_whole_lines_alone(data: Path) -> None:
    assert "\x1b" not in on_terminal("results", "list", "--data", data, NO_COLOR="1")
    assert not re.search(r"\x1b\[3\d", on_terminal("status", "--data", data, NO_COLOR="1"))
    piped = subprocess.run(
        [sys.executable, "-m", "edge_runtime", "results", "list", "--data", str(data)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "\x1b" not in piped
    assert [line.split()[0] for line in piped.splitlines()] == ["3", "2", "1"]
    assert piped.splitlines()[1].endswith("defect at least 0.6")


def test_times_are_those_of_the_box_and_of_utc_where_that_is_wanted(data: Path) -> None:
    def first(*arguments: str) -> str:
        line = subprocess.run(
            [sys.executable, "-m", "edge_runtime", "results", "list", "--data", str(data), *arguments],
            capture_output=True, text=True, check=True, env={**os.environ, "TZ": "XXX-05:30"},
        ).stdout.splitlines()[0]  # fmt: skip
        return " ".join(line.split()[1:3])

    local, utc = first(), first("--utc")
    assert utc.endswith("Z")
    minutes = [int(t[11:13]) * 60 + int(t[14:16]) for t in (local, utc)]
    assert (minutes[0] - minutes[1]) % (24 * 60) == 330
    # What is shown is what may be asked by.
    assert first("--since", local.replace(" ", "T")).startswith(local[:10])
    assert first("--utc", "--since", utc.rstrip("Z").replace(" ", "T")) == utc


def test_the_label_beside_a_pass_is_not_that_of_a_fault_that_was_not_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run(capsys, "results", "list", "--data", data).out.splitlines()
    label = re.search(r"reject +(\S+) ", lines[1])
    assert label
    assert label[1] != "-"
    assert re.search(r" pass +- ", lines[2])
    page = run(capsys, "results", "show", "1", "--data", data).out
    assert re.search(r"verdict +kind pass, nearest \S+, score", page)


def test_show_has_no_brackets_of_python_and_no_ragged_columns(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = run(capsys, "results", "show", "2", "--data", data).out
    assert not re.search(r"[\[\]{}']", page.replace(LONG, ""))
    starts = {re.match(r"\S+ +", line).end() for line in page.splitlines()}  # type: ignore[union-attr]
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["statsu"], "there is no command 'statsu'; did you mean 'status'?"),
        (["results", "lst"], "there is no command 'lst'; did you mean 'list'?"),
        (["models", "verfy"], "there is no command 'verfy'; did you mean 'verify'?"),
        (["config", "chek"], "there is no command 'chek'; did you mean 'check'?"),
        (["qqqq"], "there is no command 'qqqq'; known: bench, collector, config"),
    ],
)
def test_a_misspelt_command_is_told_with_the_one_that_was_meant(
    written: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, *written)
    assert ended.code == 64
    assert meant in ended.err


def test_in_80_columns_a_fault_is_told_to_its_end() -> None:
    from rich.console import Console

    from edge_runtime.cli.status_tables import tables
    from edge_runtime.supervisor.truth import findings
    from tests.support.pictures import lane, output, station

    device = "v4l2:/dev/v4l/by-id/usb-A_Maker_of_Cameras_1080P_Camera_SN000100-video-index0"
    why = f"{device}: there is no such device; cameras found: none"
    picture: dict[str, Any] = station(
        lanes=[lane("top", state="degraded", code="EDGE-L101", detail=why)],
        outputs=[output(state="held", held_by=[f"top: {why}"])],
    )
    narrow = Console(width=80)
    with narrow.capture() as shown:
        narrow.print(*tables(picture | {"ok": False, "findings": findings(picture)}), sep="\n")
    text = shown.get()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert (
        re.sub(r"\s", "", text).count(re.sub(r"\s", "", why)) == 3
    )  # lane's finding, output's, why
