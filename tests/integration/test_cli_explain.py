from __future__ import annotations

import pytest

from edge_runtime.codes import EXPLANATIONS
from tests.support.command_line import run


def test_a_code_is_explained_with_cause_proof_cure_and_the_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = run(capsys, "explain", "EDGE-O202")
    assert ended.code == 0
    assert ended.out.startswith("EDGE-O202  the far side does not acknowledge  (fault)\n")
    for heading in ("cause:", "how to confirm:", "how to cure:", "the line meanwhile:"):
        assert heading in ended.out
    assert max(map(len, ended.out.splitlines())) <= 90


@pytest.mark.parametrize("written", ["edge-o202", "O202", " o202 "])
def test_a_code_may_be_written_short(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "explain", written).out.startswith("EDGE-O202 ")


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "explain")
    assert [line.split()[0] for line in ended.out.splitlines()] == list(EXPLANATIONS)


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"code", "title", "severity", "cause", "confirm", "cure", "line"}
    (one,) = run(capsys, "explain", "L101", "--json").json
    assert set(one) == texts
    assert one["code"] == "EDGE-L101"
    assert len(run(capsys, "explain", "--json").json) == len(EXPLANATIONS)


def test_an_unknown_code_is_answered_with_the_nearest_and_exit_64(
    capsys: pytest.CaptureFixture[str],
) -> None:
    near = run(capsys, "explain", "EDGE-L191")
    assert (near.code, near.out) == (64, "")
    assert "did you mean EDGE-L101" in near.err
    far = run(capsys, "explain", "belt")
    assert far.code == 64
    assert "edge-runtime explain lists them all" in far.err
