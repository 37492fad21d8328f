"""The text edit of model.toml leaves everything else as it was written."""

from __future__ import annotations

import tomllib

import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference.trust.golden.hashes import with_golden_hashes

TEXT = """\
# made by hand
format = 1
labels = ["a", "[sha256]"]

[sha256]   # of every file
"model.onnx" = "11"
"golden/old.png" = "22"
'golden/other.png' = "33"
labels = "44"  # a bare key

[image]
width = 3 # pixels
"""


def test_old_golden_lines_go_new_ones_come_and_nothing_else_changes() -> None:
    made = with_golden_hashes(TEXT, {"b.png": "b0", "a.json": "a0"})
    assert made == TEXT.replace('"golden/old.png" = "22"\n', "").replace(
        "'golden/other.png' = \"33\"\n", ""
    ).replace(
        'labels = "44"  # a bare key\n',
        'labels = "44"  # a bare key\n"golden/a.json" = "a0"\n"golden/b.png" = "b0"\n',
    )


def test_doing_it_twice_gives_the_same_text() -> None:
    once = with_golden_hashes(TEXT, {"b.png": "b0"})
    assert with_golden_hashes(once, {"b.png": "b0"}) == once


def test_a_table_at_the_end_of_the_file_is_found() -> None:
    made = with_golden_hashes('format = 1\n[sha256]\n"m.onnx" = "1"', {"x.png": "2"})
    assert tomllib.loads(made)["sha256"] == {"m.onnx": "1", "golden/x.png": "2"}


@pytest.mark.parametrize(
    "text",
    [
        'sha256 = { "m.onnx" = "1" }\n',
        'sha256."m.onnx" = "1"\n',
        'note = """\n[sha256]\n"""\nsha256 = { "m.onnx" = "1" }\n',
        '[sha256]\n"m.onnx" = """\n"golden/x" = 1\n"""\n',
    ],
)
def test_a_table_written_in_another_way_is_refused_and_never_mangled(text: str) -> None:
    with pytest.raises(ModelError, match=r"\[sha256\]"):
        with_golden_hashes(text, {"x.png": "2"})
