"""What decided, and where its score lies between nothing, its threshold and the most."""

from __future__ import annotations

import pytest

from edge_runtime.cli.ruler import Decided, decided
from edge_runtime.types import Score, Verdict, VerdictKind


@pytest.mark.parametrize(
    ("score", "threshold", "ruler"),
    [
        (0.0, 0.937, 0.0),
        (0.4685, 0.937, 0.25),
        (0.937, 0.937, 0.5),
        (0.9685, 0.937, 0.75),
        (1.0, 0.937, 1.0),
        (1.0, 1.0, 1.0),
        (0.0, 0.0, 0.5),
        (-0.1, 0.5, 0.0),
        (1.2, 0.5, 1.0),
    ],
)
def test_the_threshold_is_the_middle_of_the_ruler(
    score: float, threshold: float, ruler: float
) -> None:
    assert Decided("defect", score, threshold).ruler == pytest.approx(ruler)


def test_of_what_passes_the_nearest_to_its_threshold_is_told() -> None:
    scores = [Score("ok", 0.9), Score("dent", 0.5), Score("scratch", 0.3)]
    passed = Verdict(VerdictKind.PASS, "ok", 0.9)
    what = decided(passed, scores, {"dent": 0.9, "scratch": 0.4})
    assert what == Decided("scratch", 0.3, 0.4)
    assert str(what) == "scratch 0.300 < 0.4"


def test_a_score_just_below_its_threshold_is_shown_below_it() -> None:
    assert str(Decided("dent", 0.93696, 0.937)) == "dent 0.936960 < 0.937"
    assert str(Decided("dent", 0.9372, 0.9371)) == "dent 0.937200 >= 0.9371"
    assert str(Decided("dent", 0.937, 0.937)) == "dent 0.937 >= 0.937"


def test_a_verdict_without_a_threshold_has_no_ruler() -> None:
    assert decided(None, [], {}) is None
    assert decided(Verdict(VerdictKind.NO_READ, reason="dark"), [], {"dent": 0.5}) is None
    assert decided(Verdict(VerdictKind.HEARD, "_unknown_", 0.4), [], {}) is None
