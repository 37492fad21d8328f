"""``results show --why`` and ``results replay``: on a real ledger, with the shipped model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.writer import LedgerWriter, PutAddition, PutEvent, PutResult
from edge_runtime.types import (
    Actuation,
    Addition,
    AdditionKind,
    Event,
    Finding,
    Region,
    Result,
    Role,
    Score,
    Span,
    Verdict,
    VerdictKind,
)
from tests.support.command_line import run
from tests.support.data import PROJECT
from tests.support.ledger import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command_line import Ended

MODEL = "surface-defect/0.2.0"
GOLDEN = "models/surface-defect/0.2.0/golden/01.png"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    opened = LedgerWriter.open(tmp_path, "d", Ledger(ballast_mib=1), SYSTEM_CLOCK)
    yield opened
    opened.close()


def put(writer: LedgerWriter, result: Result) -> int:
    return int(writer.submit(PutResult(result)).result(20))


def opinion(score: float, kind: VerdictKind) -> Verdict:
    return Verdict(kind, "defect", score, 0.9)


def found(score: float, kind: VerdictKind, view: str = "", **more: object) -> Finding:
    scores = (Score("defect", score), Score("ok", round(1 - score, 6)))
    finding = Finding(
        view=view, model=MODEL, model_sha256="a" * 64, opinion=opinion(score, kind), scores=scores
    )
    return replace(finding, **more)  # type: ignore[arg-type]


def part(*findings: Finding, verdict: Verdict | None = None, **more: object) -> Result:
    first = findings[0]
    made = Result(
        lane="top", source="file:a.mp4", source_seq=1, captured=stamp(5), item="frame:1",
        verdict=verdict or first.opinion or Verdict(VerdictKind.NO_READ), model=first.model,
        model_sha256=first.model_sha256, scores=first.scores, regions=first.regions,
        findings=findings if len(findings) > 1 else (),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def config(folder: Path, lane: str = "") -> Path:
    path = folder / "config.toml"
    path.write_text(
        f'[device]\nid = "d"\ndata_dir = "{folder}"\nmodels_dir = "{PROJECT}/models"\n'
        f'[lanes.top]\nsource = "file:a.mp4"\nmodel = "surface-defect"\n{lane}\n'
    )
    return path


def why(capsys: pytest.CaptureFixture[str], folder: Path, seq: int) -> str:
    ended = run(capsys, "results", "show", str(seq), "--why", "--data", folder)
    assert ended.code == 0, ended.err
    return ended.out


def replayed(
    capsys: pytest.CaptureFixture[str], folder: Path, seq: int, *changes: str, lane: str = ""
) -> Ended:
    sets = [word for change in changes for word in ("--set", change)]
    return run(
        capsys, "results", "replay", str(seq), "--json", "--config", config(folder, lane), *sets
    )


def test_a_plain_part_says_score_beside_threshold_and_where(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    region = Region("defect", 0.95, 10, 20, 74, 84)
    seq = put(writer, part(found(0.95, VerdictKind.REJECT, regions=(region,)), latency_ms=21.5))
    told = why(capsys, tmp_path, seq)
    assert "part frame:1 of lane top: reject" in told
    assert "defect 0.950, at least 0.900" in told
    assert "at [10, 20, 74, 84]" in told
    assert MODEL in told
    assert "decided 21.5 ms after its capture" in told


@pytest.mark.parametrize(
    ("rules", "told"),
    [("", "defect 0.007 < 0.93"), ("rules.reject.defect = 0.5", "defect 0.007 < 0.5")],
)
def test_a_pass_says_what_came_nearest_to_its_threshold_as_infer_does(
    tmp_path: Path,
    writer: LedgerWriter,
    capsys: pytest.CaptureFixture[str],
    rules: str,
    told: str,
) -> None:
    passed = Verdict(VerdictKind.PASS, "ok", 0.9933)
    scores = (Score("ok", 0.9933), Score("defect", 0.0067))
    seq = put(writer, part(found(0.0067, VerdictKind.PASS, opinion=passed, scores=scores)))
    written = config(tmp_path, rules)
    ended = run(capsys, "results", "show", str(seq), "--why", "--config", written)
    assert f"its one finding decides: nearest {told} (the threshold of now)" in ended.out
    assert "ok 0.993" not in ended.out


def test_a_pass_of_a_model_that_is_gone_says_its_best_label(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = Verdict(VerdictKind.PASS, "ok", 0.9933)
    seq = put(writer, part(found(0.1, VerdictKind.PASS, opinion=passed, model="gone/9.9.9")))
    assert "its one finding decides: ok 0.993" in why(capsys, tmp_path, seq)


def test_a_part_of_many_findings_says_who_decided_who_was_late_and_what_came_later(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    left, right = found(0.95, VerdictKind.REJECT, "left"), found(0.1, VerdictKind.PASS, "right")
    late = Finding(view="under", model=MODEL, failure="late")
    broken = Finding(view="back", model=MODEL, failure="the picture cannot be decoded")
    shadow = found(0.99, VerdictKind.REJECT, "left", role=Role.SHADOW, model="next/2.0.0")
    whole = part(
        left, right, late, broken, shadow,
        verdict=replace(opinion(0.95, VerdictKind.REJECT), decided_by=left.key),
        part="lid 7", trigger="modbus://plc coil 3", recipe="lid", findings_cut=3,
        pending=("evidence", "actuation"),
        actuations=(Actuation(output="gate", action="pulse", acknowledged=True, latency_ms=4.2),),
    )  # fmt: skip
    seq = put(writer, whole)
    media = MediaStore(tmp_path).put(b"late picture", kind="frame", mime="image/jpeg")
    for later in (
        Addition(lane="top", about=seq, kind=AdditionKind.EVIDENCE, at=stamp(6), media=(media,)),
        Addition(lane="top", about=seq, kind=AdditionKind.FINDING, at=stamp(7),
                 finding=found(0.2, VerdictKind.PASS, "under")),
    ):  # fmt: skip
        writer.submit(PutAddition(later)).result(20)
    told = why(capsys, tmp_path, seq)
    for line in (
        "part lid 7 of lane top with recipe lid: reject",
        "told of by modbus://plc coil 3",
        f"the worst of 4 findings decides: left:{MODEL}",
        f"* left:{MODEL}: reject, defect 0.950, at least 0.900",
        f"- right:{MODEL}: pass, defect 0.100, below 0.900",
        f"- under:{MODEL}: was late",
        f"- back:{MODEL}: failed: the picture cannot be decoded",
        "left:next/2.0.0, a shadow that decides nothing: reject, defect 0.990",
        "3 more findings were left out",
        "output gate: pulse, acknowledged after 4.2 ms",
        "later, as 2: frame",
        f"later, as 3: under:{MODEL}: pass",
        "still to come: actuation",
        str(MediaStore(tmp_path).path(media.sha256, media.mime)),
    ):
        assert line in told, (line, told)
    shown = run(capsys, "results", "show", str(seq), "--why", "--json", "--data", tmp_path).json
    assert shown["why"] == told.splitlines()
    assert [one["type"] for one in shown["later"]] == ["edge.evidence.v1", "edge.finding.v1"]
    assert shown["type"] == "edge.result.v1"
    assert len(shown["findings"]) == 5
    opened = run(capsys, "results", "open", str(seq), "--json", "--data", tmp_path).json
    assert opened == [str(MediaStore(tmp_path).path(media.sha256, media.mime))]


def test_a_vote_a_confirmation_and_an_unread_part_are_told_as_such(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    votes = [found(0.95, VerdictKind.REJECT, view) for view in ("a", "b")]
    verdict = replace(opinion(0.95, VerdictKind.REJECT), decided_by="2 of 3")
    seq = put(writer, part(*votes, found(0.1, VerdictKind.PASS, "c"), verdict=verdict))
    assert "the vote of 3 findings decides: 2 of 3" in why(capsys, tmp_path, seq)
    confirm = "1 of the last 3 would reject, 2 are needed"
    waiting = found(0.95, VerdictKind.REVIEW)
    assert waiting.opinion is not None
    waiting = replace(waiting, opinion=replace(waiting.opinion, reason=confirm))
    assert confirm in why(capsys, tmp_path, put(writer, part(waiting)))
    nothing = Result(
        lane="top", source="v4l2:a", source_seq=-1, captured=stamp(),
        verdict=Verdict(VerdictKind.NO_READ, reason="the camera is away"),
    )  # fmt: skip
    told = why(capsys, tmp_path, put(writer, nothing))
    assert "no model looked at it: the camera is away" in told
    event = Event(code="EDGE-L108", at=stamp(), text="no such model", lane="top")
    told = why(capsys, tmp_path, writer.submit(PutEvent(event)).result(20))
    assert "happened to top: EDGE-L108 no such model" in told


def test_events_are_listed_and_what_came_later_only_when_it_is_asked_for(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    seq = put(writer, part(found(0.95, VerdictKind.REJECT)))
    acted = Actuation(output="gate", action="pulse", acknowledged=False, latency_ms=500.0)
    later = Addition(
        lane="top", about=seq, kind=AdditionKind.ACTUATION, at=stamp(), actuation=acted
    )
    writer.submit(PutAddition(later)).result(20)
    writer.submit(PutEvent(Event(code="EDGE-L108", at=stamp(), text="x", lane="top"))).result(20)

    def seqs(*arguments: str) -> list[int]:
        lines = run(capsys, "results", "list", "--json", "--data", tmp_path, *arguments).json_lines
        return [line["seq"] for line in lines]

    assert seqs() == [3, 1]
    assert seqs("--all") == [3, 2, 1]
    assert seqs("--verdict", "actuation") == [2]
    text = run(capsys, "results", "list", "--all", "--data", tmp_path).out
    assert "EDGE-L108 x" in text
    assert "actuation of 1  gate pulse not acknowledged" in text


def test_another_threshold_is_tried_on_the_stored_scores(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    seq = put(writer, part(found(0.95, VerdictKind.REJECT)))
    told = replayed(capsys, tmp_path, seq, "lanes.top.rules.reject.defect=0.96").json
    assert (told["stored"]["kind"], told["now"]["kind"]) == ("reject", "reject")
    assert (told["then"]["kind"], told["changes"]) == ("review", True)
    told = replayed(
        capsys, tmp_path, seq,
        "lanes.top.rules.reject.defect=0.97", "lanes.top.rules.review.defect=0.96",
    ).json  # fmt: skip
    assert told["then"]["kind"] == "pass"
    assert told["then"]["threshold"] == 0.97
    told = replayed(capsys, tmp_path, seq, "lanes.top.rules.reject.defect=0.94").json
    assert not told["changes"]
    assert any("stored scores" in note for note in told["notes"])


def test_another_way_to_combine_is_tried_on_the_stored_findings(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    views = "views = {a = {source = 'v4l2:/dev/a'}, b = {source = 'v4l2:/dev/b'}}"
    bad, good = found(0.95, VerdictKind.REJECT, "a"), found(0.1, VerdictKind.PASS, "b")
    verdict = replace(opinion(0.95, VerdictKind.REJECT), decided_by=bad.key)
    seq = put(writer, part(bad, good, verdict=verdict))
    path = config(tmp_path, views)
    path.write_text(path.read_text().replace('source = "file:a.mp4"\n', ""))
    ended = run(
        capsys, "results", "replay", str(seq), "--json", "--config", path,
        "--set", "lanes.top.part.combine=2 of 2",
    )  # fmt: skip
    told = ended.json
    assert told["now"]["decided_by"] == bad.key
    assert (told["then"]["kind"], told["changes"]) == ("review", True)


def test_confirmation_looks_back_at_what_is_stored(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for score in (0.95, 0.1):
        kind = VerdictKind.REJECT if score > 0.9 else VerdictKind.PASS
        put(writer, part(found(score, kind)))
    seq = put(writer, part(found(0.95, VerdictKind.REJECT)))
    lane = 'rules = { confirm = "2 of 3" }'
    told = replayed(capsys, tmp_path, seq, "lanes.top.rules.reject.defect=0.94", lane=lane).json
    assert (told["now"]["kind"], told["then"]["kind"]) == ("reject", "reject")
    told = replayed(capsys, tmp_path, 2, "lanes.top.rules.reject.defect=0.05", lane=lane).json
    assert (told["now"]["kind"], told["then"]["kind"]) == ("pass", "reject")
    told = replayed(capsys, tmp_path, 1, "lanes.top.rules.reject.defect=0.94", lane=lane).json
    assert told["then"]["kind"] == "review"


def test_what_is_not_known_is_told(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = found(0.95, VerdictKind.REJECT, model="elsewhere/1.0.0")
    seq = put(writer, part(gone))
    told = replayed(capsys, tmp_path, seq, "lanes.top.rules.reject.defect=0.96").json
    assert not told["changes"]
    assert any("elsewhere/1.0.0 is not on this box" in note for note in told["notes"])
    only = replace(found(0.95, VerdictKind.REJECT), scores=(Score("ok", 0.95),))
    seq = put(writer, part(only))
    told = replayed(capsys, tmp_path, seq, "lanes.top.rules.reject.defect=0.94").json
    assert any("score of 'defect' is not stored" in note for note in told["notes"])


def test_another_region_looks_at_the_stored_picture_and_says_so(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_runtime.files.image import read_image
    from edge_runtime.lane.evidence import encode_jpeg

    picture = encode_jpeg(read_image(PROJECT / GOLDEN), 95)
    media = MediaStore(tmp_path).put(picture, kind="frame", mime="image/jpeg")
    seq = put(writer, part(found(0.95, VerdictKind.REJECT), media=(media,)))
    told = replayed(capsys, tmp_path, seq, "lanes.top.gate.roi=[0.0, 0.0, 0.5, 0.5]").json
    assert any("re-encoded" in note for note in told["notes"])
    assert told["findings"][0]["model"] == MODEL
    assert told["then"]["kind"] in ("pass", "review", "reject")
    assert told["now"]["kind"] in ("pass", "review", "reject")


def test_a_part_without_a_picture_cannot_be_looked_at_again(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    seq = put(writer, part(found(0.95, VerdictKind.REJECT)))
    ended = replayed(capsys, tmp_path, seq, "lanes.top.gate.roi=[0.0, 0.0, 0.5, 0.5]")
    assert ended.code == 66
    assert "its picture is not on this box" in ended.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("rules.reject.defect=0.6", "write lanes.top.KEY=VALUE"),
        ("lanes.side.rules.reject.defect=0.6", "write lanes.top.KEY=VALUE"),
        ("lanes.top.rules.reject.defect", "KEY=VALUE"),
        ("lanes.top.rules.reject.defect=7", "defect"),
        ("lanes.top.rules.rejekt.defect=0.6", "rejekt"),
        ("lanes.top.rules.reject.dent=0.6", "dent"),
        ("lanes.top.model.x=1", "model is no table"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_what_is_wrong(
    tmp_path: Path,
    writer: LedgerWriter,
    capsys: pytest.CaptureFixture[str],
    change: str,
    told: str,
) -> None:
    seq = put(writer, part(found(0.95, VerdictKind.REJECT)))
    ended = replayed(capsys, tmp_path, seq, change)
    assert ended.code == 64
    assert told in ended.err


def test_a_word_is_judged_again_by_its_own_score(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    from edge_runtime.manifest import find_bundle, load_manifest

    manifest = load_manifest(find_bundle("keywords", PROJECT / "models"))
    word = next(label for label in manifest.labels if label not in manifest.ignore)
    heard = Result(
        lane="op", source="file:a.wav", source_seq=1, captured=stamp(), model=manifest.id,
        verdict=Verdict(VerdictKind.HEARD, word, 0.8, 0.5), spans=(Span(word, 0.8, 0.1, 0.4),),
        scores=(Score(word, 0.8),), start_s=1.0,
    )  # fmt: skip
    seq = put(writer, heard)
    path = config(tmp_path)
    path.write_text(path.read_text() + '[lanes.op]\nsource = "file:a.wav"\nmodel = "keywords"\n')
    ended = run(
        capsys, "results", "replay", str(seq), "--json", "--config", path,
        "--set", f"lanes.op.rules.hear.{word}=0.9",
    )  # fmt: skip
    told = ended.json
    assert (told["now"]["kind"], told["then"]["kind"]) == ("heard", "no_speech")
    assert told["changes"]
