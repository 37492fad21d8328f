from __future__ import annotations

import pytest

from edge_runtime.field.bypasses import Bypasses

S = 1_000_000_000


def test_a_bypass_lasts_its_time_and_its_end_is_told_once() -> None:
    made = Bypasses()
    bypass = made.begin("gate", 60.0, "changing\n the lens", 0)
    assert bypass.why == "changing the lens"
    assert made.of("gate", 60 * S - 1) == bypass
    assert made.of("lamp", 0) is None
    assert made.ended(60 * S - 1) == []
    assert made.of("gate", 60 * S) is None
    assert made.ended(60 * S) == ["gate"]
    assert made.ended(60 * S) == []


def test_beginning_again_sets_the_new_time_and_reason() -> None:
    made = Bypasses()
    made.begin("gate", 60.0, "a", 0)
    made.begin("gate", 10.0, "b", 5 * S)
    assert made.ended(15 * S) == ["gate"]


def test_it_can_be_ended_before_its_time() -> None:
    made = Bypasses()
    made.begin("gate", 60.0, "a", 0)
    assert made.end("gate")
    assert not made.end("gate")
    assert made.of("gate", 1) is None


@pytest.mark.parametrize(
    ("seconds", "why"),
    [(0.0, "a"), (-1.0, "a"), (86_401.0, "a"), (float("nan"), "a"), (60.0, ""), (60.0, " \n")],
)
def test_one_without_a_reason_or_a_sensible_time_is_refused(seconds: float, why: str) -> None:
    with pytest.raises(ValueError, match=r"day|say why"):
        Bypasses().begin("gate", seconds, why, 0)
