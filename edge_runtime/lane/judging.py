"""What was found of a closed part -> its verdict, or the verdict of each of its words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.lane.results import Origin
from edge_runtime.parts import combine
from edge_runtime.types import Role, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.lane.events import Unseen
    from edge_runtime.parts import Closed, Key, Policy
    from edge_runtime.rules import Judge
    from edge_runtime.types import Finding, Frame, Inference, Segment, Span, Stamp, Verdict

    Words = Callable[[Inference, Mapping[str, float]], Sequence[Span]]

Told: TypeAlias = "tuple[Verdict, Span | None]"
"""A verdict, and the word that it is about."""


@dataclass(slots=True)
class Looks:
    """What was looked at for one open part, and what was answered."""

    subjects: dict[str, Frame | Segment] = field(default_factory=dict)
    """By view: the first picture of each."""
    answers: dict[Key, Inference] = field(default_factory=dict)
    unseen: Unseen | None = None
    """What its picture is known by, where nobody looked at it."""

    def origin(self, captured: Stamp, source: str) -> Origin:
        """Where the part came from; `source`: of one that nothing was seen of."""
        if self.subjects:
            return Origin.of(next(iter(self.subjects.values())))
        if self.unseen is not None:
            return Origin(self.unseen.source, captured, item=self.unseen.item)
        return Origin(source, captured)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What makes verdicts of findings."""

    judges: Mapping[str, Judge]
    """By model id."""
    policy: Policy
    words: Words | None
    """Of a keyword lane: which words a segment holds."""


class Judging:
    """Owned by the ``decide`` thread: rules remember, and are asked in the order of parts."""

    def __init__(self, rulebook: Rulebook) -> None:
        """Nothing was judged."""
        self._judges = rulebook.judges
        self._policy = rulebook.policy
        self._words = rulebook.words

    def judge(
        self, closed: Closed, looks: Looks, origin: Origin
    ) -> tuple[tuple[Finding, ...], list[Told]]:
        """The findings with their opinions, and the one verdict; or one for each word."""
        if words := self._words_of(closed.findings, looks):
            return closed.findings, self._of_words(closed.findings, words, origin)
        findings = tuple(self._judged(finding, looks, origin) for finding in closed.findings)
        return findings, [(combine(findings, self._policy), None)]

    def late(self, finding: Finding, answer: Inference | None, now: Stamp) -> Finding:
        """A shadow's that came when its part was closed, with its opinion."""
        judge = self._judges.get(finding.model or "")
        if answer is None or judge is None or finding.role is not Role.SHADOW:
            return finding
        return replace(finding, opinion=judge.judge(answer, now))

    def _judged(self, finding: Finding, looks: Looks, origin: Origin) -> Finding:
        """With what that model's rules make of it; an answer that cannot be judged is a failure."""
        answer = looks.answers.get((finding.view, finding.frame, finding.model or ""))
        judge = self._judges.get(finding.model or "")
        if answer is None or judge is None:
            return finding
        opinion = judge.judge(answer, origin.captured, audio_s=origin.start_s)
        if opinion.kind is VerdictKind.NO_READ:
            return replace(finding, failure=opinion.reason or "cannot be judged")
        return replace(finding, opinion=opinion)

    def _words_of(self, findings: Sequence[Finding], looks: Looks) -> Sequence[Span]:
        """Of a keyword lane with one model: the words of the segment."""
        if self._words is None:
            return ()
        serving = [finding for finding in findings if finding.role is Role.SERVING]
        if len(serving) != 1 or serving[0].model is None:
            return ()
        answer = looks.answers.get(("", 0, serving[0].model))
        judge = self._judges.get(serving[0].model)
        if answer is None or judge is None:
            return ()
        return self._words(answer, judge.keywords)

    def _of_words(
        self, findings: Sequence[Finding], words: Sequence[Span], origin: Origin
    ) -> list[Told]:
        model = next(one.model for one in findings if one.role is Role.SERVING)
        judge = self._judges[model or ""]
        start_s = origin.start_s or 0.0
        return [
            (judge.word(span, origin.captured, audio_s=start_s + span.start_s), span)
            for span in words
        ]
