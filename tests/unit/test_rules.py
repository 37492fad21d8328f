from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from edge_runtime.config import Rules
from edge_runtime.errors import ConfigError
from edge_runtime.manifest import DEFAULT_HEAR, Manifest
from edge_runtime.rules import Judge, no_read
from edge_runtime.types import Inference, Score, Stamp, Verdict, VerdictKind

S = 1_000_000_000


def manifest(**more: Any) -> Manifest:
    table: dict[str, Any] = {
        "format": 1,
        "name": "parts",
        "version": "1.0",
        "task": "image-classification",
        "file": "model.onnx",
        "sha256": {},
        "labels": ["ok", "scratch", "dent"],
    }
    return msgspec.convert(table | more, Manifest)


def keywords(**more: Any) -> Manifest:
    table: dict[str, Any] = {
        "name": "keywords",
        "task": "audio-classification",
        "labels": ["stop", "go", "_silence_", "_unknown_"],
        "ignore": ["_silence_", "_unknown_"],
        "silence": ["_silence_"],
    }
    return manifest(**(table | more))


def answer(text: str | None = None, /, **scores: float) -> Inference:
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    return Inference(
        model="parts/1.0",
        model_sha256="0" * 64,
        scores=tuple(Score(label, score) for label, score in ranked),
        text=text,
    )


def stamp(seconds: float = 0.0, boot: str = "boot") -> Stamp:
    return Stamp(0, int(seconds * S), boot)


def camera(rules: Rules, *, model: Manifest | None = None) -> Judge:
    return Judge(rules, model or manifest(), is_camera=True)


def see(judge: Judge, **scores: float) -> Verdict:
    return judge.judge(answer(**scores), stamp())


def test_a_score_at_its_threshold_rejects_and_just_under_it_does_not() -> None:
    judge = camera(Rules(reject={"scratch": 0.6}))
    assert see(judge, ok=0.4, scratch=0.6, dent=0.0) == Verdict(
        VerdictKind.REJECT, "scratch", 0.6, 0.6
    )
    just_under = math.nextafter(0.6, 0.0)
    assert see(judge, ok=0.4, scratch=just_under, dent=0.0).kind is VerdictKind.PASS


def test_a_rejected_part_is_told_by_its_worst_defect_even_when_ok_scores_higher() -> None:
    judge = camera(Rules(reject={"scratch": 0.3, "dent": 0.2}))
    verdict = see(judge, ok=0.9, scratch=0.31, dent=0.35)
    assert (verdict.kind, verdict.label, verdict.threshold) == (VerdictKind.REJECT, "dent", 0.2)


def test_between_review_and_reject_a_person_looks() -> None:
    judge = camera(Rules(reject={"dent": 0.8}, review={"dent": 0.4}))
    assert see(judge, ok=0.5, scratch=0.0, dent=0.5) == Verdict(
        VerdictKind.REVIEW, "dent", 0.5, 0.4
    )


def test_a_pass_tells_the_best_label() -> None:
    judge = camera(Rules(reject={"dent": 0.8}))
    assert see(judge, ok=0.97, scratch=0.02, dent=0.01) == Verdict(VerdictKind.PASS, "ok", 0.97)


def test_the_lane_overrides_the_models_thresholds_label_by_label() -> None:
    judge = camera(
        Rules(reject={"dent": 0.9}), model=manifest(reject={"dent": 0.5, "scratch": 0.5})
    )
    assert see(judge, ok=0.2, scratch=0.0, dent=0.7).kind is VerdictKind.PASS
    assert see(judge, ok=0.2, scratch=0.7, dent=0.0).kind is VerdictKind.REJECT


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_a_failure_and_never_passes(score: float) -> None:
    verdict = see(camera(Rules(reject={"dent": 0.8})), ok=0.99, scratch=score, dent=0.0)
    assert verdict.kind is VerdictKind.NO_READ
    assert verdict.reason == f"the model's score for 'scratch' is {score}"


def test_an_answer_without_scores_is_a_failure() -> None:
    verdict = see(camera(Rules(reject={"dent": 0.8})))
    assert verdict == Verdict(VerdictKind.NO_READ, reason="the model gave no scores")


def test_a_label_with_a_threshold_that_the_model_did_not_score_is_a_failure() -> None:
    verdict = see(camera(Rules(reject={"dent": 0.8})), ok=0.99, scratch=0.0)
    assert verdict.kind is VerdictKind.NO_READ
    assert verdict.reason is not None
    assert "'dent'" in verdict.reason


