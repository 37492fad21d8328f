from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError
from edge_runtime.types import (
    Addition,
    AdditionKind,
    EntryBody,
    Finding,
    Media,
    Result,
    Stamp,
    Tombstone,
)
from edge_runtime.wire.conversation import rfc3339
from edge_runtime.wire.events import decode_event, encode_event
from edge_runtime.wire.shape import entry_json
from tests.support.sync_rows import result, tombstone

EPOCH = "0f" * 16
FRAME = Media(sha256="cd" * 32, kind="frame", mime="image/jpeg", size_bytes=1234)

# What the published CloudEvents 1.0 JSON schema demands, and what the text of the specification
# and of its `sequence` extension add to it.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "type", "source"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "pattern": r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$"},
        "datacontenttype": {"type": "string", "pattern": "^[a-z]+/[a-z.+-]+$"},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
        "sequence": {"type": "string", "minLength": 1},
        "data": {"type": ["object", "string"]},
    },
    # Names are lower-case letters and digits, values are never null or structured.
    "patternProperties": {
        "^(?!data$)[a-z0-9]{1,20}$": {"type": ["string", "boolean", "integer"]},
        "^data$": {},
    },
    "additionalProperties": False,
}


def encoded(body: EntryBody, seq: int = 42) -> dict[str, Any]:
    raw = encode_event(device="line3-station2", epoch=EPOCH, seq=seq, body=body)
    value = json.loads(raw)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    "body",
    [
        result(1),
        result(3, media=(FRAME,)),
        tombstone(1),
        replace(result(1), text="\u00e9\u4e2d\U0001f600 \x00 \n", item=None, regions=()),
    ],
)
def test_an_event_is_what_the_cloudevents_schema_allows(body: Result | Tombstone) -> None:
    jsonschema.validate(encoded(body), SCHEMA)


def test_the_schema_used_here_does_refuse_what_is_no_cloudevent() -> None:
    event = encoded(result(1))
    for broken in ({**event, "id": ""}, {**event, "Edge": "x"}, {**event, "edgeboot": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_id_and_source_are_the_key_for_ever() -> None:
    event = encoded(result(1))
    assert event["id"] == f"{EPOCH}/42"
    assert event["source"] == "urn:edge:line3-station2"


def test_sequence_sorts_as_text_like_the_numbers_do() -> None:
    numbers = [1, 2, 9, 10, 11, 99, 100, 2**31, 2**40, 10**18 - 1]
    texts = [encoded(result(1), seq)["sequence"] for seq in numbers]
    assert texts == sorted(texts)


def test_extensions_carry_boot_model_and_media() -> None:
    body = result(3, media=(FRAME,))
    event = encoded(body)
    assert event["edgeboot"] == body.captured.boot_id
    assert event["edgemono"] == str(body.captured.boottime_ns)
    assert event["edgemodel"] == "ab" * 8
    assert event["edgemedia"] == "media:sha256:" + "cd" * 32


def test_there_is_no_dataref_because_an_intermediary_may_drop_data_where_there_is_one() -> None:
    assert "dataref" not in encoded(result(3, media=(FRAME,)))


@pytest.mark.parametrize("body", [result(7), result(3, media=(FRAME,)), tombstone(5)])
def test_an_event_comes_back_as_what_it_was(body: Result | Tombstone) -> None:
    raw = encode_event(device="box", epoch=EPOCH, seq=42, body=body)
    event = decode_event(raw)
    assert (event.device, event.epoch, event.seq, event.body) == ("box", EPOCH, 42, body)


def test_the_same_row_is_the_same_bytes_every_time() -> None:
    assert encode_event(device="d", epoch="e", seq=1, body=result(1)) == encode_event(
        device="d", epoch="e", seq=1, body=result(1)
    )


def test_what_is_empty_is_left_out_so_that_new_fields_do_not_change_old_rows() -> None:
    bare = replace(result(1), item=None, scores=(), regions=(), media=(), text=None)
    data = encoded(bare)["data"]
    assert not {"item", "scores", "regions", "media", "text", "actuations"} & set(data)
    assert decode_event(encode_event(device="d", epoch="e", seq=1, body=bare)).body == bare


def test_a_false_or_zero_is_not_empty() -> None:
    body = replace(result(1), latency_ms=0.0, start_s=0.0)
    data = encoded(body)["data"]
    assert data["latency_ms"] == 0.0
    assert data["start_s"] == 0.0
    assert data["source_seq"] == 1


def test_fields_of_a_newer_version_are_ignored() -> None:
    event = encoded(result(1))
    event["data"]["invented"] = {"later": [1, 2]}
    event["edgenew"] = "x"
    assert decode_event(json.dumps(event).encode()).body == result(1)


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"source": "urn:other:box"}, "source"),
        ({"source": "urn:edge:"}, "source"),
        ({"source": "urn:edge:../x"}, "source"),
        ({"id": "noseq"}, "id"),
        ({"id": "e/0"}, "id"),
        ({"id": "e/-1"}, "id"),
        ({"id": "e/" + "9" * 19}, "id"),
        ({"type": "edge.other.v9"}, "type"),
        ({"data": {"lane": "top"}}, "source"),
        ({"data": None}, "object"),
    ],
)
def test_a_damaged_event_is_refused_with_the_field_that_is_wrong(
    change: dict[str, Any], clause: str
) -> None:
    with pytest.raises(ItemError, match=clause):
        decode_event(json.dumps({**encoded(result(1)), **change}).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"id": 1}'])
