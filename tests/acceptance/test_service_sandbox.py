"""The unit's sandbox without systemd: its user, its files, and a /proc that hides the kernel's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sandbox
from tests.support.daemon import until
from tests.support.sandbox import STRANGER, UID, Sandbox
from tests.support.station import GOOD, half_bundle, write_parts

pytestmark = pytest.mark.skipif(bool(why := sandbox.why_not()), reason=why)

MEMBER = UID + 100


class Service:
    """The daemon in the sandbox, with a lane that has looked at two parts."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.log = box.folder / "log"
        half_bundle(box.folder / "left", "left")
        write_parts(box.folder / "parts", GOOD, GOOD)
        _let_everybody_read(box.folder / "left")
        _let_everybody_read(box.folder / "parts")
        box.write(
            '[device]\nid = "boxed"\n[lanes.top]\nsource = "folder:parts"\nmodel = "./left"\n'
            "capture = { watch = true }\n"
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                box.command("run", box.config), stdout=log, stderr=log, cwd="/",
                start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text()

    def share(self) -> None:
        """As StateDirectoryMode=0750 of the unit has it."""
        self.box.state.chmod(0o750)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    # Not below pytest's own folder: nobody but root may pass through that.
    folder = Path(tempfile.mkdtemp(prefix="edge-sandbox-"))
    running = Service(Sandbox(folder))
    try:
        until(lambda: "ready" in running.text() or running.process.poll() is not None, "READY")
        yield running
    finally:
        running.close()
        shutil.rmtree(folder)


def test_it_is_ready_and_judges_as_its_own_user_in_a_private_folder(service: Service) -> None:
    assert "ready 1 of 1 lanes serve" in service.text(), service.text()
    until(
        lambda: "results" in service.box.run("status", "--data", service.box.state).stdout, "status"
    )
    until(lambda: len(_rows(service, uid=UID)) == 2, "two results")
    told = service.box.run("status", "--data", service.box.state)
    assert "all is well" in told.stdout
    assert "Traceback" not in service.text()


def test_processes_have_names(service: Service) -> None:
    names = {
        Path(f"/proc/{pid}/comm").read_text("ascii").strip(): Path(
            f"/proc/{pid}/cmdline"
        ).read_bytes()
        for pid in _below(service.process.pid)
    }
    assert names["edge-top"].endswith(b"edge_runtime.lane\0top\0")


def test_who_is_in_the_group_reads_status_and_results(service: Service) -> None:
    service.share()
    until(lambda: len(_rows(service, uid=MEMBER)) == 2, "two results")
    told = service.box.run("status", "--config", service.box.config, uid=MEMBER)
    assert (told.returncode, told.stderr) == (0, "")
    assert "all is well" in told.stdout


@pytest.mark.parametrize(
    "changing", [("reload",), ("status", "--acknowledge"), ("models", "back", "--lane", "top")]
)
def test_who_is_in_the_group_changes_nothing(service: Service, changing: tuple[str, ...]) -> None:
    service.share()
    told = service.box.run(*changing, "--data", service.box.state, uid=MEMBER)
    assert told.returncode != 0
    assert "use sudo; the group may read only" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "asking",
    [
        ("status",),
        ("status", "--json"),
        ("results", "list"),
        ("results", "show", "1"),
        ("results", "tail"),
        ("reload",),
    ],
)
def test_who_may_not_read_gets_one_line_that_says_so_and_what_to_do(
    service: Service, asking: tuple[str, ...]
) -> None:
    for where in (("--data", service.box.state), ("--config", service.box.config)):
        told = service.box.run(*asking, *where, uid=STRANGER, groups=(STRANGER,))
        assert told.returncode == 66
        (line,) = told.stderr.splitlines()
        assert "permission denied for user 61999; use sudo" in line
        assert told.stdout == ""


def test_doctor_of_who_is_in_the_group_finds_no_defect_of_ours_and_no_fault_in_his_rights(
    service: Service,
) -> None:
    service.share()
    told = service.box.run("doctor", "--config", service.box.config, uid=MEMBER)
    assert "defect" not in told.stdout
    assert "disk                   " in told.stdout
    failed = [line for line in told.stdout.splitlines() if line.startswith("fail ")]
    assert (failed, told.returncode) == ([], 0), told.stdout
    assert "/proc/cpuinfo is hidden" in told.stdout


def _rows(service: Service, *, uid: int) -> list[str]:
    told = service.box.run("results", "list", "--json", "--data", service.box.state, uid=uid)
    return told.stdout.splitlines()


def _below(pid: int) -> list[int]:
    own = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [int(child) for child in own] + [low for child in own for low in _below(int(child))]


def _let_everybody_read(folder: Path) -> None:
    folder.chmod(0o755)
    for file in folder.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
