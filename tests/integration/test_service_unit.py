"""The unit and its files, by systemd's own word where its tools are there."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.data import PROJECT

UNIT = PROJECT / "systemd/edge-runtime.service"
OPERATIONS = PROJECT / "docs/operations.md"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def settings() -> dict[str, list[str]]:
    """Each key's values, in their order; a unit may have a key several times."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text().replace("/opt/edge-runtime/bin/edge-runtime", "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    about_us = [line for line in told.stderr.splitlines() if UNIT.name in line]
    assert (told.returncode, about_us) == (0, [])


@needs_systemd
def test_systemd_calls_its_exposure_2_or_less() -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout[-200:]


@needs_systemd
def test_the_users_and_the_folders_files_are_understood(tmp_path: Path) -> None:
    for tool, file in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
        (tmp_path / "etc").mkdir(exist_ok=True)
        create = ["--create"] if tool == "systemd-tmpfiles" else []
        told = subprocess.run(
            [tool, *create, f"--root={tmp_path}", str(PROJECT / "systemd" / file / "edge-runtime.conf")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
    assert "edge-runtime:" in (tmp_path / "etc/group").read_text()
    assert (tmp_path / "etc/edge-runtime").stat().st_mode & 0o7777 == 0o750


def test_camera_and_sound_modules_are_loaded_before_the_device_rules_are_made() -> None:
    modules = {"modprobe@videodev.service", "modprobe@snd.service"}
    told = settings()
    assert modules <= set(" ".join(told["Wants"]).split())
    assert modules <= set(" ".join(told["After"]).split())
    assert told["DeviceAllow"] == ["char-video4linux rw", "char-alsa rw"]


def test_the_program_is_where_the_manual_installs_it_and_on_the_path() -> None:
    (start,) = settings()["ExecStart"]
    program = start.split()[0]
    manual = OPERATIONS.read_text()
    assert f"python3 -m venv {Path(program).parent.parent}" in manual
    assert f"ln -sf {program} /usr/local/bin/edge-runtime" in manual


def test_the_config_of_the_manual_can_be_read_by_the_units_group_and_nobody_else() -> None:
    (group,) = settings()["Group"]
    assert f"install -D -m 640 -g {group} " in OPERATIONS.read_text()
    tmpfiles = (PROJECT / "systemd/tmpfiles.d/edge-runtime.conf").read_text()
    assert f"d /etc/edge-runtime 0750 root {group}" in tmpfiles


def test_the_unit_does_not_hide_what_the_fast_kernels_are_chosen_by() -> None:
    assert "ProcSubset" not in settings()  # /proc/cpuinfo


def test_the_unit_is_restarted_for_ever_but_for_what_no_restart_cures() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(UNIT)
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert parser["Service"]["Restart"] == "always"
    assert parser["Service"]["RestartPreventExitStatus"] == "64 78"
