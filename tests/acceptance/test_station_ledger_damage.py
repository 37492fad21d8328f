"""A damaged ledger, strangers' files and a cleaner, on the running daemon and at the collector."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_runtime import codes
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.types import Result
from tests.integration.test_ledger_io_error import fail_from_now_on
from tests.support.daemon import Daemon, collector, command, environ, run, sync_table
from tests.support.ledger import small_disk
from tests.support.station import (
    GOOD,
    WATCHED,
    codes_of,
    half_bundle,
    is_serving,
    lane_table,
    tombstones,
    verdicts,
    write_part,
    write_parts,
)

PARTS = 12


def parts_stored(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda picture: verdicts(picture, "top").get("pass", 0) >= number


def a_station(folder: Path, more: str = "") -> str:
    half_bundle(folder / "left", "left")
    write_parts(folder / "parts", *[GOOD] * PARTS)
    return lane_table("top", "folder:./parts", WATCHED) + more


def a_run(folder: Path, config: str) -> None:
    """The parts are stored by the first one."""
    is_first = not (folder / "data" / "ledger.db").exists()
    with Daemon(folder, config) as daemon:
        daemon.wait_for(
            lambda p: is_serving(p, "top") and parts_stored(PARTS if is_first else 0)(p),
            "all parts",
        )
        assert daemon.stop() == 0


def numbers(data: Path) -> set[int]:
    with LedgerReader(data) as reader:
        return {e.seq for e in reader.results(limit=1000) if isinstance(e.body, Result)}


def sql(data: Path, text: str) -> None:
    with contextlib.closing(sqlite3.connect(data / "ledger.db")) as connection:
        connection.execute(text)
        connection.commit()


@pytest.mark.parametrize("damage", ["unlink", "header", "emptied"])
def test_a_lost_ledger_is_told_by_status_log_and_collector(tmp_path: Path, damage: str) -> None:
    with collector(tmp_path / "server") as url:
        config = a_station(tmp_path, sync_table(url))
        a_run(tmp_path, config)
        before = numbers(tmp_path / "data")
        path = tmp_path / "data" / "ledger.db"
        if damage == "unlink":
            path.unlink()
        elif damage == "emptied":
            os.truncate(path, 0)
        else:
            path.write_bytes(bytes(4096) + path.read_bytes()[4096:])
        write_part(tmp_path / "parts" / "later.png", GOOD)
        with Daemon(tmp_path, config) as daemon:
            daemon.wait_for(lambda p: "EDGE-D303" in codes_of(p), "the word of the damage")
            picture = daemon.wait_for(
                lambda p: p["sync"]["backlog_rows"] == 0 and parts_stored(1)(p), "all is sent"
            )
            assert picture["ledger"]["recovered"] == 1
            assert daemon.stop() == 0
        assert "ledger_recovered" in (tmp_path / "daemon.log").read_text()
        (told,) = tombstones(tmp_path / "data", "recovered_damage")
        after = numbers(tmp_path / "data")
        if damage == "header":
            assert before <= after
            assert told.count == 0
        else:
            assert told.count is not None
            assert told.count >= len(before)
            assert min(after) > max(before)
        with contextlib.closing(sqlite3.connect(tmp_path / "server" / "collector.db")) as store:
            rows = store.execute("SELECT count(*) FROM events WHERE kind = 'tombstone'").fetchone()
        assert rows[0] >= 1


def test_one_unreadable_row_does_not_keep_the_others_from_the_collector(tmp_path: Path) -> None:
    config = a_station(tmp_path)
    a_run(tmp_path, config)
    data = tmp_path / "data"
    seqs = sorted(numbers(data))
    sql(data, f"UPDATE entries SET lane = cast(x'746fff' as text) WHERE seq = {seqs[3]}")
    sql(data, f"UPDATE entries SET body = '{{' WHERE seq = {seqs[5]}")
    with collector(tmp_path / "server") as url:
        with Daemon(tmp_path, config + sync_table(url)) as daemon:
            picture = daemon.wait_for(
                lambda p: p["sync"]["backlog_rows"] == 0 and p["sync"]["quarantined"] == 2,
                "the others are sent",
            )
            assert codes.SYNC_QUARANTINE in codes_of(picture)
            assert daemon.stop() == 0
        found = tombstones(data, "unreadable")  # two of them stand in for the rows in the list
        told = [stone.count for stone in found if "kept in quarantine" in str(stone.detail)]
        assert sum(count or 0 for count in told) == 2
        listed = run("results", "list", "--data", data)
        assert listed.returncode == 0
        assert listed.stdout.count("cannot be read") == 2
        with contextlib.closing(sqlite3.connect(tmp_path / "server" / "collector.db")) as store:
            there = {seq for (seq,) in store.execute("SELECT seq FROM events")}
        assert set(seqs) - there == {seqs[3], seqs[5]}


def test_foreign_files_and_folders_in_the_media_folder_are_left_alone(tmp_path: Path) -> None:
    config = a_station(tmp_path)
    media = tmp_path / "data" / "media"
    foreign = [
        media / "holiday.jpg",
        media / ".hidden",
        media / "ab" / "notes.txt",
        media / "ab" / ".thumb.tmp",
        media / "ab" / "@eaDir" / "x.jpg",
        media / "ab" / ("c" * 64 + ".jpg"),
        media / "thumbs" / ("ab" + "c" * 62 + ".jpg"),
        media / "zz" / "deep" / "er" / "file",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    a_run(tmp_path, config)
    a_run(tmp_path, config)
    assert [path for path in foreign if not path.exists()] == []
    assert "media_foreign" in (tmp_path / "daemon.log").read_text()


def test_a_cleaner_that_takes_the_lock_file_lets_no_second_daemon_in(tmp_path: Path) -> None:
    config = a_station(tmp_path)
    with Daemon(tmp_path, config) as daemon:
        daemon.wait_for(parts_stored(PARTS), "all parts")
        (daemon.data / "lock").unlink()
        second = subprocess.run(
            command("run", daemon.config), env=environ(), capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 75
        assert "another daemon" in second.stderr
        assert daemon.stop() == 0


def test_what_is_started_by_hand_is_closed_to_others(tmp_path: Path) -> None:
    generous = os.umask(0)
    try:
        a_run(tmp_path, a_station(tmp_path))
    finally:
        os.umask(generous)
    data = tmp_path / "data"
    found = [data, *data.rglob("*")]
    open_ = {p: oct(p.stat().st_mode) for p in found if stat.S_IMODE(p.stat().st_mode) & 0o007}
    assert open_ == {}
    assert stat.S_IMODE((data / "ledger.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_what_an_older_version_left_open_is_closed_and_a_group_keeps_its_view(
    tmp_path: Path,
) -> None:
    config = a_station(tmp_path)
    a_run(tmp_path, config)
    data = tmp_path / "data"
    for path in (data, data / "ledger.db", data / "epoch"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    a_run(tmp_path, config)
    assert stat.S_IMODE(data.stat().st_mode) == 0o750
    assert stat.S_IMODE((data / "ledger.db").stat().st_mode) == 0o640


def test_a_dead_disk_ends_the_daemon_with_74_and_one_line(tmp_path: Path) -> None:
    config = a_station(tmp_path)
    with small_disk("48m", "ext4") as disk:
        data = disk / "data"
        with Daemon(tmp_path, config, data=data) as daemon:
            daemon.wait_for(parts_stored(PARTS), "all parts")
            fail_from_now_on(disk)
            write_part(tmp_path / "parts" / "later.png", GOOD)
            assert daemon.process.wait(60) == 74
        assert "Traceback" not in daemon.log.read_text()
        for arguments in (("run", daemon.config), ("results", "list", "--data", data)):
            told = run(*arguments)
            assert told.returncode == 74
            assert len(told.stderr.splitlines()) == 1
            assert "Traceback" not in told.stderr
