"""What the collector makes of the bytes of a request."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from edge_runtime.collector.ingest import BadRequest, Batch, read_batch, unpack
from edge_runtime.types import Addition, AdditionKind, Media
from edge_runtime.wire.conversation import Limits
from edge_runtime.wire.events import encode_event
from tests.support.sync_rows import result, tombstone

FRAME = Media(sha256="cd" * 32, kind="frame", mime="image/jpeg", size_bytes=1234)


def event(seq: int = 1, **changes: Any) -> dict[str, Any]:
    raw = encode_event(device="box", epoch="e", seq=seq, body=result(seq, media=(FRAME,)))
    return {**json.loads(raw), **changes}


def read(*events: Any, limits: Limits | None = None) -> Batch:
    return read_batch(json.dumps(events).encode(), limits or Limits())


def codes(batch: Batch) -> list[tuple[int, int | None, str]]:
    return [(reject.index, reject.seq, reject.code) for reject in batch.rejected]


def test_what_the_store_indexes_is_taken_out_and_the_event_is_kept_as_it_came() -> None:
    raw = encode_event(device="box", epoch="e", seq=3, body=result(3, media=(FRAME,)))
    batch = read_batch(b"[" + raw + b"]", Limits())
    (found,) = batch.events
    assert (batch.device, batch.epoch, found.seq, found.kind) == ("box", "e", 3, "result")
    assert (found.lane, found.verdict, found.label) == ("top", "reject", "scratch")
    assert found.captured_wall_ns == result(3).captured.wall_ns
    assert found.media == (FRAME.sha256,)
    assert found.raw == raw


def test_a_tombstone_has_a_lane_and_no_verdict() -> None:
    raw = encode_event(device="box", epoch="e", seq=3, body=tombstone(3))
    (found,) = read_batch(b"[" + raw + b"]", Limits()).events
    assert (found.kind, found.lane, found.verdict) == ("tombstone", "top", None)


@pytest.mark.parametrize("kind", AdditionKind)
def test_what_came_later_is_taken_with_what_it_is_about(kind: AdditionKind) -> None:
    later = Addition(lane="top", about=7, kind=kind, at=tombstone(1).first, media=(FRAME,))
    raw = encode_event(device="box", epoch="e", seq=9, body=later)
    (found,) = read_batch(b"[" + raw + b"]", Limits()).events
    assert (found.kind, found.lane, found.about, found.verdict) == (kind.value, "top", 7, None)
    assert found.media == (FRAME.sha256,)
    assert "kind" not in json.loads(raw)["data"]


@pytest.mark.parametrize(
    "change", [{"about": 0}, {"about": 10**18}, {"lane": 3}, {"at": {}}, {"media": [{}]}]
)
def test_an_addition_that_says_nothing_is_refused_by_itself(change: dict[str, Any]) -> None:
    later = Addition(lane="top", about=7, kind=AdditionKind.EVIDENCE, at=tombstone(1).first)
    told = json.loads(encode_event(device="box", epoch="e", seq=9, body=later))
    told["data"].update(change)
    batch = read(event(8), told)
    assert [found.seq for found in batch.events] == [8]
    assert codes(batch) == [(1, 9, "invalid_data")]


def test_the_same_content_is_the_same_however_it_is_written() -> None:
    original = event()
    reordered = {
        **dict(reversed(list(original.items()))),
        "data": dict(reversed(list(original["data"].items()))),
        "time": "2030-01-01T00:00:00Z",
        "edgenew": "x",
    }
    a = read(original).events[0]
    b = read_batch(json.dumps([reordered], indent=3).encode(), Limits()).events[0]
    assert a.content_sha256 == b.content_sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "edge.tombstone.v1"},
        {"data": {**event()["data"], "source_seq": 2}},
        {"data": {**event()["data"], "latency_ms": 12.50001}},
    ],
)
def test_other_content_is_other_content(changes: dict[str, Any]) -> None:
    found = read(event(**changes))
    assert not found.events or (
        found.events[0].content_sha256 != read(event()).events[0].content_sha256
    )


@pytest.mark.parametrize(
    ("bad", "seq", "code"),
    [
        (17, None, "malformed"),
        ("text", None, "malformed"),
        (None, None, "malformed"),
        ({}, None, "malformed"),
        (event(specversion="0.3"), None, "malformed"),
        (event(id="x"), None, "malformed"),
        (event(source="urn:edge:a b"), None, "malformed"),
        (event(type="com.example.other"), None, "unknown_type"),
        (event(2, data={"lane": "top"}), 2, "invalid_data"),
        (event(2, data="text"), 2, "invalid_data"),
        (event(2, data={**event()["data"], "media": [{"sha256": "../../x"}]}), 2, "invalid_data"),
        (event(2, data={**event()["data"], "captured": {"wall_ns": 10**30}}), 2, "invalid_data"),
        (event(2, data={**event()["data"], "text": "x" * 70_000}), None, "too_large"),
        (event(2, id="other/2"), 2, "wrong_stream"),
        (event(2, source="urn:edge:other"), 2, "wrong_stream"),
    ],
)
def test_one_bad_event_is_refused_with_a_code_and_the_others_are_taken(
    bad: Any, seq: int | None, code: str
) -> None:
    batch = read(event(1), bad, event(3))
    assert [found.seq for found in batch.events] == [1, 3]
    assert codes(batch) == [(1, seq, code)]
    assert batch.rejected[0].detail


def test_nesting_that_no_reader_follows_is_a_400_and_not_a_crash() -> None:
    bomb = b"[" + b"[" * 30_000 + b"]" * 30_000 + b"]"
    with pytest.raises(BadRequest) as caught:
        read_batch(bomb, Limits())
    assert caught.value.status == 400


def test_a_type_of_a_newer_device_is_kept_as_it_is() -> None:
    (found,) = read(event(type="edge.anchor.v1", data={"anything": [1]})).events
    assert (found.kind, found.verdict) == ("edge.anchor.v1", None)


def test_an_event_without_data_is_kept_when_its_type_is_not_known() -> None:
    bare = event(type="edge.health.v1")
    del bare["data"]
    assert len(read(bare).events) == 1


@pytest.mark.parametrize(
    "plain", [b"", b"{}", b"17", b"[", b"[1,]", b"\xff", b"nul", b"[" * 200_000, b'["\xc3("']
)
def test_what_is_no_json_array_is_a_400_that_says_so(plain: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_batch(plain, Limits())
    assert caught.value.status == 400
    assert "JSON" in str(caught.value)


def test_an_empty_batch_is_no_error() -> None:
    assert read() == Batch("", "", (), ())


def test_too_many_events_are_a_413() -> None:
    with pytest.raises(BadRequest) as caught:
        read(event(1), event(2), event(3), limits=Limits(max_events=2))
    assert caught.value.status == 413


def test_a_zip_bomb_is_refused_after_the_limit_and_not_after_unpacking_it() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert len(bomb) < 1 << 20
    with pytest.raises(BadRequest) as caught:
        unpack(bomb, "gzip", Limits(max_plain_bytes=1 << 20))
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"not gzip", "gzip", 400),
        (b"", "gzip", 400),
        (gzip.compress(b"[]")[:-4], "gzip", 400),
        (gzip.compress(b"[]") + b"more", "gzip", 400),
        (b"[]", "br", 415),
        (b" " * 2000, "", 413),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        unpack(body, encoding, Limits(max_plain_bytes=1000))
    assert caught.value.status == status


def test_a_body_may_also_come_unpacked() -> None:
    assert unpack(b"[]", "", Limits()) == b"[]"
    assert unpack(gzip.compress(b"[]"), "gzip", Limits()) == b"[]"
