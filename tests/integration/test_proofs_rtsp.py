"""The proofs of streams, at a reduced number."""

from __future__ import annotations

from pathlib import Path

from tools.proofs import inputs_rtsp, rtsp_age


def test_nothing_is_judged_from_a_loss_to_the_next_key_picture_and_no_whole_stream_is_refused(
    tmp_path: Path,
) -> None:
    rows = inputs_rtsp.run(12, 40, 3, tmp_path, tmp_path, lambda _: None)
    assert {row.kind: row.judged_though_reported for row in rows} == {row.kind: 0 for row in rows}
    assert rows[-1].tried == 4
    assert rows[-1].whole_refused == 0
    lossy = [row for row in rows if "lost" in row.kind]
    assert sum(row.tried for row in lossy) == 9
    # A picture that is lost as a whole before a key picture leaves nothing to refuse.
    assert sum(row.refused for row in lossy) >= 5
    assert all(row.visible_and_silent == 0 for row in lossy)


def test_no_picture_that_is_old_is_stamped_as_new_after_a_reconnect() -> None:
    rows = [rtsp_age.measure(5.0, stored_s, 2) for stored_s in rtsp_age.STORED_S]
    assert [row.old_as_new for row in rows] == [0, 0]
    assert [row.openings for row in rows] == [2, 2]
    assert [row.pictures for row in rows] == [2 * rtsp_age.PICTURES] * 2


def test_the_proof_sees_an_old_picture_that_says_it_is_new() -> None:
    from edge_runtime.types import Frame, Stamp
    from tests.support.h264 import drawn

    found = rtsp_age.Found(10.0, 0.0)
    frame = Frame("rtsp://cam/1", 0, Stamp(0, 10**10, ""), drawn(0), handed_ns=10**10)
    found.add(frame, 10**10 - 260_000_000)
    assert (found.old_as_new, found.late_stamps) == (1, 1)