def test_confirm_2_of_3_rejects_at_the_second_frame_and_forgets_after_the_third() -> None:
    judge = camera(Rules(reject={"dent": 0.5}, confirm="2 of 3"))
    bad, good = {"ok": 0.1, "scratch": 0.0, "dent": 0.9}, {"ok": 0.9, "scratch": 0.0, "dent": 0.1}
    kinds = [see(judge, **scores).kind.value for scores in (bad, good, bad, good, good, bad, bad)]
    assert kinds == ["review", "pass", "reject", "pass", "pass", "review", "reject"]


def test_an_unconfirmed_reject_says_how_many_frames_agree() -> None:
    judge = camera(Rules(reject={"dent": 0.5}, confirm="2 of 3"))
    verdict = see(judge, ok=0.1, scratch=0.0, dent=0.9)
    assert verdict.kind is VerdictKind.REVIEW
    assert (verdict.label, verdict.score, verdict.threshold) == ("dent", 0.9, 0.5)
    assert verdict.reason == "1 of the last 3 would reject, 2 are needed"


def test_a_frame_that_could_not_be_judged_is_not_one_of_the_last_m() -> None:
    judge = camera(Rules(reject={"dent": 0.5}, confirm="2 of 2"))
    assert see(judge, ok=0.1, scratch=0.0, dent=0.9).kind is VerdictKind.REVIEW
    assert see(judge, ok=0.1, scratch=math.nan, dent=0.9).kind is VerdictKind.NO_READ
    assert see(judge, ok=0.1, scratch=0.0, dent=0.9).kind is VerdictKind.REJECT


def test_a_camera_without_any_threshold_is_refused_saying_what_to_write() -> None:
    with pytest.raises(ConfigError) as caught:
        camera(Rules())
    assert "every part would pass" in str(caught.value)
    assert "rules = { reject = { dent = 0.6 } }" in str(caught.value)
    assert "parts/1.0" in str(caught.value)


def test_a_camera_that_only_asks_people_is_allowed() -> None:
    assert see(camera(Rules(review={"dent": 0.5})), ok=0, scratch=0, dent=1).kind == "review"


def test_all_that_is_wrong_with_the_rules_is_told_at_once() -> None:
    rules = Rules(reject={"dnt": 0.5, "scratch": 0.3}, review={"scratch": 0.4}, hear={"stop": 0.5})
    with pytest.raises(ConfigError) as caught:
        camera(rules)
    assert len(caught.value.problems) == 3
    text = str(caught.value)
    assert "hear: has no effect on a camera lane; give reject and review" in text
    assert "reject.dnt: the model has no such label; did you mean 'dent'?" in text
    assert "review.scratch: 0.4 is above reject.scratch = 0.3" in text


def test_a_threshold_below_what_a_detector_tells_at_all_is_refused() -> None:
    finder = manifest(task="detection", output={"score_min": 0.4})
    camera(Rules(reject={"dent": 0.4}), model=finder)
    with pytest.raises(ConfigError) as caught:
        camera(Rules(reject={"dent": 0.3}, review={"dent": 0.2}), model=finder)
    assert "reject.dent: 0.3 is below the model's output.score_min, 0.4" in str(caught.value)
    assert "review.dent: 0.2 is below the model's output.score_min, 0.4" in str(caught.value)
    camera(Rules(reject={"dent": 0.3}))  # a classifier tells every score


def test_a_model_with_a_threshold_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"reject\.dent: nan is not a threshold"):
        camera(Rules(), model=manifest(reject={"dent": math.nan}))


def test_a_label_of_the_lanes_other_model_is_no_mistake_and_does_not_count_here() -> None:
    other = manifest(name="other", labels=["ok", "rust"])
    rules = Rules(reject={"dent": 0.5, "rust": 0.5})
    judge = Judge(rules, manifest(), is_camera=True, siblings=[other])
    verdict = judge.judge(answer(ok=0.9, scratch=0.0, dent=0.0), stamp())
    assert verdict.kind is VerdictKind.PASS


def listening(rules: Rules | None = None, **more: Any) -> Judge:
    return Judge(rules or Rules(hear={"stop": 0.7, "go": 0.7}), keywords(**more), is_camera=False)


def hear(judge: Judge, at_s: float = 0.0, boot: str = "boot", **scores: float) -> Verdict:
    full = {"stop": 0.0, "go": 0.0, "_silence_": 0.0, "_unknown_": 0.0} | scores
    return judge.judge(answer(**full), stamp(at_s, boot))


