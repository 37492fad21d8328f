"""Results and tombstones as rows, and back.  Pure.

What queries select by is in columns; texts that most rows share are numbers of small tables
(`Names`); media are links; the rest is JSON without what is empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from edge_runtime.types import (
    Actuation,
    Media,
    Region,
    Result,
    Score,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT, TOMBSTONE = 0, 1

COLUMNS = "kind, lane, verdict, label, score, item, source, model, boot, boottime_ns, wall_ns, body"
Row: TypeAlias = tuple[
    int, str, str, str | None, float | None, str | None, int | None, int | None, int, int, int, str
]
"""The values of `COLUMNS`."""

_VALUES = {"pass": 1, "no_speech": 1, "heard": 2, "review": 3, "reject": 4}
_AUDIT_SHARE = 16


class Names(Protocol):
    """Texts by number and numbers by text; the ledger's small tables."""

    def source(self, name: str) -> int:
        """Number of a source."""
        ...

    def model(self, name: str, sha256: str) -> int:
        """Number of a model."""
        ...

    def boot(self, name: str) -> int:
        """Number of a boot."""
        ...


class Texts(Protocol):
    """The other way."""

    def source_of(self, number: int | None) -> str:
        """Name of a source; empty for None."""
        ...

    def model_of(self, number: int | None) -> tuple[str | None, str | None]:
        """(name, sha256) of a model."""
        ...

    def boot_of(self, number: int) -> str:
        """Id of a boot."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger."""

    seq: int
    epoch: str
    body: Result | Tombstone


class _ResultBody(msgspec.Struct, frozen=True, omit_defaults=True):
    source_seq: int
    threshold: float | None = None
    reason: str | None = None
    scores: tuple[tuple[str, float], ...] = ()
    regions: tuple[tuple[str, float, int, int, int, int], ...] = ()
    text: str | None = None
    start_s: float | None = None
    duration_s: float | None = None
    infer_ms: float | None = None
    latency_ms: float | None = None
    actuations: tuple[Actuation, ...] = ()


class _TombstoneBody(msgspec.Struct, frozen=True, omit_defaults=True):
    last: Stamp
    count: int | None = None
    detail: str | None = None


_encoder = msgspec.json.Encoder()
_result_bodies = msgspec.json.Decoder(_ResultBody)
_tombstone_bodies = msgspec.json.Decoder(_TombstoneBody)


def value_of(verdict: VerdictKind, media: Media) -> int:
    """What a picture or sound is worth when room is short; more is kept longer.

    By verdict; a picture drawn on is less than the clean one, which it can be made from again; and
    one in sixteen of everything, chosen by its hash, is worth a review, so that a sample of the
    ordinary stays for the audit.
    """
    value = 2 * _VALUES.get(verdict.value, 1) - (media.kind == "overlay")
    sampled = int(media.sha256[:8], 16) % _AUDIT_SHARE == 0
    return max(value, 2 * _VALUES["review"]) if sampled else value


def row_of(entry: Result | Tombstone, names: Names) -> Row:
    """An entry's columns, without `seq`.  Media are not among them.

    A text that is not Unicode (a file name) is escaped, and a number that is none (NaN) is left
    out: what a lane saw is never refused for its spelling.
    """
    entry = entry if _is_clean(entry) else _cleaned(entry)
    try:
        return _row_of(entry, names)
    except UnicodeEncodeError:
        return _row_of(_cleaned(entry), names)


