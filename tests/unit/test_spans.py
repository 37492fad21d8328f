from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.sounds.spans import runs_over, stream_spans, window_spans
from edge_runtime.types import Span

LABELS = ("stop", "go", "noise")
THRESHOLDS = (0.6, 0.6, None)


def scores(*rows: tuple[float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("values", "gap", "runs"),
    [
        ([], 0, []),
        ([0.1, 0.2], 0, []),
        ([0.5, 0.1, 0.9, 0.9], 0, [(0, 1), (2, 4)]),
        ([0.5, 0.1, 0.9, 0.9], 1, [(0, 4)]),
        ([0.9, 0.1, 0.1, 0.9], 1, [(0, 1), (3, 4)]),
    ],
)
def test_runs_are_at_or_over_the_threshold_and_bridge_gaps(
    values: list[float], gap: int, runs: list[tuple[int, int]]
) -> None:
    assert runs_over(np.array(values, np.float32), 0.5, gap=gap) == runs


def test_a_detection_lasts_from_the_first_sure_step_to_the_last_with_the_best_score() -> None:
    found = stream_spans(
        np.array([0.1, 0.6, 0.75, 0.1, 0.1, 0.5], np.float32), "wake", 0.5, step_s=0.1, gap=0
    )
    assert [(span.label, span.score) for span in found] == [("wake", 0.75), ("wake", 0.5)]
    assert [span.start_s for span in found] == pytest.approx([0.1, 0.5])
    assert [span.end_s for span in found] == pytest.approx([0.3, 0.6])


def test_neighbouring_windows_of_a_word_are_one_span_at_the_surest() -> None:
    found = window_spans(
        scores((0.7, 0.1, 0.2), (0.9, 0.05, 0.05), (0.9, 0.05, 0.05), (0.9, 0.05, 0.05)),
        [0.0, 0.25, 0.5, 0.75],
        1.0,
        labels=LABELS,
        thresholds=THRESHOLDS,
    )
    assert found == [Span("stop", float(np.float32(0.9)), 0.5, 1.5)]


def test_the_same_word_twice_is_two_spans_and_two_words_come_in_the_order_of_time() -> None:
    quiet = (0.0, 0.0, 1.0)
    found = window_spans(
        scores((0, 0.8, 0.2), quiet, quiet, quiet, (0.9, 0.0, 0.1), quiet, quiet, (0, 0.7, 0.3)),
        [0.5 * at for at in range(8)],
        1.0,
        labels=LABELS,
        thresholds=THRESHOLDS,
    )
    assert [(span.label, span.start_s) for span in found] == [
        ("go", 0.0), ("stop", 2.0), ("go", 3.5),
    ]  # fmt: skip


def test_of_two_words_in_the_same_sound_the_surer_one_stays() -> None:
    found = window_spans(
        scores((0.7, 0.2, 0.1), (0.1, 0.8, 0.1)),
        [0.0, 0.1],
        1.0,
        labels=LABELS,
        thresholds=THRESHOLDS,
    )
    assert [span.label for span in found] == ["go"]


def test_neither_an_ignored_label_nor_one_below_its_threshold_is_a_span() -> None:
    assert (
        window_spans(
            scores((0.1, 0.1, 0.8), (0.55, 0.3, 0.15)),
            [0.0, 1.0],
            1.0,
            labels=LABELS,
            thresholds=THRESHOLDS,
        )
        == []
    )
