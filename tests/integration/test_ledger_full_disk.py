"""A disk without room: nothing acknowledged is lost, nothing fails, and it recovers by itself."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.errors import LedgerFull
from edge_runtime.ledger.folder import free_bytes
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import Ack, LedgerWriter, Maintain, MediaAcked, PutResult
from edge_runtime.types import Tombstone
from tests.support.ledger import done, ledger, put_with_media, result, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

KINDS = ("tmpfs", "ext4")
MIB = 1 << 20
SETTINGS = Ledger(group_ms=0, ballast_mib=2, min_free_mib=0)


def until_full(writer: LedgerWriter, text: str = "") -> list[Future[int]]:
    """Put results until the disk has no room for them; all futures, done or not."""
    futures: list[Future[int]] = []
    while len(futures) < 200_000:
        futures += [writer.submit(PutResult(result(n, text=text))) for n in range(50)]
        try:
            futures[-1].result(2)
        except TimeoutError:  # not only for a moment
            assert writer.state == "full"
            return futures
    raise AssertionError("this disk does not fill")


@contextlib.contextmanager
def hog(disk: Path) -> Iterator[threading.Event]:
    """Another program that takes every byte there is, again and again; the event stops it."""
    stop = threading.Event()

    def run() -> None:
        with (disk / "hog").open("wb", buffering=0) as file:
            while not stop.is_set():
                try:
                    file.write(b"\1" * 65_536)
                except OSError:  # no more room
                    stop.wait(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(60)
        (disk / "hog").unlink()


def wait_for(writer: LedgerWriter, state: str) -> None:
    never = threading.Event()
    for _ in range(1200):
        if writer.state == state:
            return
        SYSTEM_CLOCK.wait(never, 0.05)
    raise AssertionError(f"the ledger is {writer.state}, not {state}: {writer.detail}")


def all_rows(data_dir: Path) -> int:
    with LedgerReader(data_dir) as reader:
        assert reader._all("PRAGMA integrity_check") == [("ok",)]
        return reader.counts().rows


@pytest.mark.parametrize("kind", KINDS)
def test_rows_wait_on_a_full_disk_and_are_stored_when_there_is_room(kind: str) -> None:
    with small_disk("24m", kind) as disk:
        (disk / "other").write_bytes(b"\1" * (8 * MIB))
        with ledger(disk / "data", SETTINGS) as writer:
            futures = until_full(writer, "x" * 2000)
            stored = sum(future.done() for future in futures)
            assert "no room" in writer.detail
            assert writer.is_alive()
            futures += [writer.submit(PutResult(result(n))) for n in range(10)]
            (disk / "other").unlink()
            seqs = [future.result(30) for future in futures]
            wait_for(writer, "ok")
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) > stored > 100
        assert all_rows(disk / "data") == len(seqs)


@pytest.mark.parametrize("kind", KINDS)
def test_media_make_way_for_results_and_what_went_unsynced_is_told(kind: str) -> None:
    with small_disk("24m", kind) as disk, ledger(disk / "data", SETTINGS) as writer:
        data_dir = disk / "data"
        pictured: list[int] = []
        with contextlib.suppress(LedgerFull):
            pictured.extend(
                put_with_media(writer, data_dir, n, os.urandom(100_000)) for n in range(1000)
            )
        with contextlib.suppress(OSError):
            (disk / "other").write_bytes(b"\1" * (24 * MIB))  # the last bytes, too
        futures = [writer.submit(PutResult(result(n, text="x" * 2000))) for n in range(1000)]
        seqs = [future.result(60) for future in futures]
        wait_for(writer, "ok")
        assert writer.times_full > 0
        with LedgerReader(data_dir) as reader:
            bodies = [reader.result(seq) for seq in range(1, reader.max_seq() + 1)]
            buried = [b.body for b in bodies if b is not None and isinstance(b.body, Tombstone)]
            gone = [seq for seq in pictured if reader.media_of(seq)[0].state == "evicted"]
            assert all(entry is not None for entry in bodies)  # no gap
        assert len(seqs) == 1000
        assert sum(b.count or 0 for b in buried) == len(gone) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_acks_are_taken_on_a_full_disk_thanks_to_the_ballast_and_free_room(kind: str) -> None:
    with small_disk("24m", kind) as disk, ledger(disk / "data", SETTINGS) as writer:
        futures = until_full(writer, "x" * 2000)
        stored = [future for future in futures if future.done()]
        with LedgerReader(disk / "data") as reader:
            epoch = reader.identity().epoch
            done(writer, Ack(epoch, ((1, len(stored)),)))
            assert futures[-1].result(30) == len(futures)  # in the place of rows that were synced
            assert reader.sync_state().acked.head() == len(stored)
            assert reader.backlog().rows == len(futures) - len(stored)
        wait_for(writer, "ok")


@pytest.mark.parametrize("kind", KINDS)
def test_another_program_that_takes_every_byte_cannot_make_it_lose_anything(kind: str) -> None:
    with small_disk("32m", kind) as disk:
        data_dir = disk / "data"
        with ledger(data_dir, SETTINGS) as writer:
            put_with_media(writer, data_dir, 0, os.urandom(500_000))
            with hog(disk) as stop:
                futures = until_full(writer)
                with LedgerReader(data_dir) as reader:
                    sha256 = reader.media_of(1)[0].sha256
                writer.submit(MediaAcked((sha256,)))
                futures += [writer.submit(PutResult(result(n))) for n in range(100)]
                wait_for(writer, "full")
                stop.set()
            seqs = [future.result(30) for future in futures]
            wait_for(writer, "ok")
        assert seqs == sorted(set(seqs))
        assert all_rows(data_dir) == len(seqs) + 1


def test_twenty_rounds_of_filling_and_freeing_lose_nothing() -> None:
    with small_disk("16m") as disk:
        stored = 0
        with ledger(disk / "data", SETTINGS) as writer:
            for _ in range(20):
                futures = [writer.submit(PutResult(result(n))) for n in range(20)]
                with contextlib.suppress(OSError):
                    (disk / "other").write_bytes(b"\1" * (16 * MIB))
                futures += [writer.submit(PutResult(result(n, text="x" * 900))) for n in range(300)]
                (disk / "other").unlink()
                assert [f.result(30) for f in futures] == list(range(stored + 1, stored + 321))
                stored += 320
            wait_for(writer, "ok")
            assert (disk / "data" / "ballast").stat().st_size == 2 * MIB
        assert all_rows(disk / "data") == stored


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_on_a_full_disk_works_and_goes_on_when_there_is_room(kind: str) -> None:
    with small_disk("16m", kind) as disk:
        with ledger(disk / "data", SETTINGS) as writer:
            done(writer, PutResult(result(1)))
        with contextlib.suppress(OSError), (disk / "other").open("wb", buffering=0) as other:
            while True:
                other.write(b"\1" * 4096)
        assert free_bytes(disk) < 4096
        with ledger(disk / "data", SETTINGS) as writer:
            future = writer.submit(PutResult(result(2)))
            (disk / "other").unlink()
            assert future.result(30) == 2


def test_closing_on_a_full_disk_says_which_rows_were_not_stored() -> None:
    with small_disk("12m") as disk:
        with ledger(disk / "data", SETTINGS) as writer:
            futures = until_full(writer, "x" * 2000)
            writer.close()
            with pytest.raises(LedgerFull, match="closed while there was no room"):
                futures[-1].result(0)
        stored = [future for future in futures if future.exception(0) is None]
        assert all_rows(disk / "data") == len(stored)


@pytest.mark.parametrize("after_s", [0.2, 0.7, 1.2])
def test_rows_that_wait_are_stored_when_it_is_closed_as_soon_as_there_is_room_again(
    after_s: float,
) -> None:
    with small_disk("16m") as disk:
        with ledger(disk / "data", SETTINGS) as writer:
            done(writer, PutResult(result(0)))
            with contextlib.suppress(OSError):
                (disk / "other").write_bytes(b"\1" * (16 * MIB))
            futures = [writer.submit(PutResult(result(n, text="x" * 900))) for n in range(300)]
            wait_for(writer, "full")
            SYSTEM_CLOCK.wait(
                threading.Event(), after_s
            )  # in the one of its two looks, or in the other
            (disk / "other").unlink()
            writer.close()
        assert [future.exception(0) for future in futures] == [None] * 300


def test_media_are_evicted_before_the_disk_has_less_than_was_asked_for() -> None:
    settings = Ledger(group_ms=0, ballast_mib=1, min_free_mib=8)
    with small_disk("32m") as disk, ledger(disk / "data", settings) as writer:
        store = MediaStore(disk / "data")
        for number in range(65):
            data = os.urandom(400_000)
            media = store.put(data, kind="frame", mime="image/jpeg")
            done(writer, PutResult(result(number, media=(media,))))
        writer._looked_ns = None  # the next look is due
        done(writer, PutResult(result(99)))
        never = threading.Event()
        for _ in range(200):
            if free_bytes(disk) >= 8 * MIB:
                break
            SYSTEM_CLOCK.wait(never, 0.05)
        assert free_bytes(disk) >= 8 * MIB
        assert writer.times_full == 0
        assert writer.counters()["media_evicted"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_ledger_tells_who_listens_and_tells_again_when_there_is_room(kind: str) -> None:
    with small_disk("24m", kind) as disk:
        (disk / "other").write_bytes(b"\1" * (8 * MIB))
        told: list[str] = []
        names: set[str] = set()

        def hear(state: str) -> None:
            told.append(state)
            names.add(threading.current_thread().name)
            raise ValueError("who listens must not end the ledger")

        opened = LedgerWriter.open(disk / "data", "box", SETTINGS, SYSTEM_CLOCK, on_state=hear)
        with contextlib.closing(opened) as writer:
            futures = until_full(writer, "x" * 2000)
            assert told[-1] == "full"
            assert writer.counters()["times_full"] == told.count("full")
            assert writer.counters()["waiting"] > 0
            (disk / "other").unlink()
            for future in futures:
                future.result(30)
            wait_for(writer, "ok")
    assert told == ["full", "ok"] * (len(told) // 2)
    assert names == {"ledger"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_ledger_is_closed_in_time_and_says_how_many_rows_it_could_not_take(
    kind: str,
) -> None:
    with small_disk("16m", kind) as disk:
        writer = LedgerWriter.open(disk / "data", "box", SETTINGS, SYSTEM_CLOCK)
        futures = until_full(writer, "x" * 2000)
        waiting = [future for future in futures if not future.done()]
        assert waiting
        with contextlib.suppress(OSError):  # and nothing more can be made free
            (disk / "other").write_bytes(b"\1" * (24 * MIB))
        began_ns = SYSTEM_CLOCK.boottime_ns()
        left = writer.close(timeout_s=20)
        assert SYSTEM_CLOCK.boottime_ns() - began_ns < 10 * 10**9
        refused = [future for future in waiting if future.exception(0) is not None]
        assert left == len(refused)
        assert all(isinstance(future.exception(0), LedgerFull) for future in refused)
        assert writer.close() == left
        assert all_rows(disk / "data") == len(futures) - left


def fill_to_the_last_byte(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\1" * size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ballast", ["laid", "gone"])
@pytest.mark.parametrize("stored", [True, False])
def test_without_one_free_byte_media_go_so_that_it_starts(
    kind: str, ballast: str, stored: bool
) -> None:
    with small_disk("48m", kind) as disk:
        data_dir = disk / "data"
        with ledger(data_dir, SETTINGS) as writer, LedgerReader(data_dir) as reader:
            for number in range(30):
                put_with_media(writer, data_dir, number, os.urandom(500_000))
            epoch = reader.identity().epoch
            done(writer, Ack(epoch, ((1, 10),)))
            if stored:
                done(writer, MediaAcked(tuple(reader.media_of(n)[0].sha256 for n in range(1, 11))))
        if ballast == "gone":
            (data_dir / "ballast").unlink()
        fill_to_the_last_byte(disk)
        with ledger(data_dir, SETTINGS) as writer, LedgerReader(data_dir) as reader:
            assert done(writer, PutResult(result(31))) > 30
            done(writer, Maintain())
            rows = [row for seq in range(1, 31) for row in reader.media_of(seq)]
            there = [row for row in rows if row.path.exists()]
            assert {row.sha256 for row in rows if row.state != "evicted"} == {
                row.sha256 for row in there
            }
            assert 15 <= len(there) < 30
            told = [entry.body for entry in reader.results(verdict="media_evicted", limit=100)]
            lost = sum(body.count or 0 for body in told if isinstance(body, Tombstone))
            assert lost == (max(0, 20 - len(there)) if stored else 30 - len(there))
