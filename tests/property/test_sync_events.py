"""Events: whatever a lane can record goes over the wire and comes back the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.collector.ingest import read_batch
from edge_runtime.types import EntryBody
from edge_runtime.wire.conversation import Limits
from edge_runtime.wire.events import decode_event, encode_event
from tests.support.entries import entries, seqs


@given(body=entries, seq=seqs)
@settings(max_examples=150, deadline=None)
def test_an_event_comes_back_as_what_it_was(body: EntryBody, seq: int) -> None:
    raw = encode_event(device="box-1", epoch="e", seq=seq, body=body)
    event = decode_event(raw)
    assert (event.device, event.epoch, event.seq, event.body) == ("box-1", "e", seq, body)


@given(body=entries, seq=seqs, shuffled=st.randoms())
@settings(max_examples=100, deadline=None)
def test_a_collector_takes_every_event_and_knows_it_again_however_it_is_written(
    body: EntryBody, seq: int, shuffled: Any
) -> None:
    raw = encode_event(device="box-1", epoch="e", seq=seq, body=body)
    (first,) = read_batch(b"[" + raw + b"]", Limits()).events
    rewritten = json.dumps([_shuffled(json.loads(raw), shuffled)], indent=1).encode()
    (second,) = read_batch(rewritten, Limits()).events
    assert first.seq == second.seq == seq
    assert first.content_sha256 == second.content_sha256


@given(a=entries, b=entries)
@settings(max_examples=100, deadline=None)
def test_different_entries_have_different_content(a: EntryBody, b: EntryBody) -> None:
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
