"""The outbox against a model: puts, acks, refusals, rewinds, rotations, evictions, age, crashes.

`EDGE_RUNTIME_EXAMPLES` and `EDGE_RUNTIME_STEPS` make it longer (the proofs run 2000 of 50).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from edge_runtime.config import Ledger
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import (
    Ack,
    LedgerWriter,
    Maintain,
    MediaAcked,
    PutAddition,
    PutEvent,
    PutResult,
    PutResults,
    PutTombstone,
    Refuse,
    RewindTo,
    RotateEpoch,
)
from edge_runtime.types import (
    Addition,
    AdditionKind,
    EntryBody,
    Event,
    Result,
    Tombstone,
    TombstoneReason,
)
from tests.support.fakes import FakeClock
from tests.support.ledger import crash_image, done, put_with_media, result, stamp, tombstone

SETTINGS = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0, media_budget_mib=1)
PICTURES = [bytes([n]) * 300_000 for n in range(6)]
SHAS = [hashlib.sha256(picture).hexdigest() for picture in PICTURES]
DAY_S = 86_400
SEQ = st.integers(1, 40)
RANGES = st.lists(
    st.tuples(SEQ, SEQ).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=3
)


class Outbox(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        memory = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.lives = 0
        self.clock = FakeClock()
        self.rows: dict[int, EntryBody] = {}
        self.acked: set[int] = set()
        self.refused: set[int] = set()
        self.lost: set[int] = set()
        self.firsts: dict[str, int] = {}
        self.top = 0
        self.open(self.root / "0")
        self.look()
        self.firsts[self.reader.identity().epoch] = 1

    def open(self, folder: Path) -> None:
        self.folder = folder
        self.writer = LedgerWriter.open(folder, "box", SETTINGS, self.clock)
        self.reader = LedgerReader(folder)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()

    def teardown(self) -> None:
        if hasattr(self, "writer"):
            self.close()
            shutil.rmtree(self.root)

    # --- what lanes do

    @rule(count=st.integers(1, 5))
    def put(self, count: int) -> None:
        bodies = [result(self.top + n) for n in range(1, count + 1)]
        futures = [self.writer.submit(PutResult(body)) for body in bodies]
        for future, body in zip(futures, bodies, strict=True):
            self.appended(future.result(30), body)

    @rule()
    def bury(self) -> None:
        body = tombstone(self.top)
        self.appended(done(self.writer, PutTombstone(body)), body)

    @rule(picture=st.integers(0, len(PICTURES) - 1))
    def put_picture(self, picture: int) -> None:
        seq = put_with_media(self.writer, self.folder, self.top, PICTURES[picture])
        entry = self.reader.result(seq)
        assert entry is not None
        assert isinstance(entry.body, Result)
        assert [media.sha256 for media in entry.body.media] == [SHAS[picture]]
        self.appended(seq, replace(result(self.top), media=entry.body.media))

    @rule(count=st.integers(1, 3))
    def put_together(self, count: int) -> None:
        bodies = tuple(result(self.top + n) for n in range(1, count + 1))
        for seq, body in zip(done(self.writer, PutResults(bodies)), bodies, strict=True):
            self.appended(seq, body)

    @rule(about=SEQ)
    def add(self, about: int) -> None:
        body = Addition(lane="top", about=about, kind=AdditionKind.EVIDENCE, at=stamp(self.top))
        self.appended(done(self.writer, PutAddition(body)), body)

    @rule()
    def happen(self) -> None:
        body = Event(code="EDGE-L108", at=stamp(self.top), text="x", lane="top")
        self.appended(done(self.writer, PutEvent(body)), body)

    @rule(key=st.sampled_from(["a", "b", "c"]))
    def bury_once(self, key: str) -> None:
        body = tombstone(self.top)
        told = [done(self.writer, PutTombstone(body, key)) for _ in range(2)]
        known = self.reader._all("SELECT seq FROM once WHERE key = ?", key)
        assert told[1] == 0
        if told[0]:
            self.appended(told[0], body)
            assert known == [(told[0],)]

    def appended(self, seq: int, body: EntryBody) -> None:
        assert seq == self.top + 1
        self.top = seq
        self.rows[seq] = body

    # --- what sync does

    @rule(ranges=RANGES, of=st.integers(0, 3))
    def ack(self, ranges: list[tuple[int, int]], of: int) -> None:
        epoch = self.some_epoch(of)
        done(self.writer, Ack(epoch, tuple(ranges)))
        first, last = self.span(epoch)
        named = {n for a, b in ranges for n in range(a, b + 1) if first <= n <= last}
        self.acked |= named
        self.refused -= named

    @rule(seqs=st.lists(SEQ, min_size=1, max_size=3), of=st.integers(0, 3))
    def refuse(self, seqs: list[int], of: int) -> None:
        epoch = self.some_epoch(of)
        done(self.writer, Refuse(epoch, tuple((seq, "schema", "no") for seq in seqs)))
        first, last = self.span(epoch)
        self.refused |= {n for n in seqs if first <= n <= last} - self.acked

    @rule(through=st.integers(0, 40), of=st.integers(0, 3))
    def rewind(self, through: int, of: int) -> None:
        epoch = self.some_epoch(of)
        done(self.writer, RewindTo(epoch, through))
        first, last = self.span(epoch)
        span = set(range(max(first, through + 1), last + 1))
        self.acked -= span
        self.lost |= {seq for seq in span if seq not in self.rows}

    @rule()
    def rotate(self) -> None:
        head = 0
        while head + 1 in self.acked | self.refused | self.lost:
            head += 1
        epoch = done(self.writer, RotateEpoch("the collector knows more"))
        assert epoch not in self.firsts
        self.firsts = {name: first for name, first in self.firsts.items() if first <= head}
        self.firsts[epoch] = head + 1
        self.acked = {seq for seq in self.acked if seq <= head}
        self.lost |= {seq for seq in range(head + 1, self.top + 1) if seq not in self.rows}
        self.refused = {seq for seq in self.refused if seq <= head}

    @rule(picture=st.integers(0, len(PICTURES) - 1))
    def media_acked(self, picture: int) -> None:
        done(self.writer, MediaAcked((SHAS[picture],)))

    # --- what time and fate do

    @rule(days=st.integers(1, 40))
    def grow_old(self, days: int) -> None:
        self.clock.advance(days * DAY_S)
        self.look()

    @rule()
    def look(self) -> None:
        """Evict and expire; whatever goes, goes by the rules."""
        done(self.writer, Maintain())
        for seq in range(self.top + 1, self.reader.max_seq() + 1):
            entry = self.reader.result(seq)
            assert entry is not None
            assert isinstance(entry.body, Tombstone)
            assert entry.body.reason is TombstoneReason.MEDIA_EVICTED
            self.appended(seq, entry.body)
        gone = {seq for seq in self.rows if self.reader.result(seq) is None}
        assert gone <= self.acked, "a row that is not acknowledged was deleted"
        for seq in gone:
            del self.rows[seq]

    @rule()
    def crash(self) -> None:
        """The disk as it is now, in another life."""
        self.lives += 1
        image = crash_image(self.folder, self.root / str(self.lives))
        self.close()
        self.open(image)
        self.look()  # a start does it by itself, and so it is over

    @precondition(lambda self: self.rows)
    @rule()
    def restart(self) -> None:
        self.close()
        self.open(self.folder)
        self.look()

    # --- what has to be so

    @invariant()
    def nothing_is_lost_and_nothing_else_is_sent(self) -> None:
        if not hasattr(self, "reader"):
            return
        assert self.reader.max_seq() == self.top
        unsent = sorted(set(self.rows) - self.acked - self.refused - self.lost)
        assert self.reader.backlog().rows == len(unsent)
        entries = self.reader.unsent(1000)
        epoch = self.epoch_of(unsent[0]) if unsent else ""
        assert [e.seq for e in entries] == [n for n in unsent if self.epoch_of(n) == epoch]
        assert {e.epoch for e in entries} <= {epoch}
        assert all(e.body == self.rows[e.seq] for e in entries)
        assert {seq for seq, _, _ in self.reader.quarantined(1000)} == self.refused

    @invariant()
    def every_file_that_a_row_promises_is_there(self) -> None:
        if not hasattr(self, "reader"):
            return
        for seq, body in self.rows.items():
            if isinstance(body, Result) and body.media:
                for row in self.reader.media_of(seq):
                    assert (row.state != "evicted") == row.path.is_file()

    @invariant()
    def the_counts_are_those_of_the_rows(self) -> None:
        if not hasattr(self, "reader"):
            return
        counts = self.reader.counts()
        results = sum(isinstance(body, Result) for body in self.rows.values())
        stones = sum(isinstance(body, Tombstone) for body in self.rows.values())
        assert (counts.rows, counts.tombstones) == (results, stones)
        assert counts.additions + counts.events == len(self.rows) - results - stones

    def some_epoch(self, number: int) -> str:
        names = list(self.firsts)
        return names[-1 - number % len(names)]

    def span(self, epoch: str) -> tuple[int, int]:
        first = self.firsts[epoch]
        later = [other for other in self.firsts.values() if other > first]
        return first, min(later) - 1 if later else self.top

    def epoch_of(self, seq: int) -> str:
        return max((first, name) for name, first in self.firsts.items() if first <= seq)[1]


Outbox.TestCase.settings = settings(
    max_examples=int(os.environ.get("EDGE_RUNTIME_EXAMPLES", "25")),
    stateful_step_count=int(os.environ.get("EDGE_RUNTIME_STEPS", "30")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestOutbox = Outbox.TestCase