def test_bytes_that_are_no_event_are_refused(raw: bytes) -> None:
    with pytest.raises(ItemError):
        decode_event(raw)


def test_a_text_that_is_not_unicode_is_an_error_of_this_row_only() -> None:
    with pytest.raises(ItemError, match="seq 9"):
        encode_event(device="d", epoch="e", seq=9, body=replace(result(1), item="a\udcff"))


def test_time_is_rfc3339_and_left_out_when_the_clock_is_nonsense() -> None:
    assert rfc3339(1_763_930_000 * NS_PER_S + 140_891) == "2025-11-23T20:33:20.000140Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(-1) is None
    assert rfc3339(2**63 - 1) == "2262-04-11T23:47:16.854775Z"
    assert rfc3339(10**21) is None
    body = replace(result(1), captured=Stamp(-5, 7, "b"))
    assert "time" not in encoded(body)


def test_what_a_part_of_one_finding_says_is_what_it_said_before_there_were_parts() -> None:
    data = encoded(result(1))["data"]
    assert set(data) == {
        "lane", "source", "source_seq", "captured", "verdict", "item", "model", "model_sha256",
        "scores", "infer_ms", "latency_ms",
    }  # fmt: skip
    assert set(encoded(tombstone(1))["data"]) == {"lane", "reason", "first", "last", "count"}


def test_an_addition_is_of_a_type_of_its_own_and_refers_to_its_media() -> None:
    found = Finding(model="defect/2", model_sha256="ef" * 32, failure="late")
    later = Addition(
        lane="top", about=41, kind=AdditionKind.FINDING, at=result(1).captured, finding=found
    )
    event = encoded(later)
    jsonschema.validate(event, SCHEMA)
    assert event["type"] == "edge.finding.v1"
    assert event["edgemodel"] == "ef" * 8
    assert event["data"]["finding"] == {
        "role": "serving", "model": "defect/2", "model_sha256": "ef" * 32, "failure": "late",
    }  # fmt: skip
    evidence = replace(later, kind=AdditionKind.EVIDENCE, finding=None, media=(FRAME,))
    assert encoded(evidence)["edgemedia"] == "media:sha256:" + "cd" * 32


def test_everything_that_prints_an_entry_prints_what_its_event_says() -> None:
    event = encoded(result(3, media=(FRAME,)))
    told = entry_json(42, EPOCH, result(3, media=(FRAME,)))
    assert json.loads(json.dumps(told)) == {
        "seq": 42, "epoch": EPOCH, "type": event["type"], **event["data"]
    }  # fmt: skip
