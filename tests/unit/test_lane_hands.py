"""Which item a lane's workers have in hand, and one at a time where one of them is deadly."""

from __future__ import annotations

import threading
from pathlib import Path

from edge_runtime.lane.inferring import CAREFUL_ITEMS, Hands
from edge_runtime.link.in_hand import Page, prepare, read


def hands(folder: Path, *, careful: bool) -> tuple[Hands, Path]:
    path = prepare(folder, "top")
    return Hands(Page(path), careful=careful), path


def in_hand(path: Path) -> str | None:
    page = read(path)
    assert page is not None
    return page.items.get("infer")


def test_a_careful_lane_has_one_item_in_hand_and_a_worker_that_waits_turns_its_loop(
    tmp_path: Path,
) -> None:
    held, path = hands(tmp_path, careful=True)
    turned = threading.Event()
    held.take("infer-0", "first")
    other = threading.Thread(target=held.take, args=("infer-1", "second", turned.set))
    other.start()
    assert turned.wait(10), "it is not taken for stuck"
    assert in_hand(path) == "first"
    held.put_down("infer-0")
    other.join(10)
    assert in_hand(path) == "second"
    held.put_down("infer-1")
    assert in_hand(path) is None


def test_a_worker_that_began_without_care_does_not_let_go_of_what_another_has(
    tmp_path: Path,
) -> None:
    held, _ = hands(tmp_path, careful=True)
    for number in range(CAREFUL_ITEMS - 1):
        held.take("infer-0", str(number))
        held.put_down("infer-0")
    waits = threading.Event()
    held.take("infer-0", "the last but one")
    other = threading.Thread(target=held.take, args=("infer-1", "the last", waits.set))
    other.start()
    assert waits.wait(10)
    held.put_down("infer-0")  # from here on nobody is careful, but one still has its turn
    other.join(10)
    held.take("infer-2", "beside it")
    held.put_down("infer-2")
    held.put_down("infer-1")
    held.take("infer-0", "the next")
    held.put_down("infer-0")
