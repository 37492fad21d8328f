"""The words of a segment, each a part of its own in a lane of keywords.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.types import Inference, Span

_SAME_SHARE = 0.5


def words(inference: Inference, thresholds: Mapping[str, float]) -> list[Span]:
    """The spans of keywords at or over their threshold, in the order of time.

    `thresholds`: label = score from which it counts as heard; other labels are no keyword.  Of two
    spans that share more than half of the shorter one the less sure one is dropped: it is the same
    sound.  Empty: no word stands for itself, and the segment's `scores` say what it is as a whole.
    """
    sure = [
        span
        for span in inference.spans
        if span.label in thresholds and span.score >= thresholds[span.label]
    ]
    kept: list[Span] = []
    for span in sorted(sure, key=lambda one: -one.score):
        if not any(_is_same_sound(span, other) for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda one: (one.start_s, one.end_s))


def _is_same_sound(one: Span, other: Span) -> bool:
    shared_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    shorter_s = min(one.end_s - one.start_s, other.end_s - other.start_s)
    return shared_s > _SAME_SHARE * shorter_s
