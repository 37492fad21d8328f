from __future__ import annotations

import pytest

from edge_runtime.errors import ProtocolError
from edge_runtime.intervals import IntervalSet
from edge_runtime.ledger.queries import EpochSpan, SyncState
from edge_runtime.sync.batch import Batch
from edge_runtime.sync.decisions import clipped, greeting_of, outcome, standing
from edge_runtime.wire.conversation import Ranges, Receipt, Reject, Welcome

SPAN = EpochSpan("e", 1, 100)


def acked(*ranges: tuple[int, int]) -> IntervalSet:
    return IntervalSet.of(ranges)


def welcome(*ranges: tuple[int, int], more: bool = False) -> Welcome:
    return Welcome(max_seq=ranges[-1][1] if ranges else 0, ranges=ranges, more=more)


def batch(*seqs: int, media: frozenset[str] = frozenset()) -> Batch:
    return Batch(epoch="e", seqs=seqs, media=media, body=b"x", plain_bytes=1, refused=())


def receipt(acked: Ranges = (), *rejected: Reject, media_stored: tuple[str, ...] = ()) -> Receipt:
    return Receipt(acked=acked, rejected=rejected, media_stored=media_stored)


def test_a_collector_that_has_all_it_acknowledged_changes_nothing() -> None:
    found = standing(welcome((1, 80)), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert (found.rewind_through, found.forked) == (None, False)


def test_a_collector_that_has_more_than_we_know_of_an_answer_that_got_lost_changes_nothing() -> (
    None
):
    found = standing(welcome((1, 90)), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert (found.rewind_through, found.forked) == (None, False)


def test_a_restored_collector_makes_us_rewind_to_the_first_row_it_lost() -> None:
    found = standing(welcome((1, 30)), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert found.rewind_through == 30
    empty = standing(welcome(), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert empty.rewind_through == 0


def test_a_hole_at_the_collector_makes_us_rewind_to_it() -> None:
    found = standing(welcome((1, 30), (40, 80)), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert found.rewind_through == 30


def test_a_row_that_was_refused_is_no_hole() -> None:
    found = standing(
        welcome((1, 9), (11, 80)), SPAN, acked((1, 9), (11, 80)), min_seq=1, is_current=True
    )
    assert found.rewind_through is None


def test_rows_that_are_no_longer_here_cannot_be_sent_again() -> None:
    old = standing(welcome((51, 80)), SPAN, acked((1, 80)), min_seq=51, is_current=True)
    assert old.rewind_through is None
    mixed = standing(welcome(), SPAN, acked((1, 80)), min_seq=51, is_current=True)
    assert mixed.rewind_through == 50


def test_nothing_is_concluded_from_where_the_collectors_list_was_cut() -> None:
    cut = standing(welcome((1, 30), more=True), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert cut.rewind_through is None
    nothing = standing(welcome(more=True), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert nothing.rewind_through is None


def test_a_collector_that_knows_more_than_this_ledger_ever_wrote_means_an_old_disk_image() -> None:
    found = standing(welcome((1, 150)), SPAN, acked((1, 80)), min_seq=1, is_current=True)
    assert found.forked
    assert found.rewind_through is None


def test_an_epoch_that_has_ended_is_not_rotated_again() -> None:
    found = standing(welcome((1, 150)), SPAN, acked((1, 80)), min_seq=1, is_current=False)
    assert not found.forked


def test_an_empty_epoch_is_forked_as_soon_as_the_collector_has_anything_of_it() -> None:
    empty = EpochSpan("e", 101, 100)
    assert standing(welcome((101, 101)), empty, acked(), min_seq=1, is_current=True).forked
    assert not standing(welcome(), empty, acked(), min_seq=1, is_current=True).forked


def test_a_greeting_tells_only_of_its_own_epoch() -> None:
    state = SyncState("new", acked((1, 60)), acked((1, 60), (71, 72)), 100)
    span = EpochSpan("new", 51, 100)
    said = greeting_of(span, state, device="box", min_seq=11, software="s", boot_id="b", wall_ns=5)
    assert said.first_seq == 51
    assert said.max_seq == 100
    assert said.acked == ((51, 60),)
    assert said.quarantined == ((71, 72),)
    assert said.unsent == 38
    assert said.min_retained_seq == 11


def test_a_greeting_of_an_empty_epoch_says_that_it_has_nothing() -> None:
    state = SyncState("new", acked((1, 60)), acked((1, 60)), 60)
    said = greeting_of(
        EpochSpan("new", 61, 60),
        state,
        device="box",
        min_seq=1,
        software="s",
        boot_id="b",
        wall_ns=5,
    )
    assert (said.first_seq, said.max_seq, said.acked, said.unsent) == (61, 0, (), 0)


def test_an_ack_counts_only_for_what_was_in_the_batch() -> None:
    found = outcome(batch(5, 6, 9), receipt(((1, 100),)))
    assert found.acked == acked((5, 6), (9, 9))


def test_a_reject_is_found_by_its_place_in_the_batch() -> None:
    found = outcome(
        batch(5, 6, 9), receipt(((5, 6),), Reject(index=2, code="invalid_data", detail="no"))
    )
    assert found.refused == ((9, "invalid_data", "no"),)


def test_a_reject_of_something_that_was_not_sent_or_is_acknowledged_does_not_count() -> None:
    found = outcome(
        batch(5, 6),
        receipt(
            ((5, 6),),
            Reject(index=7, code="x"),
            Reject(index=-1, code="x"),
            Reject(index=0, code="x"),
        ),
    )
    assert found.refused == ()
    assert found.acked == acked((5, 6))


def test_an_answer_that_says_nothing_of_the_batch_is_an_error_and_not_a_reason_to_hurry() -> None:
    for empty in (receipt(), receipt(((1, 3),)), receipt((), Reject(index=9, code="x"))):
        with pytest.raises(ProtocolError):
            outcome(batch(5, 6), empty)


def test_a_range_that_ends_before_it_begins_is_an_error_of_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="range"):
        outcome(batch(5), receipt(((9, 5),)))
    with pytest.raises(ProtocolError, match="range"):
        standing(welcome((9, 5)), SPAN, acked(), min_seq=1, is_current=True)


def test_a_conflict_rotates_the_epoch_and_quarantines_nothing() -> None:
    found = outcome(
        batch(5, 6, 7),
        receipt(((5, 5),), *(Reject(index=n, code="epoch_conflict") for n in (1, 2))),
    )
    assert found.conflict is not None
    assert "seq 6" in found.conflict
    assert found.refused == ()


def test_a_conflict_waits_while_nothing_is_known_of_a_row_before_it() -> None:
    found = outcome(batch(5, 6, 7), receipt(((5, 5),), Reject(index=2, code="epoch_conflict")))
    assert found.conflict is None
    assert found.acked == acked((5, 5))


def test_media_count_as_stored_only_when_the_batch_refers_to_them() -> None:
    found = outcome(
        batch(5, media=frozenset({"aa"})), receipt(((5, 5),), media_stored=("aa", "bb"))
    )
    assert found.media_stored == ("aa",)


def test_clipped_is_the_part_within() -> None:
    numbers = acked((1, 10), (20, 30))
    assert clipped(numbers, 5, 25) == acked((5, 10), (20, 25))
    assert clipped(numbers, 11, 19) == acked()
    assert clipped(numbers, 9, 5) == acked()
