from __future__ import annotations

from edge_runtime import codes
from edge_runtime.config import Rules
from edge_runtime.lane.safety import Safety
from edge_runtime.types import VerdictKind

PASS, REJECT, NO_READ = VerdictKind.PASS, VerdictKind.REJECT, VerdictKind.NO_READ


def test_one_part_that_cannot_be_judged_holds_nothing() -> None:
    safety = Safety(Rules())
    assert safety.judged(NO_READ) is None
    assert safety.held is None


def test_three_running_hold_the_safe_state_and_a_good_part_lets_it_go() -> None:
    safety = Safety(Rules())
    assert [safety.judged(NO_READ) for _ in range(4)] == [None, None, True, None]
    assert safety.held is not None
    assert safety.judged(PASS) is False
    assert safety.held is None


def test_a_judged_part_between_them_counts_anew() -> None:
    safety = Safety(Rules())
    assert [safety.judged(kind) for kind in (NO_READ, NO_READ, REJECT, NO_READ, NO_READ)] == [
        None
    ] * 5


def test_a_source_that_is_back_is_believed_when_a_part_was_judged() -> None:
    safety = Safety(Rules(good_parts=2))
    assert safety.fault("view:", "unplugged", "EDGE-L101") is True
    assert safety.fault("view:", "still unplugged", "EDGE-L101") is False
    assert safety.judged(PASS) is None, "a part cannot let go while the source is away"
    assert safety.well("view:") is True
    assert safety.held is not None
    assert safety.judged(PASS) is None
    assert safety.judged(NO_READ) is None, "counts anew"
    assert safety.judged(PASS) is None
    assert safety.judged(PASS) is False


def test_one_reason_less_is_not_none() -> None:
    safety = Safety(Rules())
    safety.fault("view:left", "left is away", "EDGE-L101")
    assert safety.fault("view:right", "right is away", "EDGE-L101") is True
    safety.well("view:left")
    assert safety.held is not None
    assert safety.held.text == "right is away"
    assert safety.judged(PASS) is None


def test_a_fault_that_becomes_another_is_told_as_it_is_now_and_drives_nothing_anew() -> None:
    safety = Safety(Rules())
    assert safety.fault("view:", "the camera hung up", codes.SOURCE_AWAY)
    assert not safety.fault("view:", "the camera answered 401", codes.SOURCE_AWAY)
    assert safety.held is not None
    assert safety.held.text == "the camera answered 401"
    assert safety.told("view:") == "the camera answered 401"


def test_a_fault_that_is_over_is_not_told_as_one_that_lasts() -> None:
    safety = Safety(Rules())
    safety.fault("view:", "the camera hung up", codes.SOURCE_AWAY)
    safety.well("view:")
    assert safety.held is not None
    assert safety.held.code == codes.LANE_AWAITS_PART
    assert safety.held.text == "held until a part has been judged; over is: the camera hung up"
    assert safety.judged(PASS) is False
    assert safety.held is None


def test_parts_that_cannot_be_judged_are_told_with_why_and_how_many_by_now() -> None:
    safety = Safety(Rules())
    for _ in range(4):
        safety.judged(NO_READ, "packets were lost")
    assert safety.held is not None
    assert safety.held.text == "4 parts running could not be judged, the last: packets were lost"
