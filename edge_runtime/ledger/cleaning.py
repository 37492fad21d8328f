"""Texts that are not Unicode and numbers that are none, before they become a row.  Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from edge_runtime.types import Addition, Event, Finding, Result, Tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.types import EntryBody

AnyEntry = TypeVar("AnyEntry", bound=Result | Tombstone | Addition | Event)


def clean(entry: AnyEntry) -> AnyEntry:
    """As it is, where it can be stored so; the texts of the body find out by themselves."""
    if all(map(_is_unicode, _texts(entry))) and all(map(_is_finite, _numbers(entry))):
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


def _texts(entry: EntryBody) -> Iterator[str | None]:
    """Those that stand in columns."""
    yield entry.lane
    match entry:
        case Result():
            yield from (entry.item, entry.source, entry.verdict.label, entry.model)
            yield from (finding.model for finding in entry.findings)
        case Tombstone():
            yield entry.item
        case Addition():
            yield entry.finding.model if entry.finding else None
        case Event():
            yield entry.code


def _numbers(entry: EntryBody) -> Iterator[float | None]:
    if isinstance(entry, Result):
        yield from (entry.verdict.score, entry.verdict.threshold, entry.start_s)
        yield from (entry.duration_s, entry.latency_ms)
        yield from (actuation.latency_ms for actuation in entry.actuations)
        yield from _said(entry)
        for finding in entry.findings:
            yield from _found(finding)
    elif isinstance(entry, Addition):
        if entry.actuation is not None:
            yield entry.actuation.latency_ms
        if entry.finding is not None:
            yield from _found(entry.finding)


def _found(finding: Finding) -> Iterator[float | None]:
    if finding.opinion is not None:
        yield from (finding.opinion.score, finding.opinion.threshold)
    yield from _said(finding)


def _said(by: Result | Finding) -> Iterator[float | None]:
    yield by.infer_ms
    yield from (score.score for score in by.scores)
    yield from (region.score for region in by.regions)
    for span in by.spans:
        yield from (span.score, span.start_s, span.end_s)


def _is_finite(number: float | None) -> bool:
    return number is None or math.isfinite(number)


def _is_unicode(text: str | None) -> bool:
    if text is None or text.isascii():
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
