"""The dead man's handle as a table: what is said, and what is held."""

from __future__ import annotations

import pytest

from edge_runtime.field.holding import Handles, LaneUse
from edge_runtime.link.messages import Alive, LaneIs

S = 1_000_000_000
WELL = Alive(decides=True, sees=True)


def handles(**lanes: LaneUse) -> Handles:
    return Handles(lanes or {"top": LaneUse(("gate",), is_guarded=True)}, dead_man_s=1.0)


def linked(made: Handles, lane: str = "top", *, now_ns: int = 0) -> int:
    """A lane that has done all that it has to."""
    made.admit(lane, "token")
    link = made.greet(lane, "token")
    assert link is not None
    made.lane_is(LaneIs(lane, "serving"))
    made.alive(lane, WELL, now_ns)
    return link


def test_an_output_is_held_from_the_beginning_until_each_thing_has_been_shown() -> None:
    made = handles()
    assert made.holds("gate", 0) == ["top: not started"]
    made.admit("top", "token")
    assert made.holds("gate", 0) == ["top: starting"]
    assert made.greet("top", "token") is not None
    assert made.holds("gate", 0) == ["top: starting"]
    made.lane_is(LaneIs("top", "serving"))
    assert made.holds("gate", 0) == ["top: has not decided yet"]
    assert not made.may_beat("gate", 0)
    made.alive("top", WELL, 0)
    assert made.holds("gate", 0) == []
    assert made.may_beat("gate", 0)


def test_a_lane_is_alive_for_less_than_the_limit_and_not_longer() -> None:
    made = handles()
    linked(made)
    assert made.holds("gate", S - 1) == []
    assert made.next_ns(S - 1) == S
    assert made.holds("gate", S) == ["top: has not decided for 1 s"]
    assert not made.may_beat("gate", S)
    made.alive("top", WELL, S)
    assert made.holds("gate", S) == []


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Alive(decides=False, sees=True), "does not decide"),
        (Alive(decides=False, sees=True, detail="a part waits for 2 s"), "a part waits for 2 s"),
        (Alive(decides=True, sees=False), "does not see"),
        (Alive(decides=True, sees=False, detail="the camera is away"), "the camera is away"),
    ],
)
def test_a_lane_that_says_it_cannot_is_held_and_its_heartbeat_stands(
    message: Alive, why: str
) -> None:
    made = handles()
    linked(made)
    made.alive("top", message, 1)
    assert made.holds("gate", 1) == [f"top: {why}"]
    assert not made.may_beat("gate", 1)


def test_a_link_that_closes_is_a_fault_and_a_new_one_has_to_show_life_again() -> None:
    made = handles()
    first = linked(made)
    made.closed("top", first)
    assert made.holds("gate", 1) == ["top: its link has closed"]
    second = made.greet("top", "token")
    assert second is not None
    assert made.holds("gate", 1) == ["top: has not decided yet"]
    made.alive("top", WELL, 2)
    assert made.holds("gate", 2) == []
    made.closed("top", first)  # the old one, told late
    assert made.holds("gate", 2) == []


def test_bye_makes_the_end_of_the_link_no_fault() -> None:
    made = handles()
    link = linked(made)
    made.ask("top", "the camera is away")
    made.bye("top")
    made.closed("top", link)
    assert made.holds("gate", 5 * S) == []
    assert not made.may_beat("gate", 5 * S)
    assert made.is_left_alone("gate")


def test_an_output_is_left_alone_when_the_last_lane_that_guards_it_is_over() -> None:
    made = handles(
        top=LaneUse(("gate",), is_guarded=True),
        side=LaneUse(("gate",), is_guarded=True),
        watcher=LaneUse(("gate", "lamp"), is_guarded=False),
    )
    linked(made, "top")
    linked(made, "side")
    made.bye("top")
    assert not made.is_left_alone("gate")
    made.lane_is(LaneIs("side", "over"))
    assert made.is_left_alone("gate")
    assert not made.is_left_alone("lamp")  # nobody ever guarded it
    made.lane_is(LaneIs("side", "gone", "started anew"))
    assert not made.is_left_alone("gate")


def test_after_bye_the_supervisors_word_counts() -> None:
    made = handles()
    link = linked(made)
    made.bye("top")
    made.closed("top", link)
    made.lane_is(LaneIs("top", "gone", "started anew"))
    assert made.holds("gate", 0) == ["top: started anew"]
    made.lane_is(LaneIs("top", "over"))
    assert made.holds("gate", 0) == []


