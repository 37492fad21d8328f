"""What decided an answer, and where its score lies on the ruler of its threshold.  Pure.

A network's own scores are no probabilities that one could compare between models: 0.87 may be far
from anything.  The ruler is the same for all: 0 nothing, 0.5 exactly at the threshold, 1 the most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edge_runtime.types import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.manifest import Manifest
    from edge_runtime.types import Inference, Score, Verdict

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Decided:
    """The label that decided: over its threshold, or, of what passes, the nearest to one."""

    label: str
    score: float
    """The model's own."""
    threshold: float

    @property
    def ruler(self) -> float:
        """0..1, 0.5 at the threshold; straight on both sides."""
        if self.score < self.threshold:
            return 0.5 * max(0.0, self.score) / self.threshold
        room = 1.0 - self.threshold
        return 1.0 if room <= 0 else min(1.0, 0.5 + 0.5 * (self.score - self.threshold) / room)

    def __str__(self) -> str:
        from edge_runtime.lane.evidence import against

        return f"{self.label} {against(self.score, self.threshold)}"

    def as_json(self) -> dict[str, Any]:
        """For a JSON line."""
        return {
            "label": self.label,
            "score": round(self.score, _DIGITS),
            "threshold": self.threshold,
            "ruler": round(self.ruler, _DIGITS),
        }


def limits_of(
    manifest: Manifest,
    given: Mapping[str, float],
    review: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Label = the score from which it is no more `pass`.

    `given` to reject, and `review`, go before the manifest's.
    """
    reject = {**manifest.reject, **given}
    review = {**manifest.review, **review}
    return {
        label: min(table[label] for table in (reject, review) if label in table)
        for label in manifest.labels
        if label in reject or label in review
    }


def decided(
    verdict: Verdict | None, scores: Sequence[Score], limits: Mapping[str, float]
) -> Decided | None:
    """What the verdict was made of; None where there was no threshold in it."""
    if verdict is None:
        return None
    if verdict.kind is VerdictKind.PASS:
        found = [Decided(s.label, s.score, limits[s.label]) for s in scores if s.label in limits]
        return max(found, key=lambda one: one.ruler, default=None)
    if verdict.label is None or verdict.score is None or verdict.threshold is None:
        return None
    return Decided(verdict.label, verdict.score, verdict.threshold)


def label_of(
    verdict: Verdict, inference: Inference, limits: Mapping[str, float]
) -> tuple[str | None, float | None]:
    """(label, score) that say the same as a camera's verdict.

    Of what passes the best label that nothing is done about; none where every label has a limit.
    """
    if verdict.kind is not VerdictKind.PASS:
        return verdict.label, verdict.score
    good = [score for score in inference.scores if score.label not in limits]
    return (good[0].label, good[0].score) if good else (None, None)


def drawn_verdict(verdict: Verdict | None, what: Decided | None) -> Verdict | None:
    """The verdict with what decided it, for the corner of a picture."""
    if verdict is None or what is None:
        return verdict
    return replace(verdict, label=what.label, score=what.score, threshold=what.threshold)
