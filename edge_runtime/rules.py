"""Inference -> verdict.  Pure: no clock, thread, file or socket; time comes in with the item.

One `Judge` a model of a lane, called in the order of capture by one thread at a time.  The
thresholds are the manifest's, label by label overridden by the lane's.  Invariants: an item that
could not be judged is never `pass`; a rule that can never act is refused when the judge is made.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.errors import ConfigError
from edge_runtime.manifest import DEFAULT_HEAR
from edge_runtime.toml.table import suggest
from edge_runtime.types import Score, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.config import Rules
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import Inference, Span, Stamp

UNKNOWN = "_unknown_"
"""Label of speech without a keyword, for models that name none of their own for it."""


def no_read(reason: str) -> Verdict:
    """The verdict of a station that cannot see or hear; `reason` says why, for people."""
    return Verdict(VerdictKind.NO_READ, reason=reason)


class Judge:
    """One model's rules in one lane: thresholds, and what must be remembered between items.

    Camera: the best label whose score is at or over its `reject` threshold makes `reject`, else
    over its `review` threshold `review`, else `pass` with the best label of all.  ``confirm = "n
    of m"``: a frame that would reject does so only when at least n of the last m judged frames,
    itself included, would; until then it is `review`.

    Both: an answer that cannot be judged (no scores, none for a label that has a threshold, a score
    that is not finite) is `no_read` with the reason: a failure of the model, and not one of the m.

    Microphone: the best keyword at or over its `hear` threshold makes `heard`.  Keywords are the
    labels that the manifest does not `ignore`.  Without one: `no_speech` when the best label is a
    `silence` of the manifest, else `heard` with the manifest's other ignored label (``_unknown_``)
    and no `threshold`, so that nobody takes it for a keyword.  The same keyword again within
    `refractory_ms` of the last one that counted is the same utterance: `no_speech`, with label,
    score and the reason.  A transcriber's text is `heard` as it is, empty text `no_speech`.
    """

    def __init__(
        self,
        settings: Rules,
        manifest: Manifest,
        *,
        is_camera: bool,
        siblings: Sequence[Manifest] = (),
    ) -> None:
        """`siblings`: the lane's other models, whose labels the lane's rules may name too.

        Raises `ConfigError` with every problem: no threshold at all, a label that no model has, a
        threshold that nothing can reach, rules of the other kind of lane.
        """
        problems = _problems(settings, manifest, is_camera=is_camera, siblings=siblings)
        if problems:
            raise ConfigError([f"rules for model {manifest.id}: {line}" for line in problems])
        self._rules: _CameraRules | _MicrophoneRules = (
            _CameraRules(settings, manifest) if is_camera else _MicrophoneRules(settings, manifest)
        )

    def judge(
        self, inference: Inference, captured: Stamp, *, audio_s: float | None = None
    ) -> Verdict:
        """The verdict on one item.

        `audio_s`: the segment's place in the source's own time; without it the refractory time is
        measured by ``captured.boottime_ns``, which a replay passes faster than its recording.
        """
        return self._rules.judge(inference, captured, audio_s)

    def word(self, span: Span, captured: Stamp, *, audio_s: float) -> Verdict:
        """The verdict on one word of a segment; its `span` has a keyword's label."""
        assert isinstance(self._rules, _MicrophoneRules)
        return self._rules.word(Score(span.label, span.score), captured, audio_s)

    @property
    def keywords(self) -> Mapping[str, float]:
        """Label -> score from which it is heard; empty in a camera lane."""
        return self._rules.hear if isinstance(self._rules, _MicrophoneRules) else {}


class _CameraRules:
    def __init__(self, settings: Rules, manifest: Manifest) -> None:
        self._reject = _thresholds(settings, manifest, "reject")
        self._review = _thresholds(settings, manifest, "review")
        self._needed, m = settings.confirm_n_of_m
        self._recent: deque[bool] = deque(maxlen=m)

    def judge(self, inference: Inference, _captured: Stamp, _audio_s: float | None) -> Verdict:
        scores = inference.scores
        if trouble := _unusable(scores, {**self._reject, **self._review}):
            return no_read(trouble)
        rejected = _best_over(scores, self._reject)
        self._recent.append(rejected is not None)
        if rejected is not None:
            return self._confirmed(rejected)
        if (reviewed := _best_over(scores, self._review)) is not None:
            return _verdict(VerdictKind.REVIEW, reviewed, self._review)
        return _verdict(VerdictKind.PASS, _best(scores), self._reject)

    def _confirmed(self, rejected: Score) -> Verdict:
        count = sum(self._recent)
        if count >= self._needed:
            return _verdict(VerdictKind.REJECT, rejected, self._reject)
        reason = (
            f"{count} of the last {self._recent.maxlen} would reject, {self._needed} are needed"
        )
        return _verdict(VerdictKind.REVIEW, rejected, self._reject, reason)


