"""When an entry was, by the anchors of its boot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.ledger.times import EARLIEST_NS, LATEST_NS, Anchor, Times
from edge_runtime.types import Stamp

S = 10**9
NOW = 1_790_000_000 * S
OFFSETS = st.integers(-(1 << 62), 1 << 62)
SECONDS = st.integers(0, 10**6).map(lambda s: s * S)


def anchor(boot: str, boottime_ns: int, wall_ns: int, origin: str = "start") -> Anchor:
    return Anchor(boot, boottime_ns, wall_ns, origin)


@given(SECONDS, SECONDS, SECONDS)
def test_entries_from_before_the_clock_was_set_get_the_time_they_really_had(
    start: int, later: int, at: int
) -> None:
    times = Times([anchor("a", start, start), anchor("a", start + later, NOW + later, "set")])
    found = times.of(Stamp(at, at, "a"))
    assert found.wall_ns == NOW - start + at
    assert found.is_trusted
    assert found.is_corrected


@given(SECONDS, SECONDS)
def test_entries_of_a_clock_that_was_right_stay_as_they_are(start: int, at: int) -> None:
    times = Times([anchor("a", start, NOW + start), anchor("a", start, NOW + start, "ntp")])
    stamp = Stamp(NOW + at, at, "a")
    found = times.of(stamp)
    assert (found.wall_ns, found.is_trusted, found.is_corrected) == (stamp.wall_ns, True, False)


@given(SECONDS)
def test_a_boot_in_which_nobody_set_the_clock_is_not_trusted(at: int) -> None:
    times = Times([anchor("a", 0, 0), anchor("b", 0, NOW)])
    found = times.of(Stamp(at, at, "a"))
    assert (found.wall_ns, found.is_trusted) == (at, False)


def test_what_others_told_counts_more_than_what_somebody_set_later() -> None:
    anchors = [anchor("a", 0, 0), anchor("a", 10 * S, NOW, "ntp"),
               anchor("a", 20 * S, NOW + 7000 * S, "set")]  # fmt: skip
    assert Times(anchors).of(Stamp(NOW + 7005 * S, 25 * S, "a")).wall_ns == NOW + 15 * S


def test_a_clock_that_is_set_to_nonsense_corrects_nothing() -> None:
    for nonsense in (0, -(10**17), 9 * 10**18):
        anchors = [anchor("a", 0, NOW), anchor("a", 10 * S, nonsense, "set")]
        assert Times(anchors).of(Stamp(NOW + S, S, "a")).wall_ns == NOW + S
        assert Times(anchors).of(Stamp(nonsense, 10 * S, "a")).wall_ns == NOW + 10 * S


@given(st.lists(st.tuples(st.sampled_from("abc"), SECONDS, OFFSETS,
                          st.sampled_from(["start", "set", "ntp", "odd"]))), SECONDS, OFFSETS,
       st.sampled_from("abcd"))  # fmt: skip
def test_any_anchors_give_a_time_and_a_plausible_one_where_it_is_trusted(
    raw: list[tuple[str, int, int, str]], at: int, wall: int, boot: str
) -> None:
    times = Times([Anchor(b, t, t + o, origin) for b, t, o, origin in raw])
    found = times.of(Stamp(wall, at, boot))
    if not found.is_corrected:
        assert found.wall_ns == wall
    times.since(NOW)
    times.since(wall)


def test_boots_that_may_have_been_since_are_asked_for_too() -> None:
    anchors = [anchor("old", 0, 0), anchor("then", 0, NOW - 5000 * S), anchor("new", 0, 0),
               anchor("now", 0, NOW)]  # fmt: skip
    assert Times(anchors).since(NOW - 3600 * S).unknown == ("new",)
    assert Times(anchors).since(NOW - 9000 * S).unknown == ("old", "new")
    assert EARLIEST_NS < NOW < LATEST_NS
