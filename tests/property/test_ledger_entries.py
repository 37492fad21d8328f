"""Rows: whatever can be recorded comes back from a row the same, and within its size."""

from __future__ import annotations

from hypothesis import given, settings

from edge_runtime.ledger.fitting import MAX_ROW_BYTES, fit, size_bytes
from edge_runtime.ledger.rows import entry_of, row_of
from edge_runtime.types import EntryBody
from edge_runtime.wire.events import media_of
from tests.support.entries import entries
from tests.support.names import Shared


@given(body=entries)
@settings(max_examples=300, deadline=None)
def test_an_entry_comes_back_from_its_row_as_what_it_was(body: EntryBody) -> None:
    shared = Shared()
    assert entry_of(1, "e", row_of(body, shared), media_of(body), shared).body == body


@given(body=entries)
@settings(max_examples=100, deadline=None)
def test_what_is_small_is_not_cut(body: EntryBody) -> None:
    assert size_bytes(body) <= MAX_ROW_BYTES
    assert fit(body) is body
