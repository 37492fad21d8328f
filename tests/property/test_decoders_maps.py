"""Regions of maps, and the way back to the original, against plain loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.inference.decoders.maps import MapRules
from edge_runtime.inference.engines.tensors import Tensor
from edge_runtime.inference.pictures.placement import Placement
from edge_runtime.inference.pictures.preprocess import Preprocess
from edge_runtime.manifest import ImageInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

Part = tuple[float, int, int, int, int]


@st.composite
def maps(draw: st.DrawFn) -> NDArray[np.float32]:
    """In steps of 1/8, with as much over 1/2 as chance gives."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (rng.integers(0, 9, (height, width)) / 8).astype(np.float32)


def flooded(mask: NDArray[np.bool_], values: NDArray[np.float32], how: str) -> list[Part]:
    """(score, x0, y0, x1, y1) of each connected part, found by walking from pixel to pixel."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    parts = []
    while left:
        group, todo = set(), [min(left)]
        while todo:
            at = todo.pop()
            if at in left:
                left.discard(at)
                group.add(at)
                todo += [(at[0] + dy, at[1] + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        inside = [float(values[at]) for at in group]
        score = max(inside) if how == "max" else sum(inside) / len(inside)
        ys, xs = [y for y, _ in group], [x for _, x in group]
        parts.append((score, min(xs), min(ys), max(xs) + 1, max(ys) + 1))
    return sorted(parts)


@settings(max_examples=300, deadline=None)
@given(maps(), st.sampled_from(["max", "mean"]))
def test_regions_are_the_parts_that_a_walk_finds(values: NDArray[np.float32], how: str) -> None:
    height, width = values.shape
    rules = MapRules((width, height), region_score=how)
    as_it_is = Placement(width, height, 1.0, 1.0, 0.0, 0.0)
    found = rules.regions(values >= 0.5, values, "x", as_it_is)
    made = sorted((r.score, r.x0, r.y0, r.x1, r.y1) for r in found)
    wanted = flooded(values >= 0.5, values, how)
    assert len(made) == len(wanted)
    assert [m[1:] for m in sorted(made, key=lambda m: m[1:])] == [
        w[1:] for w in sorted(wanted, key=lambda w: w[1:])
    ]
    assert [m[0] for m in made] == pytest.approx([w[0] for w in wanted])


sides = st.integers(4, 64)


@st.composite
def placements(draw: st.DrawFn) -> tuple[ImageInput, Placement]:
    """An input and a picture of any sizes, fitted in any way that a manifest can say."""
    resize = draw(st.sampled_from(["stretch", "letterbox", "crop", "crop_from"]))
    width, height = draw(sides), draw(sides)
    spec = ImageInput(
        width=width,
        height=height,
        layout="NCHW",
        resize=resize.partition("_")[0],  # type: ignore[arg-type]
        crop_from=max(width, height) + draw(st.integers(0, 20)) if resize == "crop_from" else 0,
        pad_at=draw(st.sampled_from(["around", "after"])),
    )
    preprocess = Preprocess(spec, Tensor("x", (), np.dtype("float32")))
    return spec, preprocess.placement(draw(sides) * 4, draw(sides) * 4)


@settings(max_examples=400, deadline=None)
@given(placements(), st.data())
def test_a_box_goes_into_the_input_and_comes_back(
    wanted: tuple[ImageInput, Placement], data: st.DataObject
) -> None:
    _, at = wanted
    x0, y0 = data.draw(st.integers(0, at.width - 1)), data.draw(st.integers(0, at.height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, at.width)), data.draw(st.integers(y0 + 1, at.height))
    box = [x * at.scale_x + at.offset_x for x in (x0, x1)]
    box = [box[0], y0 * at.scale_y + at.offset_y, box[1], y1 * at.scale_y + at.offset_y]
    assert at.to_original(*box) == (x0, y0, x1, y1)
    # ... and by way of a map of another resolution.
    at_map = at.of_map((13, 7), (26, 35))
    on_map = [box[0] / 2, box[1] / 5, box[2] / 2, box[3] / 5]
    assert at_map.to_original(*on_map) == (x0, y0, x1, y1)


@settings(max_examples=200, deadline=None)
@given(placements())
def test_a_mark_in_the_picture_lies_where_the_placement_says(
    wanted: tuple[ImageInput, Placement],
) -> None:
    """White left of its middle, black right of it: the border is found again in the input."""
    spec, at = wanted
    picture = np.zeros((at.height, at.width, 3), np.uint8)
    picture[:, : at.width // 2] = 255
    plain = ImageInput(
        width=spec.width, height=spec.height, layout="NHWC", resize=spec.resize,
        crop_from=spec.crop_from, pad_at=spec.pad_at, pad_value=0, scale=(1.0,),
    )  # fmt: skip
    tensor = Preprocess(plain, Tensor("x", (), np.dtype("float32"))).image(picture)[0, :, :, 0]
    lit = tensor[spec.height // 2 if spec.pad_at == "around" else 0] / 255.0
    left = max(0.0, at.offset_x)
    border = at.width // 2 * at.scale_x + at.offset_x
    # The sum of the row is where the border is; interpolation shares a pixel at most.
    assert float(lit.sum()) == pytest.approx(min(max(border, 0), spec.width) - left, abs=1.01)


@settings(max_examples=200, deadline=None)
@given(placements(), st.integers(1, 20), st.integers(1, 20))
def test_heat_covers_the_original_and_shows_each_pixel_what_the_map_has_there(
    wanted: tuple[ImageInput, Placement], columns: int, rows: int
) -> None:
    spec, placement = wanted
    at = placement.of_map((columns, rows), (spec.width, spec.height))
    values = np.arange(1, rows * columns + 1, dtype=np.float32).reshape(rows, columns)
    heat = at.over_original(values)
    for row in range(heat.shape[0]):
        for column in range(heat.shape[1]):
            x = (column + 0.5) / heat.shape[1] * at.width * at.scale_x + at.offset_x
            y = (row + 0.5) / heat.shape[0] * at.height * at.scale_y + at.offset_y
            inside = 0 <= x < columns and 0 <= y < rows
            assert heat[row, column] == (values[int(y), int(x)] if inside else 0.0)
    x0, y0, x1, y1 = at.visible((columns, rows))
    assert 0 <= x0 < x1 <= columns
    assert 0 <= y0 < y1 <= rows
