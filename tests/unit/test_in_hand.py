"""The page that outlives a lane: every field by itself, over deaths."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.link import in_hand
from edge_runtime.link.in_hand import Page, prepare, read

STEPS = st.lists(
    st.sampled_from(["begun", "closed", "acted", "unstored", "tell", "accounted", "item", "dies"]),
    max_size=60,
)


@dataclass
class Expected:
    """What the page should say."""

    open: int = 0
    acted: int = 0
    aside: int = 0
    unstored: int = 0
    told: int = 0
    item: str | None = None


def test_no_two_fields_lie_in_one_place() -> None:
    fields = {
        name.removesuffix("_AT"): (at, getattr(in_hand, name.removesuffix("_AT")).size)
        for name, at in vars(in_hand).items()
        if name.endswith("_AT") and name != "_ITEM_AT"
    }
    places = sorted((at, at + size, name) for name, (at, size) in fields.items())
    for (_, end, one), (start, _, other) in itertools.pairwise(places):
        assert end <= start, f"{one} reaches into {other}"
    assert places[-1][1] <= in_hand._ITEM_AT


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_what_a_lane_leaves_is_what_it_did_over_any_number_of_deaths(
    tmp_path_factory: object, steps: list[str]
) -> None:
    folder = Path(str(tmp_path_factory.mktemp("page")))  # type: ignore[attr-defined]
    path = prepare(folder, "top", 7, 3)
    page, expected = Page(path), Expected()
    for number, step in enumerate(steps):
        match step:
            case "begun":
                page.begun()
                expected.open += 1
            case "closed" if expected.open:
                page.closed()
                expected.open -= 1
            case "acted":
                page.acted(number, number)
                expected.acted += 1
            case "unstored":
                page.unstored(number)
                expected.unstored += 1
                expected.aside += 1
            case "tell":
                told = page.tell_unstored()
                expected.told = min(expected.told, expected.unstored) or expected.unstored
                assert (told[0] if told else 0) == expected.told
            case "accounted" if expected.told:
                page.accounted(expected.told)
                expected.unstored -= expected.told
                expected.told = 0
            case "item":
                page.put("infer", f"frame:{number}")
                expected.item = f"frame:{number}"
            case "dies":
                page.close()
                prepare(folder, "top", 7, 3)
                page = Page(path)
                expected.open = expected.acted = expected.aside = 0
                expected.item = None
        left = read(path)
        assert left is not None
        assert (left.open, left.acted, left.aside, left.unstored) == (
            expected.open, expected.acted, expected.aside, expected.unstored,
        )  # fmt: skip
        assert left.items.get("infer") == expected.item
        assert (left.base, left.carried) == (7, 3)
    page.close()
