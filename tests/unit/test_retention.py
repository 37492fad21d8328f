"""What goes first when room is short."""

from __future__ import annotations

from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger.retention import (
    MediaItem,
    Usage,
    choose_media,
    deletable,
    expired_marks,
)
from edge_runtime.ledger.rows import value_of
from edge_runtime.types import Media, VerdictKind

DAY_S = 86_400


def item(
    name: str, *, stored: bool = False, value: int = 0, seq: int = 1, size: int = 10
) -> MediaItem:
    return MediaItem(name, "image/jpeg", size, stored, value, seq, 0)


def usage(*, used: int = 0, budget: int = 1000, free: int = 1000, min_free: int = 0) -> Usage:
    return Usage(used, budget, free, min_free)


def names(items: list[MediaItem]) -> list[str]:
    return [chosen.sha256 for chosen in items]


def test_nothing_goes_while_all_is_within_its_budget() -> None:
    assert choose_media([item("a")], usage(used=1000, free=10, min_free=10)) == []


def test_media_that_the_collector_has_go_before_any_that_it_has_not() -> None:
    items = [item("only here", value=0), item("there too", stored=True, value=8)]
    assert names(choose_media(items, usage(free=0, min_free=5))) == ["there too"]


def test_of_unsynced_media_the_least_valuable_goes_first_and_the_oldest_among_equals() -> None:
    items = [
        item("reject", value=8, seq=1),
        item("newer pass", value=2, seq=9),
        item("older pass", value=2, seq=2),
        item("review", value=6, seq=3),
    ]
    order = ["older pass", "newer pass", "review", "reject"]
    assert names(choose_media(items, usage(free=0, min_free=40))) == order
    assert names(choose_media(items, usage(free=0, min_free=11))) == order[:2]


def test_no_more_goes_than_is_needed() -> None:
    items = [item(str(n), seq=n) for n in range(10)]
    assert len(choose_media(items, usage(free=75, min_free=100))) == 3


def test_once_over_budget_some_slack_is_made_so_that_not_every_file_evicts_one() -> None:
    assert usage(used=1001, budget=1000).excess_bytes == 51
    assert usage(used=1000, budget=1000).excess_bytes == 0


def test_rejects_are_worth_more_than_reviews_more_than_passes() -> None:
    ordinary = Media(sha256="1" * 64, kind="frame", mime="image/jpeg", size_bytes=1)
    kinds = [VerdictKind.PASS, VerdictKind.HEARD, VerdictKind.REVIEW, VerdictKind.REJECT]
    values = [value_of(kind, ordinary) for kind in kinds]
    assert values == sorted(set(values))


def test_an_overlay_is_worth_less_than_the_clean_picture_it_can_be_drawn_from_again() -> None:
    clean = Media(sha256="1" * 64, kind="frame", mime="image/jpeg", size_bytes=1)
    drawn = Media(sha256="1" * 64, kind="overlay", mime="image/jpeg", size_bytes=1)
    assert value_of(VerdictKind.REJECT, drawn) < value_of(VerdictKind.REJECT, clean)
    assert value_of(VerdictKind.REJECT, drawn) > value_of(VerdictKind.REVIEW, clean)


def test_a_sixteenth_of_the_passes_is_kept_like_reviews_for_the_audit() -> None:
    values = [
        value_of(
            VerdictKind.PASS,
            Media(sha256=f"{n:08x}" + "0" * 56, kind="frame", mime="image/jpeg", size_bytes=1),
        )
        for n in range(1600)
    ]
    assert sum(value > 2 for value in values) == 100


def test_rows_expire_by_the_age_of_the_ledger_at_which_they_were_there() -> None:
    marks = [(0, 0), (1 * DAY_S, 1000), (2 * DAY_S, 2000)]
    assert expired_marks(marks, age_s=2 * DAY_S, keep_s=30 * DAY_S) == []
    assert expired_marks(marks, age_s=31 * DAY_S, keep_s=30 * DAY_S)[-1] == (DAY_S, 1000)
    assert expired_marks(marks, age_s=99 * DAY_S, keep_s=30 * DAY_S)[-1] == (2 * DAY_S, 2000)


def test_only_what_the_collector_has_may_be_deleted() -> None:
    acked = IntervalSet.of([(1, 10), (12, 30)])
    assert deletable(acked, through=20, from_seq=5).ranges == ((5, 10), (12, 20))
    assert deletable(IntervalSet(), through=20, from_seq=1).ranges == ()
    assert deletable(acked, through=0, from_seq=1).ranges == ()
