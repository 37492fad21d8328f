"""What of an entry is in its row's JSON body: short, without what is empty.

Nothing here is ever renamed: rows that were written stay as they are.
"""

from __future__ import annotations

import msgspec

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
    Stamp,
    Tombstone,
    Verdict,
    VerdictKind,
)

ScoreRow = tuple[str, float]
RegionRow = tuple[str, float, int, int, int, int]
SpanRow = tuple[str, float, float, float]


class OpinionBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Verdict`."""

    kind: VerdictKind
    label: str | None = None
    score: float | None = None
    threshold: float | None = None
    reason: str | None = None
    decided_by: str | None = None


class FindingBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Finding`; its model is a number of the small table."""

    view: str = ""
    frame: int = 0
    role: Role = Role.SERVING
    model: int | None = None
    steps: tuple[str, ...] = ()
    failure: str | None = None
    opinion: OpinionBody | None = None
    scores: tuple[ScoreRow, ...] = ()
    regions: tuple[RegionRow, ...] = ()
    spans: tuple[SpanRow, ...] = ()
    text: str | None = None
    infer_ms: float | None = None


class ResultBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a `Result` has no column."""

    source_seq: int
    threshold: float | None = None
    reason: str | None = None
    scores: tuple[ScoreRow, ...] = ()
    regions: tuple[RegionRow, ...] = ()
    text: str | None = None
    start_s: float | None = None
    duration_s: float | None = None
    infer_ms: float | None = None
    latency_ms: float | None = None
    actuations: tuple[Actuation, ...] = ()
    # Since schema 2.
    decided_by: str | None = None
    part: str | None = None
    trigger: str | None = None
    recipe: str | None = None
    findings: tuple[FindingBody, ...] = ()
    findings_cut: int = 0
    spans: tuple[SpanRow, ...] = ()
    pending: tuple[str, ...] = ()


class TombstoneBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a `Tombstone` has no column."""

    last: Stamp
    count: int | None = None
    detail: str | None = None


class AdditionBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of an `Addition` has no column."""

    finding: FindingBody | None = None
    actuation: Actuation | None = None


class EventBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of an `Event` has no column."""

    text: str
    output: str = ""


_encoder = msgspec.json.Encoder()
result_bodies = msgspec.json.Decoder(ResultBody)
tombstone_bodies = msgspec.json.Decoder(TombstoneBody)
addition_bodies = msgspec.json.Decoder(AdditionBody)
event_bodies = msgspec.json.Decoder(EventBody)


def as_text(body: ResultBody | TombstoneBody | AdditionBody | EventBody) -> str:
    """As it is stored.  Raises `UnicodeEncodeError`."""
    return _encoder.encode(body).decode("utf-8")


def result_body(result: Result, models: list[int | None]) -> ResultBody:
    """`models`: the numbers of its findings' models, in their order."""
    verdict = result.verdict
    return ResultBody(
        source_seq=result.source_seq,
        threshold=verdict.threshold,
        reason=verdict.reason,
        scores=_scores(result.scores),
        regions=_regions(result.regions),
        text=result.text,
        start_s=result.start_s,
        duration_s=result.duration_s,
        infer_ms=result.infer_ms,
        latency_ms=result.latency_ms,
        actuations=result.actuations,
        decided_by=verdict.decided_by,
        part=result.part,
        trigger=result.trigger,
        recipe=result.recipe,
        findings=tuple(map(finding_body, result.findings, models)) if models else (),
        findings_cut=result.findings_cut,
        spans=_spans(result.spans),
        pending=result.pending,
    )


def finding_body(finding: Finding, model: int | None) -> FindingBody:
    """`model`: the number of its model."""
    opinion = finding.opinion
    return FindingBody(
        view=finding.view,
        frame=finding.frame,
        role=finding.role,
        model=model,
        steps=finding.steps,
        failure=finding.failure,
        opinion=None
        if opinion is None
        else OpinionBody(
            opinion.kind,
            opinion.label,
            opinion.score,
            opinion.threshold,
            opinion.reason,
            opinion.decided_by,
        ),
        scores=_scores(finding.scores),
        regions=_regions(finding.regions),
        spans=_spans(finding.spans),
        text=finding.text,
        infer_ms=finding.infer_ms,
    )


def tombstone_body(tombstone: Tombstone) -> TombstoneBody:
    """Its item is in a column."""
    return TombstoneBody(tombstone.last, tombstone.count, tombstone.detail)


def addition_body(addition: Addition, model: int | None) -> AdditionBody:
    """`model`: the number of its finding's model."""
    finding = None if addition.finding is None else finding_body(addition.finding, model)
    return AdditionBody(finding, addition.actuation)


def event_body(event: Event) -> EventBody:
    """Its code and lane are in columns."""
    return EventBody(event.text, event.output)


def finding_of(body: FindingBody, model: tuple[str | None, str | None]) -> Finding:
    """`model`: (name, sha256)."""
    opinion = body.opinion
    return Finding(
        view=body.view,
        frame=body.frame,
        role=body.role,
        model=model[0],
        model_sha256=model[1],
        steps=body.steps,
        failure=body.failure,
        opinion=None
        if opinion is None
        else Verdict(
            opinion.kind,
            opinion.label,
            opinion.score,
            opinion.threshold,
            opinion.reason,
            opinion.decided_by,
        ),
        scores=scores_of(body.scores),
        regions=regions_of(body.regions),
        spans=spans_of(body.spans),
        text=body.text,
        infer_ms=body.infer_ms,
    )


def addition_of(
    body: AdditionBody,
    model: tuple[str | None, str | None],
    *,
    lane: str,
    about: int,
    kind: str,
    at: Stamp,
) -> Addition:
    """Without its media."""
    return Addition(
        lane=lane,
        about=about,
        kind=AdditionKind(kind),
        at=at,
        finding=None if body.finding is None else finding_of(body.finding, model),
        actuation=body.actuation,
    )


def scores_of(rows: tuple[ScoreRow, ...]) -> tuple[Score, ...]:
    """As they were."""
    return tuple(Score(*row) for row in rows)


def regions_of(rows: tuple[RegionRow, ...]) -> tuple[Region, ...]:
    """As they were."""
    return tuple(Region(*row) for row in rows)


def spans_of(rows: tuple[SpanRow, ...]) -> tuple[Span, ...]:
    """As they were."""
    return tuple(Span(*row) for row in rows)


def _scores(scores: tuple[Score, ...]) -> tuple[ScoreRow, ...]:
    return tuple((s.label, s.score) for s in scores)


def _regions(regions: tuple[Region, ...]) -> tuple[RegionRow, ...]:
    return tuple((r.label, r.score, r.x0, r.y0, r.x1, r.y1) for r in regions)


def _spans(spans: tuple[Span, ...]) -> tuple[SpanRow, ...]:
    return tuple((s.label, s.score, s.start_s, s.end_s) for s in spans)
