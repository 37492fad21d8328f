from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from edge_runtime.toml.table import TableError, convert, convert_all, suggest


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    size_mm: Annotated[int, Meta(ge=10, le=900)]
    kind: Literal["steel", "rubber"] = "steel"


class Cart(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-z]+$", description="who it is")]
    wheels: dict[str, Wheel] = msgspec.field(default_factory=dict)
    spare: Wheel | None = None
    load: Annotated[float, Meta(gt=0)] | None = None
    limits: dict[str, Annotated[float, Meta(ge=0, le=1)]] = msgspec.field(default_factory=dict)
    colours: list[Literal["red", "green"]] = msgspec.field(default_factory=list)
    means: tuple[float, ...] = (0.0,)
    tags: Annotated[list[str], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["x"])
    locked: bool = False
    low: int = 0
    high: int = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            msg = f"low: found {self.low}; it is above high = {self.high}"
            raise ValueError(msg)


def problems(table: dict[str, Any]) -> list[str]:
    with pytest.raises(TableError) as caught:
        convert({"name": "a"} | table, Cart, "cart.toml")
    assert all(line.startswith("cart.toml: ") for line in caught.value.problems)
    return [line.removeprefix("cart.toml: ") for line in caught.value.problems]


def test_a_whole_table_is_converted_with_its_defaults() -> None:
    cart = convert(
        {"name": "a", "wheels": {"left": {"size_mm": 20}}, "load": 3, "means": [1, 2.5]}, Cart, "f"
    )
    assert cart == Cart(name="a", wheels={"left": Wheel(size_mm=20)}, load=3.0, means=(1.0, 2.5))


def test_every_problem_is_told_at_once_in_every_table() -> None:
    found = problems(
        {
            "nmae": 1,
            "wheels": {"left": {"size_mm": 5}, "right": {"kind": "stel"}},
            "load": 0,
            "limits": {"a": 2, "b": "x"},
        }
    )
    assert found == [
        "nmae: unknown key; did you mean 'name'?",
        "wheels.left.size_mm: found 5; give a whole number at least 10 and at most 900",
        "wheels.right.size_mm: missing; give a whole number at least 10 and at most 900",
        "wheels.right.kind: found 'stel'; did you mean 'steel'?",
        "load: found 0; give a number above 0",
        "limits.a: found 2; give a number at least 0 and at most 1",
        "limits.b: found 'x'; give a number at least 0 and at most 1",
    ]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"locked": "yes"}, "locked: found 'yes'; give true or false"),
        ({"low": True}, "low: found true; give a whole number"),
        ({"low": 1.0}, "low: found 1.0; give a whole number"),
        ({"load": float("nan")}, "load: found nan; give a number above 0"),
        ({"load": []}, "load: found an empty list; give a number above 0"),
        ({"wheels": 3}, "wheels: found 3; give a table"),
        ({"wheels": {"a": [1]}}, "wheels.a: found a list; give a table with size_mm, kind"),
        ({"spare": {}}, "spare.size_mm: missing; give a whole number at least 10 and at most 900"),
        ({"colours": "red"}, "colours: found 'red'; give a list"),
        ({"colours": ["red", "gren"]}, "colours: found 'gren'; did you mean 'green'?"),
        ({"colours": ["red", 3]}, "colours: found 3; allowed: red, green"),
        ({"means": ["x"]}, "means: found 'x'; give a number"),
        ({"tags": []}, "tags: found an empty list; give a list at least 1 of them"),
        ({"low": date(2026, 1, 2)}, "low: found 2026-01-02; give a whole number"),
        ({"name": "A"}, "name: found 'A'; give a string that matches ^[a-z]+$: who it is"),
        ({"low": 11}, "low: found 11; it is above high = 10"),
    ],
)
def test_each_kind_of_mistake_says_what_was_found_and_what_is_allowed(
    table: dict[str, Any], line: str
) -> None:
    assert problems(table) == [line]


def test_a_string_in_place_of_a_table_is_not_repeated_for_it_may_be_a_secret() -> None:
    assert problems({"spare": "hunter2"}) == [
        "spare: found a string; give a table with size_mm, kind"
    ]


def test_a_check_across_keys_runs_even_where_another_key_is_wrong() -> None:
    assert problems({"locked": 1, "low": 99}) == [
        "locked: found 1; give true or false",
        "low: found 99; it is above high = 10",
    ]


def test_what_is_right_is_there_for_further_checks_and_what_is_wrong_has_its_default() -> None:
    value, found = convert_all(
        {"name": "a", "load": -1, "wheels": {"l": {"size_mm": 1}, "r": {"size_mm": 20}}}, Cart
    )
    assert value is not None
    assert (value.load, list(value.wheels)) == (None, ["r"])
    assert len(found) == 2


def test_without_a_key_that_has_no_default_there_is_no_value() -> None:
    assert convert_all({}, Cart) == (
        None,
        ["name: missing; give a string that matches ^[a-z]+$: who it is"],
    )


def test_a_word_that_resembles_nothing_gets_all_that_is_allowed() -> None:
    assert suggest("zzz", ["b", "a"]) == "allowed: a, b"
    assert suggest("heigth", ["width", "height"]) == "did you mean 'height'?"
