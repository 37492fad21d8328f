"""Entries as rows, and back.  Pure.

What queries select by is in columns; texts that most rows share are numbers of small tables
(`Names`); media are links; the rest is JSON without what is empty (`bodies`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from edge_runtime.errors import LedgerError
from edge_runtime.ledger import bodies
from edge_runtime.ledger.cleaning import clean, cleaned
from edge_runtime.ledger.fitting import fit
from edge_runtime.types import (
    Addition,
    EntryBody,
    Event,
    Finding,
    Media,
    Result,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(IntEnum):
    """What an entry is; the column ``kind``."""

    RESULT = 0
    TOMBSTONE = 1
    ADDITION = 2
    """Its ``verdict`` is the kind of addition."""
    EVENT = 3
    """Its ``verdict`` is the ``EDGE-…`` code."""


COLUMNS = (
    "kind, lane, verdict, label, score, item, source, model, boot, boottime_ns, wall_ns, about, "
    "body"
)
Row: TypeAlias = tuple[
    int, str, str, str | None, float | None, str | None, int | None, int | None, int, int, int,
    int | None, str,
]  # fmt: skip
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
    body: EntryBody
    unreadable: str = ""
    """Why its row cannot be read; `body` is then a tombstone in its place, of this moment only."""


def value_of(verdict: str, media: Media) -> int:
    """What a picture or sound is worth when room is short; more is kept longer.

    By verdict; a picture drawn on is less than the clean one, which it can be made from again; and
    one in sixteen of everything, chosen by its hash, is worth a review, so that a sample of the
    ordinary stays for the audit.
    """
    value = 2 * _VALUES.get(verdict, 1) - (media.kind == "overlay")
    sampled = int(media.sha256[:8], 16) % _AUDIT_SHARE == 0
    return max(value, 2 * _VALUES["review"]) if sampled else value


def row_of(entry: EntryBody, names: Names) -> Row:
    """An entry's columns, without `seq`.  Media are not among them.

    It is cut to the size of a row (`fitting.fit`).  A text that is not Unicode (a file name) is
    escaped, and a number that is none (NaN) is left out: what a lane saw is never refused for its
    spelling.
    """
    entry = fit(clean(entry))
    try:
        return _row_of(entry, names)
    except UnicodeEncodeError:
        return _row_of(cleaned(entry), names)


def entry_of(
    seq: int, epoch: str, row: Sequence[Any], media: Sequence[Media], texts: Texts
) -> Entry:
    """An entry from its row (`COLUMNS`) and the media that it links to, in order."""
    kind, lane, verdict, _, _, item, _, _, boot, boottime_ns, wall_ns, about, body = row
    stamp = Stamp(wall_ns, boottime_ns, texts.boot_of(boot))
    match kind:
        case Kind.RESULT:
            return Entry(seq, epoch, _result_of(row, stamp, media, texts))
        case Kind.TOMBSTONE:
            rest = bodies.tombstone_bodies.decode(body)
            reason = TombstoneReason(verdict)
            return Entry(seq, epoch, Tombstone(
                lane=lane, reason=reason, first=stamp, last=rest.last, count=rest.count,
                detail=rest.detail, item=item,
            ))  # fmt: skip
        case Kind.ADDITION:
            more = bodies.addition_bodies.decode(body)
            model = texts.model_of(more.finding.model if more.finding else None)
            addition = bodies.addition_of(
                more, model, lane=lane, about=about, kind=verdict, at=stamp
            )
            return Entry(seq, epoch, replace(addition, media=tuple(media)))
        case Kind.EVENT:
            told = bodies.event_bodies.decode(body)
            event = Event(code=verdict, at=stamp, text=told.text, lane=lane, output=told.output)
            return Entry(seq, epoch, event)
    raise LedgerError(f"entry {seq} is of kind {kind}, which a newer version wrote")


def _result_of(row: Sequence[Any], stamp: Stamp, media: Sequence[Media], texts: Texts) -> Result:
    _, lane, verdict, label, score, item, source, model, _, _, _, _, body = row
    more = bodies.result_bodies.decode(body)
    name, sha256 = texts.model_of(model)
    return Result(
        lane=lane, source=texts.source_of(source), source_seq=more.source_seq, captured=stamp,
        verdict=Verdict(
            VerdictKind(verdict), label, score, more.threshold, more.reason, more.decided_by
        ),
        item=item, model=name, model_sha256=sha256, scores=bodies.scores_of(more.scores),
        regions=bodies.regions_of(more.regions), text=more.text, start_s=more.start_s,
        duration_s=more.duration_s, infer_ms=more.infer_ms, latency_ms=more.latency_ms,
        actuations=more.actuations, media=tuple(media), part=more.part, trigger=more.trigger,
        recipe=more.recipe,
        findings=tuple(bodies.finding_of(one, texts.model_of(one.model)) for one in more.findings),
        findings_cut=more.findings_cut, spans=bodies.spans_of(more.spans), pending=more.pending,
    )  # fmt: skip


def _row_of(entry: EntryBody, names: Names) -> Row:
    match entry:
        case Result():
            return _result_row(entry, names)
        case Tombstone():
            body = bodies.as_text(bodies.tombstone_body(entry))
            return _row(
                Kind.TOMBSTONE, entry.lane, entry.reason.value, entry.first, body, names,
                item=entry.item,
            )  # fmt: skip
        case Addition():
            model = None if entry.finding is None else _model_number(entry.finding, names)
            body = bodies.as_text(bodies.addition_body(entry, model))
            return _row(
                Kind.ADDITION, entry.lane, entry.kind.value, entry.at, body, names,
                about=entry.about,
            )  # fmt: skip
        case Event():
            body = bodies.as_text(bodies.event_body(entry))
            return _row(Kind.EVENT, entry.lane, entry.code, entry.at, body, names)


def _result_row(result: Result, names: Names) -> Row:
    verdict, captured = result.verdict, result.captured
    source, model = names.source(result.source), _model_number(result, names)
    boot = names.boot(captured.boot_id)
    models = [_model_number(finding, names) for finding in result.findings]
    return (
        Kind.RESULT, result.lane, verdict.kind.value, verdict.label, verdict.score, result.item,
        source, model, boot, captured.boottime_ns, captured.wall_ns, None,
        bodies.as_text(bodies.result_body(result, models)),
    )  # fmt: skip


def _row(
    kind: Kind, lane: str, verdict: str, stamp: Stamp, body: str, names: Names,
    *, item: str | None = None, about: int | None = None,
) -> Row:  # fmt: skip
    return (
        kind, lane, verdict, None, None, item, None, None, names.boot(stamp.boot_id),
        stamp.boottime_ns, stamp.wall_ns, about, body,
    )  # fmt: skip


def _model_number(of: Result | Finding, names: Names) -> int | None:
    if of.model is None and of.model_sha256 is None:
        return None
    return names.model(of.model or "", of.model_sha256 or "")