class _MicrophoneRules:
    def __init__(self, settings: Rules, manifest: Manifest) -> None:
        ignored = frozenset(manifest.ignore)
        self._silence = frozenset(manifest.silence)
        spoken = [label for label in manifest.ignore if label not in self._silence]
        self._unknown = spoken[0] if spoken else UNKNOWN
        self.hear = {label: DEFAULT_HEAR for label in manifest.labels if label not in ignored}
        self.hear.update(_thresholds(settings, manifest, "hear"))
        self._refractory_ns = settings.refractory_ms * NS_PER_MS
        self._last_heard: dict[str, tuple[str, int]] = {}
        """Keyword -> (which clock, ns) of the last time that it counted."""

    def judge(self, inference: Inference, captured: Stamp, audio_s: float | None) -> Verdict:
        if inference.text is not None:
            return _transcribed(inference.text)
        if trouble := _unusable(inference.scores, self.hear):
            return no_read(trouble)
        keyword = _best_over(inference.scores, self.hear)
        if keyword is None:
            return self._no_keyword(inference.scores)
        return self.word(keyword, captured, audio_s)

    def word(self, keyword: Score, captured: Stamp, audio_s: float | None) -> Verdict:
        """A keyword was heard; whether it counts."""
        if (ago_ms := self._too_soon(keyword.label, captured, audio_s)) is not None:
            reason = f"'{keyword.label}' again after {ago_ms:.0f} ms: within the refractory time"
            return _verdict(VerdictKind.NO_SPEECH, keyword, self.hear, reason)
        return _verdict(VerdictKind.HEARD, keyword, self.hear)

    def _no_keyword(self, scores: Sequence[Score]) -> Verdict:
        best = _best(scores)
        if best.label in self._silence:
            return Verdict(VerdictKind.NO_SPEECH, best.label, best.score)
        if best.label == self._unknown:
            reason = "speech, but none of the keywords"
        else:
            reason = f"no keyword: '{best.label}' {best.score:.2f} is not enough"
        unknown = next((s.score for s in scores if s.label == self._unknown), None)
        return Verdict(VerdictKind.HEARD, self._unknown, unknown, reason=reason)

    def _too_soon(self, label: str, captured: Stamp, audio_s: float | None) -> float | None:
        """Milliseconds since this keyword last counted, when that is within the refractory time."""
        if audio_s is not None:
            clock, now_ns = "audio", round(audio_s * NS_PER_S)
        else:
            clock, now_ns = captured.boot_id, captured.boottime_ns
        then_clock, then_ns = self._last_heard.get(label, ("", 0))
        # A source that was opened again begins at 0: time that ran backwards proves nothing.
        if then_clock == clock and 0 <= now_ns - then_ns < self._refractory_ns:
            return (now_ns - then_ns) / NS_PER_MS
        self._last_heard[label] = (clock, now_ns)
        return None


def _transcribed(text: str) -> Verdict:
    return Verdict(VerdictKind.HEARD if text.strip() else VerdictKind.NO_SPEECH)


def _unusable(scores: Sequence[Score], thresholds: Mapping[str, float]) -> str | None:
    """Why these scores cannot be judged by these thresholds."""
    if not scores:
        return "the model gave no scores"
    for score in scores:
        if not math.isfinite(score.score):
            return f"the model's score for '{score.label}' is {score.score}"
    given = {score.label for score in scores}
    for label in thresholds:
        if label not in given:
            return f"the model gave no score for '{label}', which has a threshold"
    return None


def _best(scores: Sequence[Score]) -> Score:
    return max(scores, key=lambda score: score.score)


def _best_over(scores: Sequence[Score], thresholds: Mapping[str, float]) -> Score | None:
    over = [s for s in scores if s.label in thresholds and s.score >= thresholds[s.label]]
    return _best(over) if over else None


def _verdict(
    kind: VerdictKind, score: Score, thresholds: Mapping[str, float], reason: str | None = None
) -> Verdict:
    return Verdict(kind, score.label, score.score, thresholds.get(score.label), reason)


def _thresholds(settings: Rules, manifest: Manifest, table: str) -> dict[str, float]:
    """The model's thresholds in `table`; labels of the lane's other models are left out."""
    merged = {**getattr(manifest, table), **getattr(settings, table)}
    return {label: value for label, value in merged.items() if label in manifest.labels}


def _problems(
    settings: Rules, manifest: Manifest, *, is_camera: bool, siblings: Sequence[Manifest]
) -> list[str]:
    camera, microphone = ("reject", "review"), ("hear",)
    wanted, unwanted = (camera, microphone) if is_camera else (microphone, camera)
    problems = [
        f"{table}: has no effect on a {'camera' if is_camera else 'microphone'} lane; "
        f"give {' and '.join(wanted)}"
        for table in unwanted
        if getattr(settings, table)
    ]
    labels = {label for one in (manifest, *siblings) for label in one.labels}
    lowest = manifest.lowest_score
    for table in wanted:
        problems += [
            f"{table}.{label}: the model has no such label; {suggest(label, labels)}"
            for label in getattr(settings, table)
            if label not in labels
        ]
        problems += [
            f"{table}.{label}: {value} is not a threshold; give a number"
            for label, value in _thresholds(settings, manifest, table).items()
            if not math.isfinite(value)
        ]
        problems += [
            f"{table}.{label}: {value} is below the model's output.score_min, {lowest}: what lies "
            "between is never seen"
            for label, value in getattr(settings, table).items()
            if label in manifest.labels and value < lowest
        ]
    problems += _never_reached(settings)
    if is_camera and not any(_thresholds(settings, manifest, table) for table in camera):
        problems.append(
            "no threshold, neither in the lane nor in the model, so that every part would pass; "
            f"write rules = {{ reject = {{ {manifest.labels[-1]} = 0.6 }} }} "
            f"with labels out of: {', '.join(manifest.labels)}"
        )
    return problems


def _never_reached(settings: Rules) -> list[str]:
    return [
        f"review.{label}: {settings.review[label]} is above reject.{label} = {reject}, "
        "so that it is never reached"
        for label, reject in settings.reject.items()
        if settings.review.get(label, 0.0) > reject
    ]
