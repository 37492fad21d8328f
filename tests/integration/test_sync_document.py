"""``docs/sync-protocol.md`` says what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec

from edge_runtime.collector import app, ingest
from edge_runtime.ledger.fitting import MAX_ROW_BYTES
from edge_runtime.types import Result, TombstoneReason
from edge_runtime.wire import conversation as wire
from edge_runtime.wire.shape import ADDITION_KINDS, EVENT_TYPE
from tests.support.data import PROJECT

DOCUMENT = Path(PROJECT, "docs", "sync-protocol.md").read_text("utf-8")


def test_every_reject_code_is_in_the_document() -> None:
    codes = set(re.findall(r'_Refused\("(\w+)"', inspect.getsource(ingest)))
    assert len(codes) >= 5
    for code in {*codes, wire.EPOCH_CONFLICT}:
        assert f"`{code}`" in DOCUMENT


def test_every_field_of_the_conversation_is_in_the_document() -> None:
    for body in (
        wire.Greeting,
        wire.Welcome,
        wire.Receipt,
        wire.Reject,
        wire.Limits,
        wire.Problem,
        wire.MediaReceipt,
        wire.MediaQuestion,
        wire.MediaAnswer,
    ):
        for field in msgspec.structs.fields(body):
            assert f'"{field.encode_name}"' in DOCUMENT, f"{body.__name__}.{field.name}"


def test_the_headers_and_features_of_a_proof_are_in_the_document() -> None:
    for name in (wire.INSTANCE_HEADER, wire.MEDIA_HEADER):
        assert name in DOCUMENT.lower()
    for feature in app.FEATURES:
        assert f'"{feature}"' in DOCUMENT


def test_every_route_is_in_the_document() -> None:
    routes = re.findall(r'Route\("(/\w+)', inspect.getsource(app))
    assert len(routes) >= 8
    for route in routes:
        assert f"/v1{route}" in DOCUMENT


def test_the_limits_in_the_document_are_the_limits() -> None:
    for field in msgspec.structs.fields(wire.Limits):
        assert f'"{field.name}": {field.default}' in DOCUMENT


def test_every_type_of_event_and_every_reason_of_a_tombstone_is_in_the_document() -> None:
    types = {wire.RESULT_TYPE, wire.TOMBSTONE_TYPE, EVENT_TYPE, *ADDITION_KINDS}
    assert len(types) == 6
    for name in types:
        assert f"| `{name}` |" in DOCUMENT
    for reason in TombstoneReason:
        assert f"`{reason.value}`" in DOCUMENT


def test_every_field_of_a_part_that_later_versions_brought_is_in_the_document() -> None:
    for field in ("part", "trigger", "recipe", "findings", "findings_cut", "spans", "pending"):
        assert field in Result.__slots__
        assert f"`{field}`" in DOCUMENT


def test_the_size_of_a_row_in_the_document_is_the_size() -> None:
    assert f"{MAX_ROW_BYTES >> 10} KiB" in DOCUMENT
    assert wire.Limits().max_event_bytes > MAX_ROW_BYTES
