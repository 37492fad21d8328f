from __future__ import annotations

import itertools
import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config import Rules
from edge_runtime.manifest import Manifest
from edge_runtime.rules import Judge
from edge_runtime.types import Inference, Score, Stamp, VerdictKind

LABELS = ["ok", "scratch", "dent"]
MANIFEST = msgspec.convert(
    {
        "format": 1,
        "name": "parts",
        "version": "1",
        "task": "image-classification",
        "file": "model.onnx",
        "sha256": {},
        "labels": LABELS,
    },
    Manifest,
)
WORDS = ["stop", "_silence_", "_unknown_"]
KEYWORDS = msgspec.structs.replace(
    MANIFEST,
    task="audio-classification",
    labels=WORDS,
    ignore=["_silence_", "_unknown_"],
    silence=["_silence_"],
)
WHEN = Stamp(0, 0, "boot")
anything = st.floats(allow_nan=True, allow_infinity=True)
fraction = st.floats(0.0, 1.0)


def inference(labels: list[str], scores: list[float]) -> Inference:
    pairs = tuple(Score(label, score) for label, score in zip(labels, scores, strict=True))
    return Inference(model="parts/1", model_sha256="", scores=pairs)


@given(st.lists(anything, min_size=3, max_size=3), fraction, fraction)
def test_whatever_the_scores_a_pass_means_that_all_are_numbers_under_their_thresholds(
    scores: list[float], reject: float, review: float
) -> None:
    rules = Rules(reject={"dent": max(reject, review)}, review={"dent": min(reject, review)})
    verdict = Judge(rules, MANIFEST, is_camera=True).judge(inference(LABELS, scores), WHEN)
    fits = all(map(math.isfinite, scores)) and scores[2] < min(reject, review)
    assert (verdict.kind is VerdictKind.PASS) == fits
    if verdict.kind is not VerdictKind.PASS:
        assert verdict.reason is not None or verdict.threshold is not None


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 6), st.integers(1, 6))
def test_confirmation_rejects_exactly_when_n_of_the_last_m_would_and_this_one_does(
    would: list[bool], one: int, other: int
) -> None:
    n, m = min(one, other), max(one, other)
    judge = Judge(Rules(reject={"dent": 0.5}, confirm=f"{n} of {m}"), MANIFEST, is_camera=True)
    for at, bad in enumerate(would):
        verdict = judge.judge(inference(LABELS, [0.1, 0.0, 0.9 if bad else 0.1]), WHEN)
        agreeing = sum(would[max(0, at - m + 1) : at + 1])
        expected = VerdictKind.REVIEW if bad else VerdictKind.PASS
        if bad and agreeing >= n:
            expected = VerdictKind.REJECT
        assert verdict.kind is expected


@given(
    st.lists(st.tuples(st.integers(0, 500), fraction), max_size=60), fraction, st.integers(0, 2000)
)
def test_two_keywords_that_count_are_never_within_the_refractory_time(
    steps: list[tuple[int, float]], threshold: float, refractory_ms: int
) -> None:
    rules = Rules(hear={"stop": threshold}, refractory_ms=refractory_ms)
    judge = Judge(rules, KEYWORDS, is_camera=False)
    now_ms, counted = 0, []
    for step_ms, score in steps:
        now_ms += step_ms
        when = Stamp(0, now_ms * 1_000_000, "boot")
        verdict = judge.judge(inference(WORDS, [score, 0.0, 0.0]), when)
        if verdict.kind is VerdictKind.HEARD and verdict.threshold is not None:
            assert verdict.score is not None
            assert verdict.score >= threshold
            counted.append(now_ms)
    assert all(b - a >= refractory_ms for a, b in itertools.pairwise(counted))
