"""A transport that needs no network: calls a collector's store directly, and fails as told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.collector.ingest import BadRequest, read_batch, unpack
from edge_runtime.errors import BatchRefused, BatchTooLarge, ItemError, Offline, SyncError
from edge_runtime.wire.conversation import Greeting, Limits, Receipt, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge_runtime.collector.store import Store

SENDING = ("hello", "send_events", "has_media", "put_media")


class DirectTransport:
    """`before`: raised instead of the next calls.  `after`: raised once the store has done its work
    (the answer is lost).  `doctor`: changes receipts."""

    def __init__(self, store: Store, *, limits: Limits | None = None) -> None:
        self.store = store
        self.limits = limits or Limits()
        self.before: deque[SyncError] = deque()
        self.after: deque[SyncError] = deque()
        self.doctor: Callable[[Receipt], Receipt] = lambda receipt: receipt
        self.batches: list[bytes] = []
        self.calls: list[str] = []
        self._aborted = False

    def hello(self, greeting: Greeting) -> Welcome:
        self._begin("hello")
        welcome = self.store.greet(greeting)
        self._end()
        return msgspec.structs.replace(welcome, limits=self.limits)

    def send_events(self, batch: bytes) -> Receipt:
        self._begin("send_events")
        self.batches.append(batch)
        if len(batch) > self.limits.max_bytes:
            raise BatchTooLarge(f"events: {len(batch)} bytes")
        try:
            receipt = self.store.put_events(
                read_batch(unpack(batch, "gzip", self.limits), self.limits)
            )
        except BadRequest as exc:
            error = BatchTooLarge if exc.status == 413 else BatchRefused
            raise error(str(exc)) from exc
        self._end()
        return self.doctor(receipt)

    def wanted_media(self, sha256s: Sequence[str]) -> list[str]:
        self._begin("wanted_media")
        return list(self.store.missing_media(sha256s))

    def is_renewed(self) -> bool:
        return False

    def has_media(self, sha256: str, *, size_bytes: int | None = None) -> bool:
        self._begin("has_media")
        found = self.store.media(sha256) is not None
        self._end()
        return found

    def put_media(self, path: Path, *, sha256: str, mime: str, size_bytes: int) -> None:
        self._begin("put_media")
        if size_bytes > self.limits.max_media_bytes:
            raise ItemError("too large")
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise ItemError(str(exc)) from exc
        upload = self.store.begin_media(sha256, mime)
        upload.write(data)
        upload.commit()
        self._end()

    def abort(self) -> None:
        self._aborted = True

    def close(self) -> None:
        pass

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self._aborted:
            raise Offline("broken off")
        if self.before:
            raise self.before.popleft()

    def _end(self) -> None:
        if self.after:
            raise self.after.popleft()
