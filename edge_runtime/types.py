"""The value objects that travel down a lane.

Source -> Frame / AudioBlock -> (gate) -> Segment -> Inference -> Verdict -> Result.

Every object is frozen and carries the identity of what it came from (source id, sequence number,
stamp), never the pixels or samples of an earlier stage.  Arrays are carried by reference and are
read-only for everybody but their maker.  Units are in the names: ``_ns _ms _s _bytes _hz _px``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RuntimeChoice = Literal["auto", "onnxruntime", "litert", "openvino"]
"""Which library runs a model; auto: the one of the manifest's first file that can be run here."""


class VerdictKind(StrEnum):
    """What a lane decided.  Camera: the first three; microphone: the next two; both: `NO_READ`."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    REJECT = "reject"
    REVIEW = "review"
    HEARD = "heard"
    NO_SPEECH = "no_speech"
    NO_READ = "no_read"


class TombstoneReason(StrEnum):
    """Why something that could have been a result is not one."""

    LANE_CRASH = "lane_crash"
    """The lane's process died or was killed; what it had in hand is gone."""
    CAPTURE_GAP = "capture_gap"
    """The first queue was full (or the device overran) and items were dropped; one a burst."""
    STORE_FULL = "store_full"
    """The ledger had no room: parts were judged and acted upon, and could not be stored."""
    RESTART_GAP = "restart_gap"
    """The lane was started anew by a reload or a change of model, and did not look meanwhile."""
    SOURCE_GAP = "source_gap"
    """A lane was without its source from `first`, when a `no_read` row said so, to `last`."""
    MEDIA_EVICTED = "media_evicted"
    """Media were removed to make room before the collector had them."""
    RECOVERED_DAMAGE = "recovered_damage"
    """The database was damaged; what could be read was carried over."""
    BAD_ITEM = "bad_item"
    """One image, frame or segment could not be decoded, or ended the lane's process again and
    again, or was refused by the ledger."""


class Role(StrEnum):
    """What a finding is for."""

    SERVING = "serving"
    """It is one of those that the part's verdict is made of."""
    SHADOW = "shadow"
    """It is recorded, and neither waited for nor listened to."""


