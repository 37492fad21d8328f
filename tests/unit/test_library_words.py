"""What a runtime says is told whole where it matters, without its own sources."""

from __future__ import annotations

import pytest

from edge_runtime.inference.engines.library_words import in_one_line

SIGNATURE = (
    "[ONNXRuntimeError] : 1 : FAIL : /src/onnxruntime/core/graph/model.cc:256 "
    "onnxruntime::Model::Model(onnx::ModelProto&&, const std::function<void(int)>&, const Options&) "
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            f"{SIGNATURE}Unsupported model IR version: 30, max supported IR version: 14\n",
            "Unsupported model IR version: 30, max supported IR version: 14",
        ),
        (
            (
                "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x\n"
                " index: 1 Got: 4 Expected: 3\n"
            ),
            "Got invalid dimensions for input: x index: 1 Got: 4 Expected: 3",
        ),
        ("/src/a.cc:3 f(", "/src/a.cc:3 f("),
        ("plain words", "plain words"),
        ("", "ValueError"),
    ],
)
def test_only_what_it_has_to_tell_is_told(said: str, told: str) -> None:
    assert in_one_line(ValueError(said)) == told


def test_of_a_very_long_message_both_ends_are_told() -> None:
    told = in_one_line(ValueError(f"first {'x ' * 2000}last"))
    assert len(told) < 520
    assert told.startswith("first")
    assert told.endswith("last")
