"""When a file in a watched folder is tried, told, and left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.capture.folder_entries import Entry
from edge_runtime.capture.folder_settling import Settling
from edge_runtime.capture.inotify import hears_all

S = 1_000_000_000


def entry(content: str = "1", inode: int = 1, name: str = "a.jpg") -> Entry:
    return Entry(name, Path(name), f"{name}:{content}:1", "", inode)


def looks(settling: Settling, *seen: tuple[float, Entry]) -> list[str]:
    """What each look gave: nothing, a try, or the final word."""
    told = []
    for at_s, what in seen:
        ripe = settling.look([what], round(at_s * S))
        told.append(" ".join("final" if each.is_final else "try" for each in ripe))
    return told


def test_a_file_is_tried_once_two_looks_agree_and_told_once_it_has_settled() -> None:
    same = entry()
    seen = [(n / 2, same) for n in range(8)]
    assert looks(Settling(3 * S), *seen) == ["", "try", "", "", "", "", "final", "final"]


def test_what_was_judged_is_left_alone_until_it_changes() -> None:
    settling = Settling(3 * S)
    assert looks(settling, (0, entry()), (0.5, entry())) == ["", "try"]
    settling.judged("a.jpg", entry().item)
    assert not settling.waiting()
    assert looks(settling, (1, entry()), (9, entry())) == ["", ""]
    again = [(10, entry("2")), (10.5, entry("2")), (12.5, entry("2")), (13, entry("2"))]
    assert looks(settling, *again) == ["", "", "", "final"]


def test_a_file_that_grows_is_left_alone_until_it_rests() -> None:
    growing = [(n / 2, entry(str(n))) for n in range(5)]
    assert looks(Settling(3 * S), *growing, (2.5, entry("4")), (5, entry("4"))) == [
        *[""] * 6,
        "final",
    ]


def test_a_file_that_another_took_the_name_of_is_tried_at_once() -> None:
    """Somebody renames one over the other: the new one is whole."""
    replaced = [(n * 0.3, entry(str(n), inode=n)) for n in range(4)]
    assert looks(Settling(3 * S), *replaced) == ["", "try", "try", "try"]


def test_a_file_that_never_rests_is_tried_once_it_has_gone_on_for_long() -> None:
    restless = [(n / 2, entry(str(n))) for n in range(9)]
    assert looks(Settling(3 * S), *restless) == [*[""] * 6, "try", "try", "try"]


def test_a_pause_while_it_is_written_does_not_make_it_final() -> None:
    half, more, whole = entry("1"), entry("2"), entry("3")
    seen = [
        (0, half),
        (0.5, half),
        (2.0, half),
        (2.5, more),
        (3.0, more),
        (5.0, more),
        (5.4, whole),
    ]
    assert looks(Settling(3 * S), *seen) == ["", "try", "", "", "", "", ""]


def test_a_file_whose_inode_is_used_again_is_still_tried_at_each_look() -> None:
    replaced = [(n * 0.3, entry(str(n), inode=1 if n < 2 else 2)) for n in range(6)]
    assert looks(Settling(3 * S), *replaced) == ["", "", "try", "try", "try", "try"]


def test_a_file_that_was_judged_at_rest_is_not_tried_in_the_midst_of_the_next_writing() -> None:
    settling = Settling(3 * S)
    looks(settling, (0, entry()), (0.5, entry()))
    settling.judged("a.jpg", entry().item)
    again = [(1, entry("2")), (1.5, entry("3")), (2, entry("3")), (4.5, entry("3"))]
    assert looks(settling, *again) == ["", "", "", "final"]


def test_a_file_that_is_written_under_its_name_is_tried_once_the_writer_is_known_to_be_done() -> (
    None
):
    settling = Settling(3 * S)
    looks(settling, (0, entry()), (0.5, entry()))
    settling.judged("a.jpg", entry().item)
    told = []
    for at_s, content, is_written in [
        (1, "2", True),
        (1.5, "2", True),
        (2, "3", True),
        (2.5, "4", False),
        (3, "4", False),
    ]:
        states = iter([is_written])
        ripe = settling.look([entry(content)], round(at_s * S), lambda _: next(states))  # noqa: B023
        told.append([each.is_final for each in ripe])
    assert told == [[], [], [], [], [False]]


def test_a_file_whose_time_is_put_back_after_each_writing_is_seen_to_change() -> None:
    settling = Settling(3 * S)
    first, second = entry(), replace(entry(), changed_ns=1)
    assert looks(settling, (0, first), (0.5, second), (1, second), (3.5, second)) == [
        "",
        "",
        "",
        "final",
    ]


def test_without_a_settling_time_two_looks_are_the_final_word() -> None:
    assert looks(Settling(0), (0, entry()), (0.5, entry())) == ["", "final"]


def test_what_was_removed_is_new_when_it_comes_back() -> None:
    settling = Settling(0)
    looks(settling, (0, entry()), (0.5, entry()))
    settling.judged("a.jpg", entry().item)
    settling.keep_only({"b.jpg"})
    assert looks(settling, (1, entry()), (1.5, entry())) == ["", "final"]
    settling.forget("a.jpg")
    assert not settling.waiting()


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /mnt/line\\0401 rw shared:5 - cifs //pc/line rw
31 22 0:27 / /data rw - nfs4 server:/data rw
32 31 0:28 / /data/local rw - xfs /dev/sdb1 rw
33 22 0:29 / /home/me/net rw - fuse.sshfs me@there: rw
"""


@pytest.mark.parametrize(
    ("folder", "hears"),
    [
        ("/var/pictures", True),
        ("/mnt/line 1", False),
        ("/mnt/line 1/in", False),
        ("/mnt/line 12", True),
        ("/data/in", False),
        ("/data/local/in", True),
        ("/home/me/net/in", False),
    ],
)
def test_the_kernel_hears_of_everything_on_a_local_disk_only(folder: str, hears: bool) -> None:
    assert hears_all(Path(folder), MOUNTS) is hears
