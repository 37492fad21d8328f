"""A part judged again from the scores that were stored.  Pure.

Only the best few scores of a finding are in its row.  A label's that is not is at most as high as
the lowest that is: with its threshold above that it is known all the same, else it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.parts import Policy, combine
from edge_runtime.rules import Judge
from edge_runtime.types import (
    Finding,
    Inference,
    Result,
    Role,
    Score,
    Verdict,
    VerdictKind,
    findings_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.config import Lane
    from edge_runtime.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Judged:
    """What comes out."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """What could not be known, a line each."""


def judge_again(
    result: Result,
    findings: Sequence[Finding],
    lane: Lane,
    manifests: Mapping[str, Manifest],
    before: Sequence[Result] = (),
) -> Judged:
    """`findings` of the part of `result`, by the rules of `lane`.

    `manifests`: of the models, by ``name/version``.  `before`: the lane's results before this one,
    oldest first, for rules that look back.  Raises `ConfigError` for rules that cannot be.
    """
    again = _Again(lane, manifests)
    for earlier in before:
        for finding in findings_of(earlier):
            again.opinion(finding, earlier)
    again.notes.clear()
    judged = tuple(_judged(finding, result, again) for finding in findings)
    keys = {(f.view, f.frame, f.model or "") for f in judged if f.role is Role.SERVING}
    verdict = combine(judged, Policy.of(lane.part, keys))
    return Judged(verdict, judged, tuple(dict.fromkeys(again.notes)))


def differs(one: Verdict, other: Verdict) -> bool:
    """Whether what a person or an output would be told is another."""
    return (one.kind, one.label) != (other.kind, other.label)


def _judged(finding: Finding, result: Result, again: _Again) -> Finding:
    opinion = again.opinion(finding, result)
    return finding if opinion is None else replace(finding, opinion=opinion)


class _Again:
    def __init__(self, lane: Lane, manifests: Mapping[str, Manifest]) -> None:
        self.notes: list[str] = []
        self._lane = lane
        self._manifests = manifests
        self._judges = {
            name: Judge(
                lane.rules,
                manifest,
                is_camera=lane.is_camera,
                siblings=[other for other in manifests.values() if other is not manifest],
            )
            for name, manifest in manifests.items()
        }

    def opinion(self, finding: Finding, result: Result) -> Verdict | None:
        """None where it stays what it was: a failure, or a model that is not here."""
        judge = self._judges.get(finding.model or "")
        if finding.failure is not None:
            return None
        if judge is None:
            self.notes.append(
                f"{finding.model or 'a model without a name'} is not on this box: "
                "what was made of it is taken as it was"
            )
            return None
        if judge.keywords and len(result.spans) == 1:
            return self._word(judge, result)
        if not finding.scores and finding.text is None:
            self.notes.append(f"no scores of {finding.key} are stored")
            return None
        return judge.judge(
            Inference(
                model=finding.model or "",
                model_sha256=finding.model_sha256 or "",
                scores=self._scores(finding),
                text=finding.text,
            ),
            result.captured,
            audio_s=result.start_s,
        )

    def _word(self, judge: Judge, result: Result) -> Verdict:
        (span,) = result.spans
        threshold = judge.keywords.get(span.label)
        if threshold is None or span.score < threshold:
            why = f"'{span.label}' would not have been a part: it is below what counts as heard"
            return Verdict(VerdictKind.NO_SPEECH, span.label, span.score, threshold, why)
        return judge.word(span, result.captured, audio_s=result.start_s or 0.0)

    def _scores(self, finding: Finding) -> tuple[Score, ...]:
        manifest = self._manifests[finding.model or ""]
        given = {score.label for score in finding.scores}
        most = min((score.score for score in finding.scores), default=0.0)
        unknown = [label for label in manifest.labels if label not in given]
        lowest = self._lowest_thresholds(manifest)
        self.notes += [
            f"{finding.key}: the score of '{label}' is not stored; it was at most {most:.3f}, and "
            f"its threshold is {lowest[label]:.3f}, so what it would do is not known"
            for label in unknown
            if finding.text is None and lowest.get(label, 2.0) <= most
        ]
        return (*finding.scores, *(Score(label, 0.0) for label in unknown))

    def _lowest_thresholds(self, manifest: Manifest) -> dict[str, float]:
        rules = self._lane.rules
        tables = (
            [{**manifest.reject, **rules.reject}, {**manifest.review, **rules.review}]
            if self._lane.is_camera
            else [dict(self._judges[manifest.id].keywords)]
        )
        lowest: dict[str, float] = {}
        for table in tables:
            for label, threshold in table.items():
                lowest[label] = min(threshold, lowest.get(label, threshold))
        return lowest
