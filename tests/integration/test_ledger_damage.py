"""Whatever happens to the files: what is whole is carried, what is lost is counted and told.

The rows are counted from outside: what was stored, less what can be read afterwards, is what the
tombstones say.  No number is given twice, no picture of a lost row is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.config import Ledger
from edge_runtime.ledger import database
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import Ack, Maintain, PutResult
from edge_runtime.types import Result, Tombstone, TombstoneReason
from tests.support.ledger import crash_image, done, ledger, put_with_media, result

ROWS = 1500
IN_LOG = 60
PICTURES = 5
PAGE = database.PAGE_BYTES


def store(data_dir: Path) -> None:
    with ledger(data_dir) as writer, LedgerReader(data_dir) as reader:
        for number in range(PICTURES):
            put_with_media(writer, data_dir, number, b"picture %d" % number)
        futures = [writer.submit(PutResult(result(n))) for n in range(PICTURES, ROWS)]
        assert futures[-1].result(60) == ROWS
        done(writer, Ack(reader.identity().epoch, ((1, 100),)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "data"
    store(folder)
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a kill leaves it: rows and pictures, all of it in the log only, and nothing else there."""
    folder = tmp_path_factory.mktemp("killed")
    with ledger(folder / "live"):
        pass
    with ledger(folder / "live", Ledger(group_ms=0, ballast_mib=16, min_free_mib=0)) as writer:
        for number in range(PICTURES):
            put_with_media(writer, folder / "live", number, b"picture %d" % number)
        for number in range(PICTURES, IN_LOG):
            done(writer, PutResult(result(number)))
        return crash_image(folder / "live", folder / "image")


def fill(path: Path, at: float, count: int, value: int | None = 0) -> None:
    """From a share of the file on, or a byte of it; None: every bit the other way."""
    raw = bytearray(path.read_bytes())
    first = int(at * len(raw)) if 0 < at < 1 else int(at)
    for place in range(first, min(first + count, len(raw))):
        raw[place] = raw[place] ^ 0xFF if value is None else value
    path.write_bytes(raw)


