"""Every code has its texts, once; every code in a document or in the program exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from edge_runtime import codes
from edge_runtime.codes import EXPLANATIONS, Explanation
from edge_runtime.codes.explanation import define
from tests.support.data import PROJECT
from tools.write_faults import SECTIONS, document

CODE = re.compile(r"EDGE-[A-Z]\d{3}")
TEXTS = ("cause", "confirm", "cure", "line")
SPOKEN = [
    PROJECT / "README.md",
    PROJECT / "CHANGELOG.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
    *sorted((PROJECT / "configs").rglob("*.toml")),
    *sorted((PROJECT / "edge_runtime").rglob("*.py")),
]


@pytest.mark.parametrize("each", EXPLANATIONS.values(), ids=EXPLANATIONS)
def test_a_code_has_cause_proof_cure_and_what_the_line_does(each: Explanation) -> None:
    assert CODE.fullmatch(each.code)
    assert each.title[0].islower()
    assert not each.title.endswith(".")
    for name in TEXTS:
        text = getattr(each, name)
        assert text == text.strip(), name
        assert text.endswith((".", "!", "?")), name
        assert "  " not in text, name
    assert "|" not in each.cure + each.line  # they stand in a table


def test_no_two_codes_have_the_same_number_title_or_cause() -> None:
    numbers = Counter(code[-3:] for code in EXPLANATIONS)
    titles = Counter(each.title for each in EXPLANATIONS.values())
    causes = Counter(each.cause for each in EXPLANATIONS.values())
    for counted in (numbers, titles, causes):
        assert counted.most_common(1)[0][1] == 1


def test_every_code_has_one_name_to_import_it_by() -> None:
    names = {
        value: name
        for name, value in vars(codes).items()
        if isinstance(value, str) and CODE.fullmatch(value)
    }
    assert set(names) == set(EXPLANATIONS)
    assert {"Explanation", "EXPLANATIONS", "Severity", *names.values()} == set(codes.__all__)


def test_a_code_is_never_given_a_second_meaning() -> None:
    before = EXPLANATIONS["EDGE-L101"]
    with pytest.raises(ValueError, match="the source is away"):
        define(before.code, "another", before.severity, cause=".", confirm=".", cure=".", line=".")
    assert EXPLANATIONS["EDGE-L101"] is before


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_code_that_is_spoken_of_exists(path: Path) -> None:
    assert set(CODE.findall(path.read_text("utf-8"))) <= set(EXPLANATIONS)


def test_the_document_of_faults_is_written_from_the_codes() -> None:
    assert (PROJECT / "docs" / "faults.md").read_text("utf-8") == document()


def test_the_document_of_faults_leaves_no_code_out() -> None:
    assert {code[5] for code in EXPLANATIONS} == set(SECTIONS)
    assert set(CODE.findall(document())) == set(EXPLANATIONS)
