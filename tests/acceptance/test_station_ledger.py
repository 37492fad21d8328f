"""One row that the ledger cannot take is one row."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from tests.support.daemon import Daemon, lane_of, run
from tests.support.station import (
    GOOD,
    WATCHED,
    codes_of,
    half_bundle,
    is_serving,
    items,
    lane_table,
    rows,
    tombstones,
    verdicts,
    write_part,
    write_parts,
)

REFUSES = (
    "CREATE TRIGGER no_thanks BEFORE INSERT ON entries "
    "WHEN NEW.item LIKE 'odd%' AND NEW.verdict = 'pass' "
    "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
)


def test_a_row_that_the_ledger_refuses_does_not_end_the_daemon(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    config = lane_table("top", "folder:./parts", WATCHED)
    with Daemon(tmp_path, config) as daemon:
        daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 1, "a part")
        assert daemon.stop() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "ledger.db")) as ledger:
        ledger.execute(REFUSES)
        ledger.commit()
    for name in ("odd.png", "plain.png"):
        write_part(tmp_path / "parts" / name, GOOD)
    with Daemon(tmp_path, config) as daemon:
        picture = daemon.wait_for(
            lambda p: "plain.png" in items(rows(daemon.data)) and "EDGE-D305" in codes_of(p),
            "the row behind it, and the word of the refusal",
        )
        assert lane_of(picture, "top")["restarts"] == 0
        assert daemon.stop() == 0
    assert sorted(items(rows(tmp_path / "data"))) == ["part0.png", "plain.png"]
    assert len(tombstones(tmp_path / "data", "bad_item")) == 1


def test_the_ledgers_counters_are_shown(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    with Daemon(tmp_path, lane_table("top", "folder:./parts", WATCHED)) as daemon:
        picture = daemon.wait_for(
            lambda p: verdicts(p, "top").get("pass") == 1 and is_serving(p, "top"), "a part"
        )
        assert {"times_full", "refused", "media_evicted", "wal_bytes"} <= set(picture["ledger"])
        assert run("status", "--data", daemon.data).returncode == 0
        assert daemon.stop() == 0