def half_zeroed(path: Path, at: float) -> None:
    fill(path, at, path.stat().st_size // 2 // PAGE * PAGE)


def flip_bits(path: Path, seed: int, count: int = 200) -> None:
    raw, chance = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(count):
        raw[chance.randrange(PAGE, len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def shuffle_pages(path: Path) -> None:
    raw, chance = path.read_bytes(), random.Random(1)
    pages = [raw[at : at + PAGE] for at in range(0, len(raw), PAGE)]
    tail = pages[40:]
    chance.shuffle(tail)
    path.write_bytes(b"".join([*pages[:40], *tail]))


def sql(path: Path, text: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(text)
        connection.commit()


def somebody_elses(path: Path) -> None:
    path.unlink()
    sql(path, "CREATE TABLE x (y)")


def inner_zeroed(path: Path) -> None:
    """The pages that lead to the rows."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = 'entries' AND pagetype = 'internal'"
        ).fetchall()
    for (number,) in found:
        fill(path, (number - 1) * PAGE, PAGE)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the header's first bytes are zeroed": lambda p: fill(p, 0, 16),
    "the whole header is zeroed": lambda p: fill(p, 0, 100),
    "the page size is another": lambda p: fill(p, 16, 2, 8),
    "the schema's number is a wild one": lambda p: fill(p, 60, 4, 0xFD),
    "the schema's number is zero": lambda p: fill(p, 60, 4),
    "the schema's number is an older one": lambda p: fill(p, 63, 1, 1),
    "the text encoding is another": lambda p: fill(p, 59, 1, 2),
    "the first page's tree is turned round": lambda p: fill(p, 100, 64, None),
    "the schema's text is turned round": lambda p: fill(p, 2000, 1500, None),
    "the first page is zeroed": lambda p: fill(p, 0, PAGE),
    "the first page is full of ones": lambda p: fill(p, 0, PAGE, 0xFF),
    "the map of the pages is zeroed": lambda p: fill(p, PAGE, PAGE),
    "the first two pages are zeroed": lambda p: fill(p, 0, 2 * PAGE),
    "all roots are zeroed": lambda p: fill(p, 2 * PAGE, 30 * PAGE),
    "the first pages with all roots are zeroed": lambda p: fill(p, 0, 34 * PAGE),
    "a hundred bytes in the middle": lambda p: fill(p, 0.5, 100, None),
    "eight pages in the middle are zeroed": lambda p: fill(p, 0.5, 8 * PAGE),
    "every bit of the last page": lambda p: fill(p, p.stat().st_size - PAGE, PAGE, None),
    "the pages that lead to the rows are zeroed": inner_zeroed,
    "two hundred bits": lambda p: flip_bits(p, 3),
    "two hundred other bits": lambda p: flip_bits(p, 4),
    "pages stand at other places": shuffle_pages,
    "the first half is zeroed": lambda p: half_zeroed(p, 0),
    "the second half is zeroed": lambda p: half_zeroed(p, 0.5),
    "cut in half": lambda p: os.truncate(p, p.stat().st_size // 2 // PAGE * PAGE),
    "cut to a tenth": lambda p: os.truncate(p, p.stat().st_size // 10),
    "cut at an odd place": lambda p: os.truncate(p, p.stat().st_size - 1000),
    "cut to one byte": lambda p: os.truncate(p, 1),
    "emptied": lambda p: os.truncate(p, 0),
    "deleted": lambda p: p.unlink(),
    "another file's content": lambda p: p.write_text("hello\n" * 100),
    "random bytes": lambda p: p.write_bytes(random.Random(5).randbytes(200_000)),
    "a table is dropped": lambda p: sql(p, "DROP TABLE acked"),
    "the rows' table is dropped": lambda p: sql(p, "DROP TABLE entries"),
    "an index is dropped": lambda p: sql(p, "DROP INDEX entries_notable"),
    "rows are deleted behind our back": lambda p: sql(p, "DELETE FROM entries WHERE seq > 1400"),
    "an empty database of somebody else": somebody_elses,
    "the finished recovery is left": lambda p: p.rename(p.with_name("ledger-recovered.db")),
}


def lost_by_the_tombstones(reader: LedgerReader) -> int:
    told = reader.results(verdict=TombstoneReason.RECOVERED_DAMAGE.value, limit=100)
    bodies = [entry.body for entry in told]
    return sum(body.count or 0 for body in bodies if isinstance(body, Tombstone))


def numbers(reader: LedgerReader) -> set[int]:
    entries = reader.results(limit=10_000)
    return {entry.seq for entry in entries if isinstance(entry.body, Result)}


def same(found: Result, number: int) -> bool:
    """The names that rows share may be lost with their tables."""
    told = result(number)
    names = replace(told, source=found.source, model=found.model, model_sha256=found.model_sha256)
    at = replace(told.captured, boot_id=found.captured.boot_id)
    return found == replace(names, captured=at)


@pytest.mark.parametrize("name", DAMAGES)
def test_every_row_is_carried_or_counted_and_no_number_is_given_twice(
    whole: Path, tmp_path: Path, name: str
) -> None:
    """SQLite has no sums over its pages: a bit within a text is not found out."""
    data_dir = tmp_path / "data"
    shutil.copytree(whole, data_dir)
    DAMAGES[name](data_dir / database.FILE)
    with ledger(data_dir) as writer, LedgerReader(data_dir) as reader:
        there = numbers(reader)
        assert there <= set(range(1, ROWS + 1))
        for entry in reader.results(limit=10_000):
            if isinstance(entry.body, Result) and entry.seq > PICTURES and "bits" not in name:
                assert same(entry.body, entry.seq - 1)
        missing = set(range(1, ROWS + 1)) - there
        acked = {seq for seq in missing if seq in reader.sync_state().acked}
        assert lost_by_the_tombstones(reader) == len(missing - acked)
        if lost := missing - acked:
            assert writer.recovered
            assert str(len(lost)) in writer.recovered
        assert done(writer, PutResult(result(1))) > ROWS
        done(writer, Maintain())
        assert len(MediaStore(data_dir).listing().files) == PICTURES
    with ledger(data_dir) as writer:  # all is well afterwards, and nothing is swept later either
        assert not writer.recovered
        done(writer, Maintain())
        assert len(MediaStore(data_dir).listing().files) == PICTURES


CARRIED_WHOLE = (
    "the header's first bytes are zeroed",
    "the whole header is zeroed",
    "the first page is zeroed",
    "the first page's tree is turned round",
    "the map of the pages is zeroed",
    "the pages that lead to the rows are zeroed",
    "all roots are zeroed",
    "a table is dropped",
    "the schema's number is zero",
    "the finished recovery is left",
)


@pytest.mark.parametrize("name", CARRIED_WHOLE)
def test_damage_beside_the_rows_costs_no_row(whole: Path, tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(whole, data_dir)
    DAMAGES[name](data_dir / database.FILE)
    with ledger(data_dir), LedgerReader(data_dir) as reader:
        assert len(numbers(reader)) == ROWS


@pytest.mark.parametrize("name", ["cut in half", "the first half is zeroed",
                                  "the second half is zeroed"])  # fmt: skip
def test_the_intact_half_is_carried(whole: Path, tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(whole, data_dir)
    DAMAGES[name](data_dir / database.FILE)
    with ledger(data_dir), LedgerReader(data_dir) as reader:
        assert len(numbers(reader)) > ROWS * 0.35


LOG = "-wal"
LOG_DAMAGES: dict[str, Callable[[Path], object]] = {
    "a byte in the middle": lambda p: fill(p, 0.5, 1, None),
    "a byte in the first frame": lambda p: fill(p, 100, 1, None),
    "a byte of a frame's head": lambda p: fill(p, 32 + 24 * 4120 // 24 + 8, 1, None),
    "a byte of the log's head": lambda p: fill(p, 17, 1, None),
    "all of the log's head": lambda p: fill(p, 0, 32),
    "the last byte": lambda p: fill(p, p.stat().st_size - 1, 1, None),
    "a page in the middle": lambda p: fill(p, 0.5, PAGE),
    "cut in half": lambda p: os.truncate(p, p.stat().st_size // 2),
    "emptied": lambda p: os.truncate(p, 0),
    "deleted": lambda p: p.unlink(),
    "random bytes": lambda p: p.write_bytes(random.Random(5).randbytes(40_000)),
}


@pytest.mark.parametrize("damage", LOG_DAMAGES.values(), ids=LOG_DAMAGES)
def test_rows_that_stood_in_a_damaged_log_are_carried_or_counted(
    killed: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(killed, data_dir)
    damage(data_dir / (database.FILE + LOG))
    with ledger(data_dir) as writer, LedgerReader(data_dir) as reader:
        there = numbers(reader)
        assert writer.recovered
        assert lost_by_the_tombstones(reader) == IN_LOG - len(there)
        assert done(writer, PutResult(result(1))) > IN_LOG
        done(writer, Maintain())
        assert len(MediaStore(data_dir).listing().files) == PICTURES


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7, 0.9])
def test_rows_behind_a_flipped_byte_of_the_log_are_carried(
    killed: Path, tmp_path: Path, place: float
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(killed, data_dir)
    fill(data_dir / (database.FILE + LOG), place, 1, None)
    with ledger(data_dir), LedgerReader(data_dir) as reader:
        assert len(numbers(reader)) == IN_LOG  # each page of rows stands in later frames again


def test_a_log_that_a_power_cut_tore_is_no_damage(killed: Path, tmp_path: Path) -> None:
    """The last transaction was never acknowledged, whatever of it is there."""
    data_dir = tmp_path / "data"
    shutil.copytree(killed, data_dir)
    log = data_dir / (database.FILE + LOG)
    torn = log.read_bytes()
    log.write_bytes(torn + torn[-4120:][:2000])
    with ledger(data_dir) as writer, LedgerReader(data_dir) as reader:
        assert not writer.recovered
        assert len(numbers(reader)) == IN_LOG


@pytest.mark.parametrize("gone", ["epoch", "mark", "epoch mark"])
def test_without_what_is_noted_beside_it_a_loss_is_told_without_a_number(
    whole: Path, tmp_path: Path, gone: str
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(whole, data_dir)
    for name in gone.split():
        (data_dir / name).write_bytes(b"\xff\xfe" * 50)
    (data_dir / database.FILE).unlink()
    with ledger(data_dir) as writer, LedgerReader(data_dir) as reader:
        (told,) = reader.results(verdict="recovered_damage")
        assert isinstance(told.body, Tombstone)
        assert writer.recovered
        if gone == "epoch mark":
            assert told.body.count is None
            assert "is not known" in writer.recovered
        else:
            assert told.body.count == ROWS


def test_an_unreadable_row_is_not_carried_over_as_if_it_were_well(
    whole: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(whole, data_dir)
    path = data_dir / database.FILE
    for seq, change in ((500, "lane = cast(x'746fff' as text)"), (501, "body = '{'"),
                        (502, "wall_ns = 'x'"), (503, "kind = 7")):  # fmt: skip
        sql(path, f"UPDATE entries SET {change} WHERE seq = {seq}")
    fill(path, 0, 16)
    with ledger(data_dir), LedgerReader(data_dir) as reader:
        assert set(range(1, ROWS + 1)) - numbers(reader) == {500, 501, 502, 503}
        assert lost_by_the_tombstones(reader) == 4
        assert not [entry for entry in reader.unsent(10_000) if entry.unreadable]