class SegmentEnd(StrEnum):
    """Why a segment ended."""

    ENDED = "ended"
    MAX_LENGTH = "max_length"
    TRUNCATED = "truncated"
    """The source closed or lost data while the segment was open."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something was captured.  Order never comes from `wall_ns`."""

    wall_ns: int
    """UTC, ns since 1970, as the box believed at the time."""
    boottime_ns: int
    """CLOCK_BOOTTIME, ns; comparable within one `boot_id`."""
    boot_id: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One image as captured."""

    source: str
    seq: int
    """0, 1, 2 ... within one opening of the source."""
    captured: Stamp
    """When the camera exposed it, where it tells (V4L2); else when it was handed over.  Either way
    the exposure lies within the source's ``capture.delay_ms`` before this."""
    pixels: NDArray[np.uint8]
    """(height, width, 3) BGR."""
    item: str | None = None
    """Identity of a replayed item (``frame:17``, ``part_001.jpg:48211:17...``); None when live."""
    position_s: float | None = None
    """Place in a recording's own time; None when there is none."""
    handed_ns: int | None = None
    """CLOCK_BOOTTIME, ns, when it was handed over; None: that is what `captured` says."""
    is_exposure: bool = False
    """`captured` is the exposure's own time, as a fresh-frame proof needs it."""
    encoded: bytes | None = None
    """The compressed picture as the camera or file gave it; None where there was none."""


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A run of samples as they came from the device, one channel chosen, not resampled."""

    source: str
    seq: int
    captured: Stamp
    """Of the end of the block: when it was handed over."""
    samples: NDArray[np.int16]
    """(n,) mono."""
    rate_hz: int
    position: int
    """Index of the first sample in the source's own audio time, lost samples counted."""
    has_gap: bool = False
    """Samples were lost between the block before and this one."""
    is_warm_up: bool = False
    """Was heard before a restart: the gate's detector gets used to it, no segment holds it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A span that the gate let through, pre-roll and hang-over included."""

    source: str
    seq: int
    captured: Stamp
    """Of the first sample."""
    samples: NDArray[np.int16]
    """(n,) mono."""
    rate_hz: int
    start_s: float
    """Position of the first sample in the source's own audio time."""
    end: SegmentEnd
    item: str | None = None
    """Identity within a replay (``samples:FIRST-END`` at the source's own rate); None when live."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Score:
    """One label's score, 0..1 for classifiers."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Region:
    """A part of an image, in pixels of the original, x1/y1 exclusive."""

    label: str
    score: float
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a sound, in seconds from the segment's first sample."""

    label: str
    score: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What a model answered about one frame or segment, before anything was decided."""

    model: str
    """``name/version``."""
    model_sha256: str
    scores: tuple[Score, ...]
    """Best first."""
    steps: tuple[str, ...] = ()
    """A chain: ``name/version`` of each step in order; empty for one model."""
    regions: tuple[Region, ...] = ()
    """Best first."""
    text: str | None = None
    tiles: tuple[tuple[int, int, int, int, float], ...] = ()
    """``(x0, y0, x1, y1, score)`` of every tile, in pixels of the original (tile classifiers)."""
    spans: tuple[Span, ...] = ()
    """Where in the sound, in the order of time (wake words, keywords of a longer segment)."""
    values: tuple[float, ...] = ()
    """The numbers themselves, where labels say too little: an embedding, a regression."""
    heat: NDArray[np.float32] | None = None
    """(h, w) 0..1, how bad the picture is where (anomaly maps); stretched over the original."""
    preprocess_ms: float = 0.0
    infer_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: of one finding (an opinion), or of a whole part."""

    kind: VerdictKind
    label: str | None = None
    score: float | None = None
    threshold: float | None = None
    reason: str | None = None
    """One clause for people: why this verdict, or why there is none (`no_read`)."""
    decided_by: str | None = None
    """A part's: the `Finding.key` of the finding that decided, or the vote that did (``2 of 3``).
    None where there is one finding only, and in an opinion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Something outside said that a part is there."""

    id: int
    """1, 2, 3 ... within one run of whoever saw it."""
    at: Stamp
    part_name: str | None = None
    """What the far side calls the part."""
    origin: str = ""
    """Where it came from: ``modbus://host:502 coil 3``, ``command``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one model said of one view of one part, or that it failed."""

    view: str = ""
    """The view's name; empty in a lane of one."""
    frame: int = 0
    """Which of the part's frames of that view, from 0."""
    role: Role = Role.SERVING
    model: str | None = None
    """``name/version``; of a chain, its last step's."""
    model_sha256: str | None = None
    steps: tuple[str, ...] = ()
    """A chain: ``name/version`` of each step in order; empty for one model."""
    failure: str | None = None
    """Why there is no answer: ``late``, or what went wrong.  None where there is one."""
    opinion: Verdict | None = None
    """What that model's rules make of it; None for a failure."""
    scores: tuple[Score, ...] = ()
    """The best few labels."""
    regions: tuple[Region, ...] = ()
    spans: tuple[Span, ...] = ()
    text: str | None = None
    infer_ms: float | None = None

    @property
    def key(self) -> str:
        """``view:model``, with the frame where there are several; what `decided_by` names."""
        place = self.view + (f"#{self.frame}" if self.frame else "")
        return f"{place}:{self.model}" if place else (self.model or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuation:
    """What an output did about a verdict."""

    output: str
    action: str
    """``pulse``, ``safe``, ``release``, or ``bypass``: it is out of use, and did nothing."""
    acknowledged: bool
    """The device on the other side confirmed it in time."""
    latency_ms: float
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file in the content-addressed media folder, durable on disk."""

    sha256: str
    kind: str
    """``frame``, ``overlay`` or ``segment``."""
    mime: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The record of one part: one verdict; what the ledger keeps and sync sends.

    Verdict, model, scores, regions and times are the deciding finding's.  A part of one finding
    that answered has no `findings` of its own: it is read as one (`findings_of`).
    """

    lane: str
    source: str
    source_seq: int
    captured: Stamp
    verdict: Verdict
    item: str | None = None
    model: str | None = None
    model_sha256: str | None = None
    scores: tuple[Score, ...] = ()
    """The best few labels."""
    regions: tuple[Region, ...] = ()
    text: str | None = None
    start_s: float | None = None
    """Segments: position in the source's audio time."""
    duration_s: float | None = None
    """Segments: length."""
    infer_ms: float | None = None
    latency_ms: float | None = None
    """From capture to verdict."""
    actuations: tuple[Actuation, ...] = ()
    media: tuple[Media, ...] = ()
    part: str | None = None
    """What the part is called, where a trigger or a replay says so."""
    trigger: str | None = None
    """Where the trigger came from; None for a part that had none."""
    recipe: str | None = None
    findings: tuple[Finding, ...] = ()
    """All findings, where there is more than one or one failed."""
    findings_cut: int = 0
    """So many findings were left out to keep the row within its size."""
    spans: tuple[Span, ...] = ()
    """Where in the segment: of a keyword lane the word that this part is."""
    pending: tuple[str, ...] = ()
    """What was still to come when this row left: ``evidence``, ``actuation``, ``finding`` (a
    shadow's).  It comes as an `Addition`, or as a tombstone that it never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """Stands in the ledger's sequence for what was dropped, evicted or lost."""

    lane: str
    reason: TombstoneReason
    first: Stamp
    last: Stamp
    count: int | None = None
    """How many items; None when nobody can know."""
    detail: str | None = None
    item: str | None = None
    """Identity of the replayed item that it stands for, which is not tried again."""


def findings_of(result: Result) -> tuple[Finding, ...]:
    """What the models said of a part, also where its row says so by its verdict alone.

    A row without findings is one of a part of one finding, or one from before there were findings:
    it is read as that one.  A `no_read` without a model has none.
    """
    if result.findings:
        return result.findings
    if result.model is None and result.verdict.kind is VerdictKind.NO_READ:
        return ()
    return (
        Finding(
            model=result.model,
            model_sha256=result.model_sha256,
            opinion=replace(result.verdict, decided_by=None),
            scores=result.scores,
            regions=result.regions,
            spans=result.spans,
            text=result.text,
            infer_ms=result.infer_ms,
        ),
    )


class AdditionKind(StrEnum):
    """What came later about a part."""

    EVIDENCE = "evidence"
    FINDING = "finding"
    ACTUATION = "actuation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What came about a part after its row was stored, which never changes: an entry of its own."""

    lane: str
    about: int
    """The part's `seq`, in the same epoch as this entry or an earlier one."""
    kind: AdditionKind
    at: Stamp
    media: tuple[Media, ...] = ()
    finding: Finding | None = None
    actuation: Actuation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to the station: a lane refused, an output bypassed, a model used."""

    code: str
    """``EDGE-…``, see `edge_runtime.codes`."""
    at: Stamp
    text: str
    """One line for people."""
    lane: str = ""
    """Empty: of the whole station."""
    output: str = ""


EntryBody: TypeAlias = Result | Tombstone | Addition | Event
"""What the ledger's sequence is made of."""
