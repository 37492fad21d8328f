"""Boxes against the plainest program that does what the words say, one box after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.inference.decoders.boxes import BoxRules, suppressed
from edge_runtime.inference.decoders.detection import Detection, RawHead
from edge_runtime.inference.pictures.placement import Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[int, int, int, int]

corners = st.tuples(*(st.integers(-5, 30) for _ in range(4)))
WHOLE = Placement(32, 32, 1.0, 1.0, 0.0, 0.0)


def overlap(one: Box, other: Box) -> tuple[int, int]:
    """(intersection, union) in pixels."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [max(0, b[2] - b[0]) * max(0, b[3] - b[1]) for b in (one, other)]
    return width * height, sum(areas) - width * height


def plainly_suppressed(boxes: list[Box], groups: list[int], iou: float, most: int) -> list[int]:
    stayed: list[int] = []
    for index, box in enumerate(boxes):
        is_hidden = False
        for better in stayed:
            shared, union = overlap(boxes[better], box)
            if groups[better] == groups[index] and shared > iou * union:
                is_hidden = True
        if not is_hidden and len(stayed) < most:
            stayed.append(index)
    return stayed


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(corners, st.integers(0, 2)), max_size=40),
    st.floats(0, 1),
    st.integers(1, 40),
    st.integers(1, 50),
)
def test_suppression_is_that_of_two_plain_loops(
    listed: list[tuple[Box, int]], iou: float, most: int, block: int
) -> None:
    boxes, groups = [box for box, _ in listed], [group for _, group in listed]
    made = suppressed(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(groups, np.intp),
        iou=iou,
        most=most,
        block=block,
    )
    assert made.tolist() == plainly_suppressed(boxes, groups, iou, most)


@st.composite
def heads(draw: st.DrawFn) -> NDArray[np.float32]:
    """[1, 4 + 3, n] with scores in steps of 1/64, so that no rounding decides."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 30))
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 32, (2, count))
    sizes = rng.integers(0, 12, (2, count)) * 2
    scores = rng.integers(0, 65, (3, count)) / 64
    return np.concatenate([places, sizes, scores]).astype(np.float32)[None]


def plainly(
    head: NDArray[np.float32], score_min: float, iou: float
) -> list[tuple[str, float, Box]]:
    """A region a box, in pixels of a picture of 32 x 32."""
    found = []
    for x, y, w, h, *scores in head[0].T.tolist():
        best = max(scores)
        box = (int(x - w / 2), int(y - h / 2), int(x + w / 2), int(y + h / 2))
        if best >= score_min and box[2] > 0 and box[3] > 0 and box[0] < 32 and box[1] < 32:
            found.append((best, scores.index(best), box))
    found.sort(key=lambda one: -one[0])
    stayed = plainly_suppressed([f[2] for f in found], [f[1] for f in found], iou, 300)
    made = []
    for index in stayed:
        score, label, (x0, y0, x1, y1) = found[index]
        left, top = min(max(x0, 0), 31), min(max(y0, 0), 31)
        right, bottom = max(min(x1, 32), left + 1), max(min(y1, 32), top + 1)
        made.append(("abc"[label], score, (left, top, right, bottom)))
    return made


@settings(max_examples=300, deadline=None)
@given(heads(), st.integers(1, 64), st.integers(0, 16))
def test_a_head_becomes_the_regions_of_a_plain_loop(
    head: NDArray[np.float32], least: int, sixteenths: int
) -> None:
    score_min, iou = least / 64, sixteenths / 16
    rules = BoxRules(("a", "b", "c"), (32, 32), score_min=score_min, iou=iou)
    answer = Detection(RawHead(3), rules, "").decode([head], WHOLE)
    assert [(r.label, r.score, (r.x0, r.y0, r.x1, r.y1)) for r in answer.regions] == plainly(
        head, score_min, iou
    )
    for score in answer.scores:
        mine = [region.score for region in answer.regions if region.label == score.label]
        assert score.score == max(mine, default=0.0)
