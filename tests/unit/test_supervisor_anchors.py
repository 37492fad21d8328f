from __future__ import annotations

import pytest

from edge_runtime.clock import NS_PER_S
from edge_runtime.supervisor.anchors import Anchors
from edge_runtime.types import Stamp


def at(wall_s: float, boot_s: float) -> Stamp:
    return Stamp(int(wall_s * NS_PER_S), int(boot_s * NS_PER_S), "boot")


def test_a_wall_clock_that_runs_along_is_not_set() -> None:
    anchors = Anchors(at(1000, 10))
    assert anchors.seen(at(1005, 15)) is None
    assert anchors.seen(at(1010.0025, 20)) is None, "NTP slews it by half a millisecond a second"


@pytest.mark.parametrize("by_s", [1.0, -1.0, 3600.0, -1_700_000_000.0])
def test_a_wall_clock_that_was_set_is_told_once_with_by_how_much(by_s: float) -> None:
    anchors = Anchors(at(1000, 10))
    assert anchors.seen(at(1005 + by_s, 15)) == pytest.approx(by_s)
    assert anchors.seen(at(1010 + by_s, 20)) is None
