"""What is noted beside the database is believed when it is whole, and never more than that."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.ledger.noted import Mark, read_noted, write_epoch

EPOCH = "0123456789abcdef" * 2


def note(folder: Path, epoch: str, seq: int) -> None:
    mark = Mark(folder, "boot")
    mark.note(epoch, seq)
    mark.close()


def test_the_mark_is_ahead_of_the_epoch_file_between_checkpoints(tmp_path: Path) -> None:
    write_epoch(tmp_path, EPOCH, 100)
    note(tmp_path, EPOCH, 117)
    noted = read_noted(tmp_path)
    assert (noted.epoch, noted.top((EPOCH,)), noted.boot) == (EPOCH, 117, "boot")


def test_a_mark_that_a_power_cut_left_behind_takes_nothing_away(tmp_path: Path) -> None:
    note(tmp_path, EPOCH, 17)
    write_epoch(tmp_path, EPOCH, 100)
    assert read_noted(tmp_path).top((EPOCH,)) == 100


def test_a_mark_of_another_epoch_says_nothing_of_this_one(tmp_path: Path) -> None:
    note(tmp_path, "other", 500)
    write_epoch(tmp_path, EPOCH, 100)
    noted = read_noted(tmp_path)
    assert noted.top((EPOCH,)) == 100
    assert noted.top() == 500


def test_without_either_nothing_is_known(tmp_path: Path) -> None:
    assert read_noted(tmp_path).top() == 0


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_at_all_make_it_fail_or_are_believed_by_chance(
    tmp_path: Path, epoch: bytes, mark: bytes
) -> None:
    (tmp_path / "epoch").write_bytes(epoch)
    (tmp_path / "mark").write_bytes(mark)
    assert 0 <= read_noted(tmp_path).top() < 1 << 62


@given(st.integers(0, 127), st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mark_with_a_changed_byte_is_not_believed_as_another_number(
    tmp_path: Path, place: int, change: int
) -> None:
    note(tmp_path, EPOCH, 117)
    path = tmp_path / "mark"
    raw = bytearray(path.read_bytes())
    raw[place] ^= change
    path.write_bytes(raw)
    assert read_noted(tmp_path).top() in (0, 117)
