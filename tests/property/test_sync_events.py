"""Events: whatever a lane can record goes over the wire and comes back the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.collector.ingest import read_batch
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
from edge_runtime.wire.conversation import Limits
from edge_runtime.wire.events import decode_event, encode_event

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
score = st.floats(0, 1)
number = st.floats(allow_nan=False, allow_infinity=False)
stamps = st.builds(Stamp, st.integers(0, 2**62), st.integers(0, 2**62), text)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
pixels = st.integers(0, 20_000)
results = st.builds(
    Result,
    lane=text,
    source=text,
    source_seq=st.integers(0, 2**40),
    captured=stamps,
    verdict=st.builds(
        Verdict,
        st.sampled_from(VerdictKind),
        st.none() | text,
        st.none() | score,
        st.none() | score,
        st.none() | text,
    ),
    item=st.none() | text,
    model=st.none() | text,
    model_sha256=st.none() | sha256s,
    scores=st.lists(st.builds(Score, text, score), max_size=3).map(tuple),
    regions=st.lists(
        st.builds(Region, text, score, pixels, pixels, pixels, pixels), max_size=2
    ).map(tuple),
    text=st.none() | text,
    start_s=st.none() | number,
    duration_s=st.none() | number,
    infer_ms=st.none() | number,
    latency_ms=st.none() | number,
    actuations=st.lists(
        st.builds(
            Actuation,
            output=text,
            action=text,
            acknowledged=st.booleans(),
            latency_ms=number,
            detail=st.none() | text,
        ),
        max_size=2,
    ).map(tuple),
    media=st.lists(
        st.builds(Media, sha256=sha256s, kind=text, mime=text, size_bytes=st.integers(0, 2**40)),
        max_size=2,
    ).map(tuple),
)
tombstones = st.builds(
    Tombstone,
    lane=text,
    reason=st.sampled_from(TombstoneReason),
    first=stamps,
    last=stamps,
    count=st.none() | st.integers(0, 2**40),
    detail=st.none() | text,
)
seqs = st.integers(1, 10**18 - 1)


@given(body=results | tombstones, seq=seqs)
@settings(max_examples=150, deadline=None)
def test_an_event_comes_back_as_what_it_was(body: Result | Tombstone, seq: int) -> None:
    raw = encode_event(device="box-1", epoch="e", seq=seq, body=body)
    event = decode_event(raw)
    assert (event.device, event.epoch, event.seq, event.body) == ("box-1", "e", seq, body)


@given(body=results | tombstones, seq=seqs, shuffled=st.randoms())
@settings(max_examples=100, deadline=None)
def test_a_collector_takes_every_event_and_knows_it_again_however_it_is_written(
    body: Result | Tombstone, seq: int, shuffled: Any
) -> None:
    raw = encode_event(device="box-1", epoch="e", seq=seq, body=body)
    (first,) = read_batch(b"[" + raw + b"]", Limits()).events
    rewritten = json.dumps([_shuffled(json.loads(raw), shuffled)], indent=1).encode()
    (second,) = read_batch(rewritten, Limits()).events
    assert first.seq == second.seq == seq
    assert first.content_sha256 == second.content_sha256


@given(a=results, b=results)
@settings(max_examples=100, deadline=None)
def test_different_results_have_different_content(a: Result, b: Result) -> None:
    events = [encode_event(device="d", epoch="e", seq=1, body=body) for body in (a, b)]
    found = read_batch(b"[" + b",".join(events) + b"]", Limits()).events
    assert (found[0].content_sha256 == found[1].content_sha256) == (a == b)


@given(junk=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_junk_never_breaks_the_reading_of_a_batch(junk: bytes) -> None:
    from edge_runtime.collector.ingest import RequestRefused, unpack

    for encoding in ("", "gzip"):
        try:
            batch = read_batch(unpack(junk, encoding, Limits()), Limits())
        except RequestRefused:
            continue
        assert batch.events == ()


def _shuffled(value: Any, chance: Any) -> Any:
    if isinstance(value, dict):
        items = [(key, _shuffled(item, chance)) for key, item in value.items()]
        chance.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [_shuffled(item, chance) for item in value]
    return value
