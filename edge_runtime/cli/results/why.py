"""How a part came to its verdict, in words.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.cli.ruler import decided
from edge_runtime.files.naming import printable
from edge_runtime.types import (
    Actuation,
    Addition,
    Event,
    Finding,
    Result,
    Role,
    Tombstone,
    Verdict,
    VerdictKind,
    findings_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edge_runtime.cli.results.lines import Look
    from edge_runtime.ledger.reader import MediaRow
    from edge_runtime.ledger.rows import Entry

    Limits = Callable[[str | None], Mapping[str, float]]

_BELOW = (VerdictKind.PASS, VerdictKind.NO_SPEECH)
_STATES = {"local": "", "stored": "", "evicted": "; it was removed to make room"}


def words(
    entry: Entry,
    later: Sequence[Entry],
    media: Sequence[MediaRow],
    look: Look,
    limits: Limits,
) -> list[str]:
    """A line a fact.  `later`: the additions about it; `media`: its files and theirs.

    `limits`: of a model, label = the score from which it is no more `pass`, as of now.
    """
    body = entry.body
    match body:
        case Result():
            lines = list(_of_part(entry.seq, body, later, limits))
        case Tombstone():
            count = "something" if body.count is None else f"{body.count} items"
            lines = [f"{entry.seq} stands for {count} of lane {body.lane}: {body.reason.value}"]
            lasted = look.lasted(body.first, body.last)
            lines += [f"  {text}" for text in (lasted, body.detail, body.item) if text]
        case Addition():
            lines = [f"{entry.seq} came later about {body.about}: {body.kind.value}"]
            lines += _added(entry, limits)
        case Event():
            where = " ".join(text for text in (body.lane, body.output) if text) or "the station"
            lines = [f"{entry.seq} happened to {where}: {body.code} {body.text}"]
    lines += [f"{row.kind}: {row.path}{_STATES.get(row.state, '')}" for row in media]
    return [printable(line) for line in lines]


def _of_part(seq: int, result: Result, later: Sequence[Entry], limits: Limits) -> Iterator[str]:
    verdict = result.verdict
    name = f"part {result.part}" if result.part else f"part {result.item or seq}"
    recipe = f" with recipe {result.recipe}" if result.recipe else ""
    yield f"{name} of lane {result.lane}{recipe}: {verdict.kind.value}"
    if result.trigger:
        yield f"  it was told of by {result.trigger}"
    findings = findings_of(result)
    yield f"  {_decided_by(verdict, findings, limits)}"
    if verdict.decided_by is not None and verdict.reason:
        yield f"  {verdict.reason}"
    for finding in findings:
        yield from _found(finding, limits, has_decided=finding.key == verdict.decided_by)
    if result.findings_cut:
        yield f"  {result.findings_cut} more findings were left out to keep the row within its size"
    if result.latency_ms is not None:
        yield f"  decided {result.latency_ms:.1f} ms after its capture"
    yield from (f"  {_acted(actuation)}" for actuation in result.actuations)
    for entry in later:
        yield from _added(entry, limits)
    came = {e.body.kind.value for e in later if isinstance(e.body, Addition)}
    missing = [what for what in result.pending if what not in came]
    if missing:
        yield f"  still to come: {', '.join(missing)}"


def _decided_by(verdict: Verdict, findings: Sequence[Finding], limits: Limits) -> str:
    serving = [finding for finding in findings if finding.role is Role.SERVING]
    if not serving:
        return f"no model looked at it: {verdict.reason or 'nothing says why'}"
    if verdict.decided_by is None:
        return f"its one finding decides: {_judged(verdict, serving[0], limits)}"
    if any(finding.key == verdict.decided_by for finding in serving):
        return f"the worst of {len(serving)} findings decides: {verdict.decided_by}"
    return f"the vote of {len(serving)} findings decides: {verdict.decided_by}"


def _found(finding: Finding, limits: Limits, *, has_decided: bool) -> Iterator[str]:
    mark = "*" if has_decided else "-"
    shadow = "" if finding.role is Role.SERVING else ", a shadow that decides nothing"
    name = finding.key or "the model"
    if finding.failure is not None:
        told = "was late" if finding.failure == "late" else f"failed: {finding.failure}"
        yield f"  {mark} {name}{shadow}: {told}"
        return
    opinion = finding.opinion
    told = "nothing was made of it" if opinion is None else _opinion(opinion, finding, limits)
    took = "" if finding.infer_ms is None else f" ({finding.infer_ms:.1f} ms)"
    yield f"  {mark} {name}{shadow}: {told}{took}"
    if finding.steps:
        yield f"      by {' -> '.join(finding.steps)}"
    yield from (f"      {line}" for line in _places(finding))


def _opinion(opinion: Verdict, finding: Finding, limits: Limits) -> str:
    return f"{opinion.kind.value}, {_judged(opinion, finding, limits)}"


def _judged(verdict: Verdict, finding: Finding, limits: Limits) -> str:
    """Score beside threshold, and the rule where one had a say.

    Of a pass whose best label has no threshold, what came nearest to one, as `infer` says it.
    """
    parts = []
    nearest = None
    if verdict.kind is VerdictKind.PASS and verdict.threshold is None:
        nearest = decided(verdict, finding.scores, limits(finding.model))
    if nearest is not None:
        parts.append(f"nearest {nearest} (the threshold of now)")
    elif verdict.score is not None:
        parts.append(f"{verdict.label} {verdict.score:.3f}{_beside(verdict)}")
    elif verdict.label is not None:
        parts.append(verdict.label)
    if verdict.reason:
        parts.append(verdict.reason)
    return "; ".join(parts) or "no score had a say"


def _beside(verdict: Verdict) -> str:
    if verdict.score is None or verdict.threshold is None:
        return ""
    how = "at least" if verdict.score >= verdict.threshold else "below"
    return f", {how} {verdict.threshold:.3f}"


def _places(finding: Finding) -> Iterator[str]:
    wanted = finding.opinion.label if finding.opinion else None
    for region in [r for r in finding.regions if wanted in (None, r.label)][:3]:
        yield (
            f"{region.label} {region.score:.3f} at "
            f"[{region.x0}, {region.y0}, {region.x1}, {region.y1}] (pixels of the picture)"
        )
    for span in finding.spans:
        yield f"{span.label} {span.score:.3f} from {span.start_s:.2f} s to {span.end_s:.2f} s"
    if finding.text:
        yield f"'{finding.text}'"


def _acted(actuation: Actuation) -> str:
    if actuation.acknowledged:
        told = f"acknowledged after {actuation.latency_ms:.1f} ms"
    else:
        told = f"NOT acknowledged within {actuation.latency_ms:.1f} ms"
    detail = f" ({actuation.detail})" if actuation.detail else ""
    return f"output {actuation.output}: {actuation.action}, {told}{detail}"


def _added(entry: Entry, limits: Limits) -> Iterator[str]:
    addition = entry.body
    if not isinstance(addition, Addition):
        return
    if addition.actuation is not None:
        yield f"  later, as {entry.seq}: {_acted(addition.actuation)}"
    if addition.finding is not None:
        for number, line in enumerate(_found(addition.finding, limits, has_decided=False)):
            yield line if number else f"  later, as {entry.seq}: {line.strip(' -')}"
    if addition.media:
        kinds = ", ".join(media.kind for media in addition.media)
        yield f"  later, as {entry.seq}: {kinds}"
