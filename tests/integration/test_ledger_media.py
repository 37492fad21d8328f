"""Media files: durable under their hash, swept, evicted, and safe against being put again."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from edge_runtime.config import Ledger
from edge_runtime.errors import LedgerError, LedgerFull, StorageReadOnly
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import Ack, Maintain, MediaAcked, PutResult
from edge_runtime.types import Result, Tombstone, TombstoneReason, VerdictKind
from tests.support.ledger import SMALL, done, ledger, put_with_media, result, small_disk

MIB = 1 << 20


def picture(number: int, size: int = 1000) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (size // 32)


def files(data_dir: Path) -> set[str]:
    return {path.name for path in (data_dir / "media").rglob("*") if path.is_file()}


def tombstones(reader: LedgerReader) -> list[Tombstone]:
    bodies = [entry.body for entry in reader.results(limit=1000)]
    return [body for body in bodies if isinstance(body, Tombstone)]


def test_a_file_is_found_under_its_hash(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    data = picture(1)
    media = store.put(data, kind="frame", mime="image/jpeg")
    assert media.sha256 == hashlib.sha256(data).hexdigest()
    assert media.size_bytes == len(data)
    path = store.path(media.sha256, media.mime)
    assert path.read_bytes() == data
    assert path.relative_to(tmp_path) == Path("media", media.sha256[:2], media.sha256 + ".jpg")
    assert files(tmp_path) == {path.name}  # and nothing unfinished beside it


@pytest.mark.parametrize(
    ("mime", "ending"),
    [("image/png", ".png"), ("audio/flac", ".flac"), ("application/x-odd", ".bin")],
)
def test_a_file_has_the_ending_of_its_kind(tmp_path: Path, mime: str, ending: str) -> None:
    media = MediaStore(tmp_path).put(b"x", kind="segment", mime=mime)
    assert MediaStore(tmp_path).path(media.sha256, mime).suffix == ending


def test_the_same_content_is_one_file(tmp_path: Path) -> None:
    stores = [MediaStore(tmp_path), MediaStore(tmp_path)]
    made = {store.put(b"same", kind="frame", mime="image/jpeg") for store in stores}
    assert len(made) == len(files(tmp_path)) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "a" * 63, ""])
def test_a_name_that_is_no_hash_leads_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a sha256"):
        MediaStore(tmp_path).path(name, "image/jpeg")


def test_many_threads_may_put_the_same_and_other_files(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    threads = [
        threading.Thread(
            target=lambda: [
                store.put(picture(n), kind="frame", mime="image/jpeg") for n in range(30)
            ]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(files(tmp_path)) == 30


def test_a_full_disk_is_said_and_leaves_nothing_half_written() -> None:
    with small_disk("1m") as disk:
        store = MediaStore(disk)
        with pytest.raises(LedgerFull, match="no room for"):
            store.put(os.urandom(2 * MIB), kind="frame", mime="image/jpeg")
        assert files(disk) == set()
        store.put(b"small", kind="frame", mime="image/jpeg")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")
    with pytest.raises(LedgerError, match="cannot be written"):
        MediaStore(tmp_path).put(b"x", kind="frame", mime="image/jpeg")
    with small_disk("1m") as disk:
        os.system(f"mount -o remount,ro {disk}")
        with pytest.raises(StorageReadOnly, match=os.strerror(errno.EROFS)):
            MediaStore(disk).put(b"x", kind="frame", mime="image/jpeg")


def test_files_without_a_row_are_swept_at_the_start_and_others_kept(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        put_with_media(writer, tmp_path, 1, picture(1))
    orphan = MediaStore(tmp_path).put(picture(2), kind="frame", mime="image/jpeg")
    path = MediaStore(tmp_path).path(orphan.sha256, orphan.mime)
    (path.parent / ".put-unfinish.tmp").write_bytes(b"half")
    with ledger(tmp_path) as writer:
        done(writer, Maintain())
        assert files(tmp_path) == {hashlib.sha256(picture(1)).hexdigest() + ".jpg"}


def test_a_file_put_after_the_start_is_not_swept_before_its_row_comes(tmp_path: Path) -> None:
    MediaStore(tmp_path).put(picture(1), kind="frame", mime="image/jpeg")  # an orphan, at the start
    with ledger(tmp_path) as writer:
        again = MediaStore(tmp_path).put(picture(1), kind="frame", mime="image/jpeg")
        new = MediaStore(tmp_path).put(picture(2), kind="frame", mime="image/jpeg")
        done(writer, Maintain())
        done(writer, PutResult(result(1, media=(again, new))))
        with LedgerReader(tmp_path) as reader:
            assert [row.state for row in reader.media_of(1)] == ["local", "local"]
            assert all(row.path.is_file() for row in reader.media_of(1))


def test_a_row_whose_file_somebody_took_away_says_so_after_the_next_start(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer:
        put_with_media(writer, tmp_path, 1, picture(1))
        put_with_media(writer, tmp_path, 2, picture(2))
        with LedgerReader(tmp_path) as reader:
            reader.media_of(2)[0].path.unlink()
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        done(writer, Maintain())
        assert [reader.media_of(seq)[0].state for seq in (1, 2)] == ["local", "evicted"]
        (told,) = tombstones(reader)
        assert (told.reason, told.count) == (TombstoneReason.MEDIA_EVICTED, 1)


def test_a_result_whose_file_is_gone_when_it_comes_is_kept_with_a_tombstone(tmp_path: Path) -> None:
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        store = MediaStore(tmp_path)
        media = store.put(picture(1), kind="frame", mime="image/jpeg")
        store.remove(media.sha256, media.mime)
        assert done(writer, PutResult(result(1, media=(media,)))) == 1
        assert reader.media_of(1)[0].state == "evicted"
        assert [t.reason for t in tombstones(reader)] == [TombstoneReason.MEDIA_EVICTED]
        entry = reader.result(1)
        assert entry is not None
        assert isinstance(entry.body, Result)
        assert entry.body.media == (media,)


def test_media_of_a_result_come_back_in_their_order(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    frame = store.put(picture(1), kind="frame", mime="image/jpeg")
    overlay = store.put(picture(2), kind="overlay", mime="image/jpeg")
    with ledger(tmp_path) as writer, LedgerReader(tmp_path) as reader:
        done(writer, PutResult(result(1, media=(overlay, frame))))
        (entry,) = reader.unsent(1)
        assert isinstance(entry.body, Result)
        assert entry.body.media == (overlay, frame)


def test_over_budget_synced_media_go_first_and_leave_no_tombstone(tmp_path: Path) -> None:
    settings = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0, media_budget_mib=1)
    with ledger(tmp_path, settings) as writer, LedgerReader(tmp_path) as reader:
        for number in range(6):
            put_with_media(writer, tmp_path, number, picture(number, 200_000))
        done(writer, Ack(reader.identity().epoch, ((1, 6),)))
        shas = [reader.media_of(seq)[0].sha256 for seq in range(1, 7)]
        done(writer, MediaAcked(tuple(shas[3:])))
        done(writer, Maintain())
        states = [reader.media_of(seq)[0].state for seq in range(1, 7)]
        assert states == ["local", "local", "local", "evicted", "evicted", "stored"]
        assert len(files(tmp_path)) == 4
        assert tombstones(reader) == []


def test_unsynced_media_go_by_value_with_one_tombstone_a_run(tmp_path: Path) -> None:
    settings = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0, media_budget_mib=1)
    kinds = [VerdictKind.REJECT, VerdictKind.PASS, VerdictKind.REVIEW, VerdictKind.PASS]
    with ledger(tmp_path, settings) as writer, LedgerReader(tmp_path) as reader:
        for number, kind in enumerate(kinds):
            data = next(
                picture(n, 400_000)
                for n in range(number * 100, number * 100 + 100)
                if int(hashlib.sha256(picture(n, 400_000)).hexdigest()[:8], 16) % 16  # no sample
            )
            put_with_media(writer, tmp_path, number, data, kind=kind)
        done(writer, Maintain())
        states = [reader.media_of(seq)[0].state for seq in range(1, 5)]
        assert states == ["local", "evicted", "local", "evicted"]
        (told,) = tombstones(reader)
        assert told.reason is TombstoneReason.MEDIA_EVICTED
        assert (told.lane, told.count) == ("*", 2)
        assert "results 2 to 4" in str(told.detail)
        assert reader.counts().rows == 4  # results are never evicted


def test_an_evicted_file_that_is_put_again_is_there_again(tmp_path: Path) -> None:
    settings = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0, media_budget_mib=1)
    with ledger(tmp_path, settings) as writer, LedgerReader(tmp_path) as reader:
        for number in range(3):
            put_with_media(writer, tmp_path, number, picture(number, 400_000))
        done(writer, Maintain())
        gone = next(s for s in range(1, 4) if reader.media_of(s)[0].state == "evicted")
        put_with_media(writer, tmp_path, 9, picture(gone - 1, 400_000))
        assert reader.media_of(gone)[0].state == "local"
        assert reader.media_of(gone)[0].path.is_file()


def test_an_eviction_leaves_a_file_alone_that_is_put_again_meanwhile(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    media = store.put(picture(1), kind="frame", mime="image/jpeg")
    path = store.path(media.sha256, media.mime)
    seen = path.stat().st_mtime_ns
    os.utime(path, ns=(seen, seen - 5))  # whatever the clock's grain, the next put is another time
    seen -= 5
    store.put(picture(1), kind="frame", mime="image/jpeg")
    assert not store.remove_unless_put(path, seen)
    assert path.read_bytes() == picture(1)
    assert store.remove_unless_put(path, path.stat().st_mtime_ns)
    assert files(tmp_path) == set()
    assert store.remove_unless_put(path, seen)  # gone is gone


def test_putting_and_evicting_at_once_never_loses_a_file_in_silence(tmp_path: Path) -> None:
    """A lane puts few different pictures over and over while the ledger has no budget for them."""
    settings = Ledger(group_ms=0, ballast_mib=1, min_free_mib=0, media_budget_mib=1)
    with ledger(tmp_path, settings) as writer, LedgerReader(tmp_path) as reader:
        for number in range(60):
            put_with_media(writer, tmp_path, number, picture(number % 5, 300_000))
            writer.submit(Maintain())
        done(writer, Maintain())
        told = sum(t.count or 0 for t in tombstones(reader))
        for row in {row.sha256: row for s in range(1, 61) for row in reader.media_of(s)}.values():
            assert row.path.is_file() == (row.state == "local")
        assert told > 0


def test_the_ledger_is_not_touched_by_reading_its_media(tmp_path: Path) -> None:
    with ledger(tmp_path, SMALL) as writer:
        put_with_media(writer, tmp_path, 1, picture(1))
        before = writer.counters()["commits"]
        with LedgerReader(tmp_path) as reader:
            assert reader.unsent_media(10) == []  # its result is not acknowledged yet
            done(writer, Ack(reader.identity().epoch, ((1, 1),)))
            (row,) = reader.unsent_media(10)
            assert row.path.read_bytes() == picture(1)
        assert writer.counters()["commits"] == before + 1