def test_a_keyword_over_its_threshold_is_heard() -> None:
    assert hear(listening(), stop=0.8, _unknown_=0.2) == Verdict(
        VerdictKind.HEARD, "stop", 0.8, 0.7
    )


def test_silence_is_no_speech() -> None:
    assert hear(listening(), _silence_=0.9) == Verdict(VerdictKind.NO_SPEECH, "_silence_", 0.9)


def test_other_words_are_heard_as_unknown_and_have_no_threshold() -> None:
    assert hear(listening(), _unknown_=0.9, stop=0.1) == Verdict(
        VerdictKind.HEARD, "_unknown_", 0.9, None, "speech, but none of the keywords"
    )


def test_a_keyword_under_its_threshold_is_heard_as_unknown_with_the_reason() -> None:
    verdict = hear(listening(), stop=0.69, _silence_=0.2)
    assert (verdict.kind, verdict.label) == (VerdictKind.HEARD, "_unknown_")
    assert verdict.threshold is None
    assert verdict.reason == "no keyword: 'stop' 0.69 is not enough"


def test_a_model_without_ignored_labels_still_tells_unknown_speech_from_keywords() -> None:
    judge = listening(labels=["stop", "go"], ignore=[], silence=[])
    verdict = judge.judge(answer(stop=0.5, go=0.5), stamp())
    assert (verdict.kind, verdict.label, verdict.score) == (VerdictKind.HEARD, "_unknown_", None)


def test_a_keyword_that_nobody_gave_a_threshold_has_the_default() -> None:
    judge = listening(Rules())
    assert hear(judge, stop=DEFAULT_HEAR).threshold == DEFAULT_HEAR
    assert hear(judge, stop=DEFAULT_HEAR - 0.01).threshold is None


def test_the_same_keyword_within_the_refractory_time_is_one_utterance() -> None:
    judge = listening(Rules(hear={"stop": 0.7}, refractory_ms=1000))
    kinds = [hear(judge, at, stop=0.9).kind.value for at in (10.0, 10.9, 11.0, 11.5, 12.1)]
    assert kinds == ["heard", "no_speech", "heard", "no_speech", "heard"]


def test_a_suppressed_keyword_keeps_its_label_and_says_why() -> None:
    judge = listening(Rules(hear={"stop": 0.7}, refractory_ms=1000))
    hear(judge, 10.0, stop=0.9)
    assert hear(judge, 10.4, stop=0.8) == Verdict(
        VerdictKind.NO_SPEECH,
        "stop",
        0.8,
        0.7,
        "'stop' again after 400 ms: within the refractory time",
    )


def test_another_keyword_is_heard_within_the_refractory_time() -> None:
    judge = listening(Rules(hear={"stop": 0.7, "go": 0.7}, refractory_ms=1000))
    assert hear(judge, 10.0, stop=0.9).kind is VerdictKind.HEARD
    assert hear(judge, 10.1, go=0.9).kind is VerdictKind.HEARD


def test_times_of_another_boot_prove_nothing() -> None:
    judge = listening(Rules(hear={"stop": 0.7}, refractory_ms=1000))
    hear(judge, 10.0, "first", stop=0.9)
    assert hear(judge, 10.1, "second", stop=0.9).kind is VerdictKind.HEARD


def test_a_replay_is_measured_by_its_own_time_and_may_begin_anew() -> None:
    judge = listening(Rules(hear={"stop": 0.7}, refractory_ms=1000))
    heard = answer(stop=0.9, go=0.0, _silence_=0.0, _unknown_=0.0)
    kinds = [judge.judge(heard, stamp(10.0), audio_s=at).kind.value for at in (0.0, 5.0, 5.9, 0.5)]
    assert kinds == ["heard", "heard", "no_speech", "heard"]


def test_a_transcript_is_heard_as_it_is_and_an_empty_one_is_no_speech() -> None:
    judge = listening()
    assert judge.judge(answer("open valve two"), stamp()) == Verdict(VerdictKind.HEARD)
    assert judge.judge(answer(" "), stamp()).kind is VerdictKind.NO_SPEECH


def test_a_microphones_score_that_is_no_number_is_no_read() -> None:
    verdict = hear(listening(), stop=math.nan)
    assert verdict.kind is VerdictKind.NO_READ
    assert verdict.reason is not None


def test_camera_rules_on_a_microphone_are_refused() -> None:
    with pytest.raises(ConfigError, match="reject: has no effect on a microphone lane; give hear"):
        listening(Rules(reject={"stop": 0.5}))


def test_no_read_says_why() -> None:
    assert no_read("camera unplugged") == Verdict(VerdictKind.NO_READ, reason="camera unplugged")
