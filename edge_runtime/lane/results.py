"""A closed part as the row that the ledger keeps.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_runtime.clock import NS_PER_S
from edge_runtime.parts import deciding
from edge_runtime.types import Result, Segment, Stamp, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.parts import Closed
    from edge_runtime.types import Finding, Frame, Span

OUT_OF_SEQUENCE = -1


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part came from: of its picture or segment, or of what could not be read."""

    source: str
    captured: Stamp
    seq: int = OUT_OF_SEQUENCE
    item: str | None = None
    start_s: float | None = None
    duration_s: float | None = None

    @classmethod
    def of(cls, subject: Frame | Segment) -> Origin:
        """Of what was looked at."""
        if isinstance(subject, Segment):
            return cls(
                subject.source,
                subject.captured,
                subject.seq,
                subject.item,
                round(subject.start_s, 4),
                round(subject.duration_s, 4),
            )
        return cls(subject.source, subject.captured, subject.seq, subject.item)

    @property
    def end_ns(self) -> int:
        """CLOCK_BOOTTIME of the picture, or of the last sample: what latency counts from."""
        return self.captured.boottime_ns + int((self.duration_s or 0.0) * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Row:
    """What makes rows of one lane alike."""

    lane: str
    recipe: str | None = None

    def of_part(
        self,
        closed: Closed,
        findings: Sequence[Finding],
        verdict: Verdict,
        origin: Origin,
        latency_ms: float,
    ) -> Result:
        """One part's row.  `findings` have their opinions."""
        shown = deciding(findings, verdict)
        trigger = closed.part.trigger
        is_plain = len(findings) == 1 and findings[0].failure is None and not closed.part.shadow
        return Result(
            lane=self.lane,
            source=origin.source,
            source_seq=origin.seq,
            captured=origin.captured,
            verdict=verdict,
            item=origin.item,
            model=shown.model if shown else None,
            model_sha256=shown.model_sha256 if shown else None,
            scores=shown.scores if shown else (),
            regions=shown.regions if shown else (),
            text=shown.text if shown else None,
            spans=shown.spans if shown else (),
            start_s=origin.start_s,
            duration_s=origin.duration_s,
            infer_ms=shown.infer_ms if shown else None,
            latency_ms=round(latency_ms, 3),
            part=closed.part.name or (f"trigger-{trigger.id}" if trigger else None),
            trigger=trigger.origin if trigger else None,
            recipe=self.recipe,
            findings=() if is_plain else tuple(findings),
        )

    def of_word(self, whole: Result, span: Span, verdict: Verdict) -> Result:
        """One word of a segment: a part of its own, with its own time."""
        start_s = whole.start_s or 0.0
        offset_ns = int(span.start_s * NS_PER_S)
        stamp = whole.captured
        return replace(
            whole,
            verdict=verdict,
            captured=Stamp(stamp.wall_ns + offset_ns, stamp.boottime_ns + offset_ns, stamp.boot_id),
            start_s=round(start_s + span.start_s, 4),
            duration_s=round(span.end_s - span.start_s, 4),
            spans=(span,),
            findings=(),
        )

    def no_read(self, source: str, reason: str, now: Stamp) -> Result:
        """The lane cannot judge: not of any part."""
        return Result(
            lane=self.lane,
            source=source,
            source_seq=OUT_OF_SEQUENCE,
            captured=now,
            verdict=Verdict(VerdictKind.NO_READ, reason=reason),
        )
