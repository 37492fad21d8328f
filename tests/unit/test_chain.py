"""Chains: what a detector found is cut out, judged by the next, and told in the whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import ItemError
from edge_runtime.inference.pictures.chain import MARGIN, ChainRunner, crop_of
from edge_runtime.inference.pictures.region_of_interest import of_region
from edge_runtime.types import Inference, Region, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 120, 80


class Finder:
    """Answers with the same boxes for every picture."""

    def __init__(self, *boxes: tuple[int, int, int, int], scores: tuple[float, ...] = ()) -> None:
        self._regions = tuple(
            Region("thing", score, *box)
            for box, score in zip(boxes, scores or (0.9,) * len(boxes), strict=True)
        )

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        del pixels
        return Inference(
            model="finder/1", model_sha256="f", scores=(Score("thing", 0.9),),
            regions=self._regions, preprocess_ms=1.0, infer_ms=10.0,
        )  # fmt: skip


class Eye:
    """Sees how bright a crop is, and where its marks, of blue 255, are."""

    def __init__(self, model: str = "eye/2") -> None:
        self.shown: list[tuple[int, ...]] = []
        self._model = model

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        self.shown.append(pixels.shape)
        bright = float(pixels[:, :, 2].mean()) / 255
        scores = sorted([Score("bad", bright), Score("ok", 1 - bright)], key=lambda s: -s.score)
        rows, columns = np.nonzero(pixels[:, :, 0] == 255)
        regions: tuple[Region, ...] = ()
        if len(rows):
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
            regions = (Region("mark", 0.5, *box),)
        return Inference(
            model=self._model, model_sha256="e", scores=tuple(scores), regions=regions,
            tiles=((0, 0, 1, 1, 0.5),), heat=np.zeros((2, 2), np.float32),
            preprocess_ms=2.0, infer_ms=3.0,
        )  # fmt: skip


def picture() -> NDArray[np.uint8]:
    """Dark; its right half is bright, with a mark at [90, 40, 94, 44]."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, 60:, 2] = 200
    pixels[40:44, 90:94, 0] = 255
    return pixels


def test_each_box_has_the_next_models_best_label_and_the_worst_crop_tells_the_score() -> None:
    chain = ChainRunner(Finder((10, 20, 30, 40), (80, 30, 100, 50)), Eye())
    found = chain.frame(picture())
    assert found.model == "eye/2"
    assert found.model_sha256 == "e"
    assert found.steps == ("finder/1", "eye/2")
    assert [score.label for score in found.scores] == ["ok", "bad"]
    assert found.scores[0].score == 1.0
    assert found.scores[1].score == pytest.approx(200 / 255)
    assert found.regions == (
        Region("ok", 1.0, 10, 20, 30, 40),
        Region("bad", found.scores[1].score, 80, 30, 100, 50),
        Region("mark", 0.5, 90, 40, 94, 44),
    )
    assert (found.heat, found.tiles) == (None, ())
    assert (found.preprocess_ms, found.infer_ms) == (1.0 + 2 * 2.0, 10.0 + 2 * 3.0)


def test_a_crop_has_a_margin_that_ends_with_the_picture() -> None:
    eye = Eye()
    ChainRunner(Finder((40, 30, 60, 40), (0, 0, 20, 10)), eye).frame(picture())
    assert eye.shown == [(12, 24, 3), (11, 22, 3)]


def test_a_detector_that_finds_nothing_is_no_pass() -> None:
    with pytest.raises(ItemError, match=r"^the detector found nothing to look at$"):
        ChainRunner(Finder(), Eye()).frame(picture())


def test_the_best_sixteen_boxes_are_looked_at() -> None:
    eye = Eye()
    boxes = [(4 * at, 0, 4 * at + 4, 10 + at) for at in range(20)]
    scores = tuple(0.01 * at for at in range(20))
    found = ChainRunner(Finder(*boxes, scores=scores), eye, margin=0.0).frame(picture())
    assert len(eye.shown) == 16
    assert {shape[0] for shape in eye.shown} == set(range(14, 30))
    assert len(found.regions) == 16


def test_three_steps_are_a_chain_of_a_chain() -> None:
    inner = Finder((2, 3, 10, 9))
    chain = ChainRunner(Finder((50, 20, 90, 60)), inner, Eye("last/3"), margin=0.0)
    found = chain.frame(picture())
    assert found.steps == ("finder/1", "finder/1", "last/3")
    assert Region("ok", 1.0, 52, 23, 60, 29) in found.regions
    assert found.infer_ms == 10.0 + 10.0 + 3.0


def test_one_piece_that_cannot_be_judged_is_the_whole_parts_failure() -> None:
    with pytest.raises(ItemError, match="nothing to look at"):
        ChainRunner(Finder((50, 20, 90, 60)), Finder(), Eye()).frame(picture())


def test_a_chain_of_one_step_is_none() -> None:
    with pytest.raises(ValueError, match="at least two"):
        ChainRunner(Eye())


def test_a_chain_within_a_region_of_interest_tells_of_the_whole_picture() -> None:
    chain = ChainRunner(Finder((10, 10, 40, 40)), Eye())
    found = of_region(chain, (70, 20, 120, 80)).frame(picture())
    assert found.steps == ("finder/1", "eye/2")
    assert {(r.label, r.x0, r.y0, r.x1, r.y1) for r in found.regions} == {
        ("bad", 80, 30, 110, 60),
        ("mark", 90, 40, 94, 44),
    }


corner = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1))


@given(corner, st.integers(1, WIDTH), st.integers(1, HEIGHT), st.floats(0, 1), corner)
def test_whatever_the_box_what_the_next_model_saw_lies_where_it_is_in_the_picture(
    at: tuple[int, int], wide: int, high: int, margin: float, mark: tuple[int, int]
) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[mark[1], mark[0], 0] = 255
    box = (at[0], at[1], min(WIDTH, at[0] + wide), min(HEIGHT, at[1] + high))
    found = ChainRunner(Finder(box), Eye(), margin=margin).frame(pixels)
    x0, y0, x1, y1 = crop_of(Region("", 0.0, *box), WIDTH, HEIGHT, margin)
    assert x0 <= box[0] < box[2] <= x1
    assert y0 <= box[1] < box[3] <= y1
    is_shown = x0 <= mark[0] < x1 and y0 <= mark[1] < y1
    marks = [region for region in found.regions if region.label == "mark"]
    expected = Region("mark", 0.5, mark[0], mark[1], mark[0] + 1, mark[1] + 1)
    assert marks == ([expected] if is_shown else [])
    for region in found.regions:
        assert 0 <= region.x0 < region.x1 <= WIDTH
        assert 0 <= region.y0 < region.y1 <= HEIGHT


def test_a_box_that_hangs_out_of_the_picture_is_cut_to_it() -> None:
    assert crop_of(Region("", 1.0, 110, 70, 140, 95), WIDTH, HEIGHT, MARGIN) == (107, 68, 120, 80)
    assert crop_of(Region("", 1.0, 130, 90, 140, 95), WIDTH, HEIGHT, 0.0) == (119, 79, 120, 80)
