"""The uploader against a collector, with everything that can go wrong in between.

Claim: whatever is lost on the way, restarted or restored from a backup, nothing that the ledger
holds is missing at the collector in the end, nothing is there twice, and it always drains.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from edge_runtime.errors import (
    AuthFailed,
    BatchRefused,
    Offline,
    ProtocolError,
    SyncError,
    Throttled,
)
from edge_runtime.sync.uploader import GREET_AGAIN_S
from edge_runtime.types import Media
from edge_runtime.wire.conversation import Limits, Receipt, Reject
from edge_runtime.wire.events import decode_event
from tests.support.direct_transport import DirectTransport
from tests.support.fake_ledger import FakeLedger, Image
from tests.support.memory_store import MemoryStore, State
from tests.support.sync_rows import result, tombstone
from tests.support.uploading import Rig, make_rig

FAULTS: tuple[SyncError, ...] = (
    Offline("gone"),
    Throttled("wait", 5.0),
    AuthFailed("who?"),
    ProtocolError("a login page"),
)
TINY = Limits(max_event_bytes=60)
SMALL = Limits(max_events=3, max_bytes=900, max_plain_bytes=20_000)


class SyncMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.ledger = FakeLedger()
        self.folder = tempfile.TemporaryDirectory()
        self.store = MemoryStore(Path(self.folder.name) / "shown")
        (Path(self.folder.name) / "shown").mkdir()
        self.transport = DirectTransport(self.store)
        self.rig: Rig = make_rig(self.ledger, self.transport, max_batch=7)
        self.made = 0
        self.was_damaged = False
        self.refusing: set[int] = set()
        self.old_image: Image | None = None
        self.backup: State | None = None

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.finish()
            self.folder.cleanup()

    @rule(count=st.integers(1, 12))
    def lanes_write(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            body = tombstone(self.made) if self.made % 5 == 0 else result(self.made)
            self.ledger.put(body)

    @rule()
    def a_lane_writes_with_a_picture(self) -> None:
        self.made += 1
        data = f"picture {self.made}".encode()
        sha256 = hashlib.sha256(data).hexdigest()
        path = Path(self.folder.name) / sha256
        path.write_bytes(data)
        media = Media(sha256=sha256, kind="frame", mime="image/jpeg", size_bytes=len(data))
        self.ledger.put(result(self.made, media=(media,)), {sha256: path})

    @rule(count=st.integers(1, 15))
    def a_stranger_refuses_calls(self, count: int) -> None:
        self.transport.before.extend([BatchRefused("400 a page", own=False)] * count)

    @rule()
    def a_batch_is_damaged_on_its_way(self) -> None:
        """The collector says so itself, of the whole batch: once is no verdict."""
        if not self.was_damaged:
            self.was_damaged = True
            self.transport.before.append(BatchRefused("400 not gzip", own=True))

    @rule()
    def collector_loses_its_media(self) -> None:
        self.store.state.media.clear()

    @rule(count=st.integers(1, 4))
    def uploader_turns(self, count: int) -> None:
        for _ in range(count):
            self.rig.uploader.step()

    @rule(count=st.integers(1, 3))
    def ledger_applies(self, count: int) -> None:
        for _ in range(count):
            self.rig.apply_one()

    @rule(fault=st.sampled_from(FAULTS))
    def next_call_fails(self, fault: SyncError) -> None:
        self.transport.before.append(fault)

    @rule()
    def next_answer_is_lost(self) -> None:
        self.transport.after.append(Offline("the answer was lost"))

    @rule(share=st.sampled_from((0.0, 0.3, 0.7)))
    def collector_answers_in_part(self, share: float) -> None:
        """Receipts that leave part of what was stored unsaid: allowed, merely unhelpful."""

        def doctor(receipt: Receipt) -> Receipt:
            self.transport.doctor = lambda same: same
            kept = tuple((a, a + int((b - a) * share)) for a, b in receipt.acked)
            return msgspec.structs.replace(receipt, acked=kept)

        self.transport.doctor = doctor

    @rule(number=st.integers(0, 6))
    def collector_refuses_one(self, number: int) -> None:
        """An event that the collector will never take."""

        def doctor(receipt: Receipt) -> Receipt:
            self.transport.doctor = lambda same: same
            if not receipt.acked or receipt.rejected:
                return receipt
            first, last = receipt.acked[0]
            seq = min(first + number, last)
            epoch, rows = self._rows_of_last_batch()
            if seq not in rows:
                return receipt
            del self.store.state.rows[self.ledger.device, epoch, seq]
            self.store.state.refused.add((self.ledger.device, epoch, seq))
            self.refusing.add(seq)
            rest = [(a, b) for a, b in ((first, seq - 1), (seq + 1, last)) if a <= b]
            reject = Reject(index=rows.index(seq), seq=seq, code="invalid_data", detail="no")
            return msgspec.structs.replace(
                receipt, acked=(*rest, *receipt.acked[1:]), rejected=(reject,)
            )

        self.transport.doctor = doctor

    @rule(limits=st.sampled_from((Limits(), SMALL, TINY)))
    def collector_changes_its_limits(self, limits: Limits) -> None:
        self.transport.limits = limits

    @rule()
    def sync_process_is_killed(self) -> None:
        """What it had said is with the supervisor, and is applied before the next one starts."""
        self.rig.apply_all()
        self.rig = make_rig(self.ledger, self.transport, max_batch=7)

    @rule()
    def images_are_taken(self) -> None:
        self.old_image = self.ledger.image.copy()
        self.backup = self.store.state.copy()

    @precondition(lambda self: self.backup is not None)
    @rule()
    def collector_is_restored_from_its_backup(self) -> None:
        assert self.backup is not None
        self.store.state = self.backup.copy()
        self.store.instance += "+"

    @precondition(
        lambda self: (
            self.old_image is not None and self.old_image.epochs == self.ledger.image.epochs
        )
    )
    @rule()
    def device_is_restored_from_an_old_image(self) -> None:
        """Not from before a rotation: what was unsent then and sent since would be sent under a
        third epoch, which nobody could tell from new content (docs/sync-protocol.md, limits)."""
        assert self.old_image is not None
        self._put_back(self.old_image.copy())

    @rule(first=st.integers(0, 9), second=st.integers(0, 15))
    def device_lives_twice(self, first: int, second: int) -> None:
        """Writes and syncs, is put back to before that, and writes something else."""
        image = self.ledger.image.copy()
        self.lanes_write(first)
        for _ in range(2 * first):
            self.rig.uploader.step()
            self.rig.apply_all()
        if self.ledger.image.epochs == image.epochs:
            self._put_back(image)
        self.lanes_write(second)

    @invariant()
    def nothing_is_at_the_collector_twice(self) -> None:
        if hasattr(self, "store"):
            contents = Counter(event.content_sha256 for event, _ in self.store.state.rows.values())
            assert not [n for n in contents.values() if n > 1]

    def finish(self) -> None:
        """The network is well again: it drains, and everything is there."""
        self.transport.before.clear()
        self.transport.after.clear()
        self.transport.doctor = lambda receipt: receipt
        self.transport.limits = Limits()
        for _ in range(2):  # the second hello asks about media, now that all are there
            self.rig.clock.advance(2 * GREET_AGAIN_S)
            self.rig.drain()
        for sha256, row in self.ledger.image.media.items():
            if row.seq not in self.ledger.image.quarantined:
                assert row.state == "stored"
                assert sha256 in self.store.state.media
        self.nothing_is_at_the_collector_twice()
        stored = {
            (epoch, seq): decode_event(event.raw).body
            for (_, epoch, seq), (event, _) in self.store.state.rows.items()
        }
        for span in self.ledger.epochs():
            for seq in range(span.first, span.last + 1):
                if seq not in self.ledger.image.quarantined:
                    assert stored[span.epoch, seq] == self.ledger.image.rows[seq]
        assert set(self.ledger.image.quarantined) <= self.refusing
        for report in self.store.completeness(self.ledger.device):
            if report.epoch in self.ledger.image.epochs.values():
                assert report.complete, report

    def _put_back(self, image: Image) -> None:
        self.rig.reports.clear()
        self.ledger.image = image
        self.rig = make_rig(self.ledger, self.transport, max_batch=7)

    def _rows_of_last_batch(self) -> tuple[str, list[int]]:
        from edge_runtime.collector.ingest import read_batch, unpack

        plain = unpack(self.transport.batches[-1], "gzip", Limits())
        batch = read_batch(plain, Limits())
        return batch.epoch, [event.seq for event in batch.events]


SyncMachine.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestUploaderNeitherLosesNorDoubles = SyncMachine.TestCase
