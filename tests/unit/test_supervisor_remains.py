from __future__ import annotations

import pytest

from edge_runtime import codes
from edge_runtime.link.in_hand import InHand
from edge_runtime.link.messages import Failed
from edge_runtime.supervisor.policy import Suspects
from edge_runtime.supervisor.remains import (
    Death,
    burial,
    code_of,
    crash_tombstone,
    gap_tombstone,
    left_by_a_daemon,
)
from edge_runtime.supervisor.states import ChildState, Exit
from edge_runtime.types import Stamp, TombstoneReason

ALIVE, NOW = Stamp(1_000, 100, "boot"), Stamp(2_000, 200, "boot")


def page(
    acted: int = 0, aside: int = 0, *, base: int | None = 100, carried: int = 0, **items: str
) -> InHand:
    return InHand(
        items=items, acted=acted, aside=aside, base=base, carried=carried, last_wall_ns=900 if acted else 0,
        last_boottime_ns=90 if acted else 0, unstored=0, unstored_first_ns=0, unstored_last_ns=0,
        generation=0,
    )  # fmt: skip


def death(found: InHand | None, **more: object) -> Death:
    return Death(lane="top", reason="signal=SIGKILL", alive_at=ALIVE, now=NOW, page=found, **more)  # type: ignore[arg-type]


def test_a_live_lane_lost_exactly_what_was_acted_upon_and_not_handed_over() -> None:
    tombstone = crash_tombstone(death(page(7), received=4))
    assert tombstone.reason is TombstoneReason.LANE_CRASH
    assert tombstone.count == 3
    assert (tombstone.first.boottime_ns, tombstone.last) == (90, NOW)
    assert "3 parts were acted upon and are not recorded" in (tombstone.detail or "")


def test_a_lane_that_lost_nothing_says_0_and_one_without_a_page_that_nobody_can_know() -> None:
    assert crash_tombstone(death(page(4), received=4)).count == 0
    assert crash_tombstone(death(page(4, 3), received=1)).count == 0, "3 are counted as unstored"
    assert crash_tombstone(death(None)).count is None
    assert crash_tombstone(death(None)).first == ALIVE


@pytest.mark.parametrize(
    ("acted", "aside", "base", "carried", "rows", "lost"),
    [
        (7, 0, 100, 0, 107, None),
        (7, 0, 100, 0, 104, 3),
        (7, 2, 100, 0, 105, None),
        (7, 0, 100, 5, 112, None),  # rows of the life before came in, too
        (7, 0, 100, 5, 105, 7),
        (0, 0, 100, 0, 100, None),
        (7, 0, None, 0, 100, None),  # a page of a version that knew no base
    ],
)
def test_what_a_killed_daemon_never_stored_is_a_number(
    acted: int, aside: int, base: int | None, carried: int, rows: int, lost: int | None
) -> None:
    left = left_by_a_daemon("top", page(acted, aside, base=base, carried=carried), rows, NOW)
    assert (left.count if left else None) == lost


def test_a_replay_loses_nothing_and_says_behind_what_it_goes_on() -> None:
    tombstone = crash_tombstone(
        death(page(7), received=4, is_replay=True, goes_on_behind="frame:3")
    )
    assert tombstone.count == 0
    assert "goes on behind frame:3" in (tombstone.detail or "")


def test_a_name_that_is_no_utf_8_can_be_written_down() -> None:
    tombstone = burial("top", "part\udcff.jpg", 3, NOW)
    assert tombstone.item == "part\\udcff.jpg"
    assert "part\\udcff" in (crash_tombstone(death(page(capture="part\udcff"))).detail or "")


def test_an_item_is_buried_at_the_last_crash_that_it_is_allowed() -> None:
    suspects = Suspects(3)
    assert [suspects.add({"capture": "4.jpg"}) for _ in range(3)] == [None, None, "4.jpg"]
    assert suspects.add({"capture": "4.jpg"}) is None, "it begins anew"


def test_of_several_in_hand_the_models_is_blamed_before_what_was_read_ahead() -> None:
    suspects = Suspects(2)
    suspects.add({"capture": "5.jpg", "infer": "4.jpg"})
    assert suspects.add({"capture": "5.jpg", "infer": "4.jpg"}) == "4.jpg"
    assert suspects.add({"capture": "5.jpg"}) == "5.jpg"


def test_an_item_that_became_a_result_is_no_suspect_any_more() -> None:
    suspects = Suspects(2)
    suspects.add({"infer": "4.jpg"})
    suspects.clear("4.jpg")
    suspects.clear(None)
    assert suspects.add({"infer": "4.jpg"}) is None
    assert suspects.add({}) is None


@pytest.mark.parametrize(
    ("ended", "state", "is_loop", "code"),
    [
        (Exit(reason="exit=3", code=3), ChildState.WAITING, False, codes.LANE_CRASHED),
        (Exit(reason="exit=3", code=3), ChildState.WAITING, True, codes.LANE_CRASH_LOOP),
        (Exit(reason="", stuck="no heartbeat"), ChildState.WAITING, False, codes.LANE_STALLED),
        (Exit(reason="", never_ran=True), ChildState.WAITING, True, codes.LANE_CANNOT_START),
        (Exit(reason="", failed=Failed(78, "no")), ChildState.REFUSED, True, codes.LANE_REFUSED),
        (
            Exit(reason="", failed=Failed(78, "no", codes.MODEL_REFUSED)), ChildState.REFUSED, False,
            codes.MODEL_REFUSED,
        ),
        (Exit(reason=""), ChildState.DONE, False, ""),
        (Exit(reason=""), ChildState.STARTING, False, ""),
    ],
)  # fmt: skip
def test_why_a_lane_does_not_serve_has_a_code(
    ended: Exit, state: ChildState, is_loop: bool, code: str
) -> None:
    assert code_of(ended, state, is_loop=is_loop) == code


def test_a_restart_tells_about_how_many_parts_it_missed_and_counts_none_that_nobody_saw() -> None:
    until = Stamp(5_000_000_000, 4_000_000_000, "boot")
    since = Stamp(2_500_000_000, 1_500_000_000, "boot")
    gap = gap_tombstone("top", since, until, "a reload", 30.0)
    assert (gap.first, gap.last, gap.count) == (since, until, None)
    assert gap.detail == "a reload; about 75 parts, at 30.0 a second before"
    assert gap_tombstone("top", since, until, "a reload").detail == "a reload"
