from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime import log
from edge_runtime.errors import UsageError
from tests.support.daemon import run

_SAYS = """
import logging, sys
from edge_runtime import log
log.set_up("top")
logger = logging.getLogger("x")
logger.debug("quiet")
logger.warning("source_away view=%s after_s=%.1f tries=%d reason=%s", "left", 1.25, 3, "no\\nframe 100%")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("broke %s", "here")
"""


def said(level: str) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-c", _SAYS], env={**os.environ, log.VARIABLE: level},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return told.stderr.splitlines()


def test_in_json_each_line_is_an_object_with_the_event_and_its_fields() -> None:
    away, broke = (json.loads(line) for line in said("json"))
    assert {key: away[key] for key in ("level", "process", "event")} == {
        "level": "warning",
        "process": "top",
        "event": "source_away",
    }
    assert away["fields"] == {
        "view": "left",
        "after_s": 1.25,
        "tries": 3,
        "reason": "no\nframe 100%",
    }
    assert away["time"].endswith("Z")
    assert (broke["event"], broke["message"]) == ("broke", "broke here")
    assert "ZeroDivisionError" in broke["exception"]


def test_level_and_form_are_chosen_together() -> None:
    assert json.loads(said("debug,json")[0])["event"] == "quiet"
    assert said("error")[0].startswith("error top: broke here")
    assert said("")[0].startswith("warning top: source_away view=left after_s=1.2 tries=3")


@pytest.mark.parametrize("wrong", ["jsn", "7", "info;json", "verbose"])
def test_another_word_is_one_clear_error_before_anything_runs(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"EDGE_RUNTIME_LOG: found .*; write one of debug, info"):
        log.chosen(wrong)
    config = tmp_path / "c.toml"
    config.write_text(
        '[device]\nid = "x"\n[lanes.a]\nsource = "folder:x"\nmodel = "surface-defect"\n'
    )
    ended = run("run", config, **{log.VARIABLE: wrong})
    assert ended.returncode == 64
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"edge-runtime: EDGE_RUNTIME_LOG: found '{wrong}'; write")


_TAKES = """
import os, sys, faulthandler
from pathlib import Path
from edge_runtime import log
found = os.fstat(2)
if sys.argv[2] == "journal":
    os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
log.take_own_stream("top", Path(sys.argv[1]))
log.set_up("top")
import logging
logging.getLogger("x").error("hello")
faulthandler.dump_traceback(file=2)
"""


def heard(path: Path, how: str) -> tuple[bytes, str]:
    """What a listening journal heard, and what came on the stderr that all share."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as journal:
        journal.bind(str(path))
        journal.listen()
        journal.settimeout(0.5)
        told = subprocess.run(
            [sys.executable, "-c", _TAKES, str(path), how],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        try:
            connection, _ = journal.accept()
        except TimeoutError:
            return b"", told.stderr
        with connection:
            return connection.makefile("rb").read(), told.stderr


def test_under_the_journal_a_process_has_a_stream_of_its_own_stacks_and_all(tmp_path: Path) -> None:
    own, shared = heard(tmp_path / "stdout", "journal")
    assert shared == ""
    *header, first, second, _ = own.decode().split("\n", 9)
    assert header == ["edge-runtime-top", "", "6", "1", "0", "0", "0"]
    assert first == "<3>top: hello"
    assert second.startswith("Current thread 0x")


def test_beside_the_journal_everything_stays_on_stderr(tmp_path: Path) -> None:
    own, shared = heard(tmp_path / "stdout", "elsewhere")
    assert own == b""
    assert shared.startswith("error top: hello")


def test_without_a_journal_that_listens_the_shared_stream_stays(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _TAKES, str(tmp_path / "none"), "journal"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stderr.startswith("<3>top: hello")
