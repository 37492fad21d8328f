from __future__ import annotations

import itertools

from edge_runtime.lane.resequence import Resequencer


def test_whatever_order_answers_come_in_they_are_emitted_in_order() -> None:
    for order in itertools.permutations(range(5)):
        emitted: list[int] = []
        resequencer: Resequencer[int] = Resequencer(emitted.append)
        for number in order:
            resequencer.put(number, number, tick=lambda: None)
        assert emitted == [0, 1, 2, 3, 4]


def test_nothing_is_emitted_before_its_turn() -> None:
    emitted: list[int] = []
    resequencer: Resequencer[int] = Resequencer(emitted.append)
    resequencer.put(1, 1, tick=lambda: None)
    assert emitted == []
