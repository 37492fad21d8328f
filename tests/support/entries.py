"""Every kind of entry with everything in it, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from edge_runtime.types import (
    Actuation,
    Addition,
    AdditionKind,
    Event,
    Finding,
    Media,
    Region,
    Result,
    Role,
    Score,
    Span,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
score = st.floats(0, 1)
number = st.floats(allow_nan=False, allow_infinity=False)
stamps = st.builds(Stamp, st.integers(0, 2**62), st.integers(0, 2**62), text)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
pixels = st.integers(0, 20_000)
verdicts = st.builds(
    Verdict,
    st.sampled_from(VerdictKind),
    st.none() | text,
    st.none() | score,
    st.none() | score,
    st.none() | text,
    st.none() | text,
)
scores = st.lists(st.builds(Score, text, score), max_size=3).map(tuple)
regions = st.lists(st.builds(Region, text, score, pixels, pixels, pixels, pixels), max_size=2).map(
    tuple
)
spans = st.lists(st.builds(Span, text, score, number, number), max_size=2).map(tuple)
actuations = st.builds(
    Actuation,
    output=text,
    action=text,
    acknowledged=st.booleans(),
    latency_ms=number,
    detail=st.none() | text,
)
media = st.lists(
    st.builds(Media, sha256=sha256s, kind=text, mime=text, size_bytes=st.integers(0, 2**40)),
    max_size=2,
).map(tuple)
findings = st.builds(
    Finding,
    view=text,
    frame=st.integers(0, 64),
    role=st.sampled_from(Role),
    # A number of the table of models stands for both, of which neither is an empty text.
    model=st.none() | text.filter(bool),
    model_sha256=st.none() | sha256s,
    steps=st.lists(text, max_size=3).map(tuple),
    failure=st.none() | text,
    opinion=st.none() | verdicts,
    scores=scores,
    regions=regions,
    spans=spans,
    text=st.none() | text,
    infer_ms=st.none() | number,
)
results = st.builds(
    Result,
    lane=text,
    source=text,
    source_seq=st.integers(0, 2**40),
    captured=stamps,
    verdict=verdicts,
    item=st.none() | text,
    model=st.none() | text.filter(bool),
    model_sha256=st.none() | sha256s,
    scores=scores,
    regions=regions,
    text=st.none() | text,
    start_s=st.none() | number,
    duration_s=st.none() | number,
    infer_ms=st.none() | number,
    latency_ms=st.none() | number,
    actuations=st.lists(actuations, max_size=2).map(tuple),
    media=media,
    part=st.none() | text,
    trigger=st.none() | text,
    recipe=st.none() | text,
    findings=st.lists(findings, max_size=3).map(tuple),
    findings_cut=st.integers(0, 9),
    spans=spans,
    pending=st.lists(st.sampled_from(["evidence", "actuation"]), max_size=2).map(tuple),
)
tombstones = st.builds(
    Tombstone,
    lane=text,
    reason=st.sampled_from(TombstoneReason),
    first=stamps,
    last=stamps,
    count=st.none() | st.integers(0, 2**40),
    detail=st.none() | text,
    item=st.none() | text,
)
additions = st.builds(
    Addition,
    lane=text,
    about=st.integers(1, 2**40),
    kind=st.sampled_from(AdditionKind),
    at=stamps,
    media=media,
    finding=st.none() | findings,
    actuation=st.none() | actuations,
)
events = st.builds(Event, code=text, at=stamps, text=text, lane=text, output=text)
entries = results | tombstones | additions | events
seqs = st.integers(1, 10**18 - 1)
