from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime import clock

THIS_BOOT = "459139c3-62b9-4433-8a24-da850ab84be9"


@pytest.fixture(autouse=True)
def as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The id is asked for once in a process; here as often as there are tests."""
    monkeypatch.delenv(clock.BOOT_ID, raising=False)
    clock.boot_id.cache_clear()
    yield
    clock.boot_id.cache_clear()


def hide_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_KERNELS", Path("/proc/no/such/file"))


def test_the_kernels_own_id_is_taken_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(clock.BOOT_ID, THIS_BOOT)
    kernels = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    assert clock.boot_id() == kernels.replace("-", "")


def test_where_proc_does_not_tell_it_is_what_systemd_put_into_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide_the_kernels(monkeypatch)
    monkeypatch.setenv(clock.BOOT_ID, THIS_BOOT)
    assert clock.boot_id() == THIS_BOOT.replace("-", "")


@pytest.mark.parametrize("told", ["", "%b", "not an id", "0123"])
def test_where_nothing_tells_it_is_drawn_once_and_children_inherit_it(
    monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    hide_the_kernels(monkeypatch)
    monkeypatch.setenv(clock.BOOT_ID, told)
    drawn = clock.boot_id()
    assert re.fullmatch("[0-9a-f]{32}", drawn)
    clock.boot_id.cache_clear()  # a child: another process with this environment
    assert clock.boot_id() == drawn