def entry_of(
    seq: int, epoch: str, row: Sequence[Any], media: Sequence[Media], texts: Texts
) -> Entry:
    """An entry from its row (`COLUMNS`) and the media that it links to, in order."""
    kind, lane, verdict, label, score, item, source, model, boot, boottime_ns, wall_ns, body = row
    stamp = Stamp(wall_ns, boottime_ns, texts.boot_of(boot))
    if kind == TOMBSTONE:
        rest = _tombstone_bodies.decode(body)
        reason = TombstoneReason(verdict)
        return Entry(seq, epoch, Tombstone(
            lane=lane, reason=reason, first=stamp, last=rest.last, count=rest.count,
            detail=rest.detail,
        ))  # fmt: skip
    more = _result_bodies.decode(body)
    name, sha256 = texts.model_of(model)
    return Entry(seq, epoch, Result(
        lane=lane, source=texts.source_of(source), source_seq=more.source_seq, captured=stamp,
        verdict=Verdict(VerdictKind(verdict), label, score, more.threshold, more.reason),
        item=item, model=name, model_sha256=sha256,
        scores=tuple(Score(*pair) for pair in more.scores),
        regions=tuple(Region(*region) for region in more.regions),
        text=more.text, start_s=more.start_s, duration_s=more.duration_s, infer_ms=more.infer_ms,
        latency_ms=more.latency_ms, actuations=more.actuations, media=tuple(media),
    ))  # fmt: skip


def _row_of(entry: Result | Tombstone, names: Names) -> Row:
    if isinstance(entry, Tombstone):
        first = entry.first
        rest = _TombstoneBody(entry.last, entry.count, entry.detail)
        return (
            TOMBSTONE, entry.lane, entry.reason.value, None, None, None, None, None,
            names.boot(first.boot_id), first.boottime_ns, first.wall_ns, _json(rest),
        )  # fmt: skip
    verdict, captured = entry.verdict, entry.captured
    has_model = entry.model is not None or entry.model_sha256 is not None
    return (
        RESULT, entry.lane, verdict.kind.value, verdict.label, verdict.score, entry.item,
        names.source(entry.source),
        names.model(entry.model or "", entry.model_sha256 or "") if has_model else None,
        names.boot(captured.boot_id), captured.boottime_ns, captured.wall_ns,
        _json(_body_of(entry)),
    )  # fmt: skip


def _body_of(result: Result) -> _ResultBody:
    return _ResultBody(
        source_seq=result.source_seq,
        threshold=result.verdict.threshold,
        reason=result.verdict.reason,
        scores=tuple((s.label, s.score) for s in result.scores),
        regions=tuple((r.label, r.score, r.x0, r.y0, r.x1, r.y1) for r in result.regions),
        text=result.text,
        start_s=result.start_s,
        duration_s=result.duration_s,
        infer_ms=result.infer_ms,
        latency_ms=result.latency_ms,
        actuations=result.actuations,
    )


def _json(body: msgspec.Struct) -> str:
    return _encoder.encode(body).decode("utf-8")


def _is_clean(entry: Result | Tombstone) -> bool:
    """Whether every number is one, and the columns are Unicode; the body finds out by itself."""
    if isinstance(entry, Tombstone):
        return True
    if not all(map(_is_unicode, (entry.item, entry.source, entry.verdict.label, entry.model))):
        return False
    numbers = [entry.verdict.score, entry.verdict.threshold, entry.start_s, entry.duration_s,
               entry.infer_ms, entry.latency_ms]  # fmt: skip
    numbers += [score.score for score in entry.scores]
    numbers += [region.score for region in entry.regions]
    numbers += [actuation.latency_ms for actuation in entry.actuations]
    return all(number is None or math.isfinite(number) for number in numbers)


def _is_unicode(text: str | None) -> bool:
    if text is None or text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _cleaned(entry: Result | Tombstone) -> Result | Tombstone:
    plain = _plain(msgspec.to_builtins(entry))
    if isinstance(entry, Tombstone):
        return msgspec.convert(plain, Tombstone)
    for key in ("scores", "regions"):
        plain[key] = [part for part in plain[key] if part["score"] is not None]
    for actuation in plain["actuations"]:
        actuation["latency_ms"] = actuation["latency_ms"] or 0.0
    return msgspec.convert(plain, Result)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return None if isinstance(value, float) and not math.isfinite(value) else value
