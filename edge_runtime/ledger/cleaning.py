"""Texts that are not Unicode and numbers that are none, before they become a row.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from edge_runtime.types import Addition, Event, Finding, Result, Tombstone

if TYPE_CHECKING:
    from edge_runtime.types import EntryBody

AnyEntry = TypeVar("AnyEntry", bound=Result | Tombstone | Addition | Event)


def clean(entry: AnyEntry) -> AnyEntry:
    """As it is, where it can be stored so; the texts of the body find out by themselves."""
    is_unicode = all(text is None or _is_unicode(text) for text in _texts(entry))
    if is_unicode and all(number is None or math.isfinite(number) for number in _numbers(entry)):
        return entry
    return cleaned(entry)


def cleaned(entry: AnyEntry) -> AnyEntry:
    """Odd texts escaped, what has a number that is none left out."""
    plain: dict[str, Any] = _plain(msgspec.to_builtins(entry))
    for holder in (plain, plain.get("finding"), *plain.get("findings", ())):
        _drop_numberless(holder or {})
    for actuation in (*plain.get("actuations", ()), plain.get("actuation")):
        if actuation is not None:
            actuation["latency_ms"] = actuation["latency_ms"] or 0.0
    return msgspec.convert(plain, type(entry))


def _drop_numberless(holder: dict[str, Any]) -> None:
    for key in ("scores", "regions", "spans"):
        if key in holder:
            holder[key] = [part for part in holder[key] if None not in part.values()]


def _texts(entry: EntryBody) -> list[str | None]:
    """Those that stand in columns."""
    match entry:
        case Result():
            models = [finding.model for finding in entry.findings]
            return [entry.lane, entry.item, entry.source, entry.verdict.label, entry.model, *models]
        case Tombstone():
            return [entry.lane, entry.item]
        case Addition():
            return [entry.lane, entry.finding.model if entry.finding else None]
        case Event():
            return [entry.lane, entry.code]


def _numbers(entry: EntryBody) -> list[float | None]:
    if isinstance(entry, Result):
        verdict = entry.verdict
        numbers = [verdict.score, verdict.threshold, entry.start_s, entry.duration_s,
                   entry.latency_ms, *_said(entry)]  # fmt: skip
        numbers += [actuation.latency_ms for actuation in entry.actuations]
        for finding in entry.findings:
            numbers += _found(finding)
        return numbers
    if isinstance(entry, Addition):
        acted = [] if entry.actuation is None else [entry.actuation.latency_ms]
        return [*acted, *([] if entry.finding is None else _found(entry.finding))]
    return []


def _found(finding: Finding) -> list[float | None]:
    opinion = finding.opinion
    judged = [] if opinion is None else [opinion.score, opinion.threshold]
    return [*judged, *_said(finding)]


def _said(by: Result | Finding) -> list[float | None]:
    numbers = [by.infer_ms]
    numbers += [score.score for score in by.scores]
    numbers += [region.score for region in by.regions]
    for span in by.spans:
        numbers += (span.score, span.start_s, span.end_s)
    return numbers


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return None if isinstance(value, float) and not math.isfinite(value) else value