def test_gone_holds_although_the_lane_says_that_it_is_alive() -> None:
    made = handles()
    linked(made)
    made.lane_is(LaneIs("top", "gone", "refused: no such model"))
    made.alive("top", WELL, 1)
    assert made.holds("gate", 1) == ["top: refused: no such model"]


def test_admitting_a_lane_forgets_what_its_last_process_said() -> None:
    made = handles()
    link = linked(made)
    made.ask("top", "three no_read running")
    made.admit("top", "new")
    assert made.holds("gate", 0) == ["top: starting"]
    assert not made.is_current("top", link)
    assert made.greet("top", "token") is None
    assert made.greet("top", "new") is not None


@pytest.mark.parametrize("token", ["", "guess", "tokens", "tökén"])
def test_a_wrong_token_is_no_greeting(token: str) -> None:
    made = handles()
    made.admit("top", "token")
    assert made.greet("top", token) is None
    assert made.greet("side", "token") is None


def test_what_a_lane_asks_for_is_held_and_does_not_stop_its_heartbeat() -> None:
    made = handles()
    linked(made)
    made.ask("top", "three no_read running")
    assert made.holds("gate", 0) == ["top: three no_read running"]
    assert made.may_beat("gate", 0)
    made.ask("top", None)
    assert made.holds("gate", 0) == []


def test_what_a_lane_asked_for_outlives_its_link() -> None:
    made = handles()
    link = linked(made)
    made.ask("top", "three no_read running")
    made.closed("top", link)
    assert made.greet("top", "token") is not None
    made.alive("top", WELL, 1)
    assert made.holds("gate", 1) == ["top: three no_read running"]


def test_a_shared_output_is_held_for_each_lane_and_beats_when_all_can() -> None:
    made = handles(
        top=LaneUse(("gate", "lamp"), is_guarded=True), side=LaneUse(("gate",), is_guarded=True)
    )
    linked(made, "top")
    assert made.holds("gate", 0) == ["side: not started"]
    assert made.holds("lamp", 0) == []
    assert not made.may_beat("gate", 0)
    assert made.may_beat("lamp", 0)
    linked(made, "side")
    assert made.holds("gate", 0) == []
    assert made.may_beat("gate", 0)
    made.bye("side")
    assert made.may_beat("gate", 0)  # the one that is left can decide
    made.bye("top")
    assert not made.may_beat("gate", 0)


def test_a_lane_without_guard_holds_only_what_it_asks_for_and_no_heartbeat_waits_for_it() -> None:
    made = handles(
        top=LaneUse(("gate",), is_guarded=True), side=LaneUse(("gate",), is_guarded=False)
    )
    linked(made, "top")
    assert made.holds("gate", 0) == []
    assert made.may_beat("gate", 0)
    made.ask("side", "asks")
    assert made.holds("gate", 0) == ["side: asks"]
    made.lane_is(LaneIs("top", "over"))
    assert not made.may_beat("gate", 0)  # nobody who guards it is left


def test_where_no_lane_guards_an_output_it_beats_while_a_lane_is_left() -> None:
    made = handles(side=LaneUse(("gate",), is_guarded=False))
    assert made.may_beat("gate", 0)
    made.lane_is(LaneIs("side", "over"))
    assert not made.may_beat("gate", 0)


def test_triggers_go_to_a_lane_that_serves_and_has_a_link() -> None:
    made = handles()
    assert made.takes_triggers("top") is None
    link = linked(made)
    assert made.takes_triggers("top") == link
    made.closed("top", link)
    assert made.takes_triggers("top") is None
    assert made.takes_triggers("side") is None


def test_another_config_keeps_what_is_known_of_lanes_that_stay() -> None:
    made = handles()
    linked(made)
    made.change(
        {
            "top": LaneUse(("lamp",), is_guarded=True),
            "side": LaneUse(("gate",), is_guarded=True),
        },
        dead_man_s=2.0,
    )
    assert made.holds("lamp", int(1.5 * S)) == []
    assert made.holds("gate", 0) == ["side: not started"]
    made.change({}, dead_man_s=2.0)
    assert made.holds("gate", 0) == []
    assert made.outputs_of("top") == ()
