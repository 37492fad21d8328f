"""``results`` on a real ledger, written by the real writer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Ledger
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.writer import LedgerWriter, PutResult, PutTombstone
from edge_runtime.types import (
    Media,
    Result,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_NS = 3600 * 1_000_000_000


def result(number: int, *, lane: str = "top", media: tuple[Media, ...] = ()) -> Result:
    bad = number % 3 == 0
    verdict = Verdict(VerdictKind.REJECT if bad else VerdictKind.PASS, "dent" if bad else "ok", 0.9)
    now = SYSTEM_CLOCK.stamp()
    long_ago = Stamp(now.wall_ns - (10 - number) * HOUR_NS, now.boottime_ns, now.boot_id)
    return Result(
        lane=lane,
        source="file:a.mp4",
        source_seq=number,
        captured=long_ago,
        verdict=verdict,
        item=f"frame:{number}",
        media=media,
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    opened = LedgerWriter.open(tmp_path, "d", Ledger(ballast_mib=1), SYSTEM_CLOCK)
    yield opened
    opened.close()


@pytest.fixture
def data(tmp_path: Path, writer: LedgerWriter) -> Path:
    """Nine results (3, 6 and 9 rejects, 7 in another lane), a tombstone; 9 has media."""
    store = MediaStore(tmp_path)
    media = (
        store.put(b"clean", kind="frame", mime="image/jpeg"),
        store.put(b"drawn", kind="overlay", mime="image/jpeg"),
    )
    for number in range(1, 10):
        lane = "side" if number == 7 else "top"
        put = PutResult(result(number, lane=lane, media=media if number == 9 else ()))
        writer.submit(put).result(20)
    stamp = SYSTEM_CLOCK.stamp()
    bury = Tombstone(
        lane="top", reason=TombstoneReason.LANE_CRASH, first=stamp, last=stamp, detail="killed"
    )
    writer.submit(PutTombstone(bury)).result(20)
    return tmp_path


def test_list_is_newest_first_and_knows_its_filters(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def seqs(*arguments: str) -> list[int]:
        ended = run(capsys, "results", "list", "--json", "--data", data, *arguments)
        assert ended.code == 0, ended.err
        return [line["seq"] for line in ended.json_lines]

    assert seqs() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert seqs("-n", "2") == [10, 9]
    assert seqs("--lane", "side") == [7]
    assert seqs("--verdict", "reject") == [9, 6, 3]
    assert seqs("--verdict", "lane_crash") == [10]
    assert seqs("--label", "dent", "--verdict", "reject", "-n", "1") == [9]
    assert seqs("--since", "150m") == [10, 9, 8]
    assert seqs("--since", "2999-01-01") == []
    assert len(seqs("--since", "999999999999d")) == 10
    assert len(seqs("--since", "2001-01-01T00:00:00+02:00")) == 10


def test_list_for_people_is_a_line_a_result(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "results", "list", "--data", data, "-n", "2")
    first, second = ended.out.splitlines()
    assert "tombstone lane_crash" in first
    assert "killed" in first
    assert "reject" in second
    assert "0.900" in second
    assert "frame:9" in second


def test_a_name_with_a_line_end_in_it_stays_in_one_line(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = replace(result(1), item="a\nb\x1b[31m.png:1:1")
    writer.submit(PutResult(odd)).result(20)
    shown = r"a\nb\x1b[31m.png:1:1"
    listed = run(capsys, "results", "list", "--data", tmp_path).out.splitlines()
    assert len(listed) == 1
    assert listed[0].endswith(shown)
    assert shown in run(capsys, "results", "show", "1", "--data", tmp_path).out
    assert shown in run(capsys, "results", "show", "1", "--why", "--data", tmp_path).out


def test_a_time_without_a_source_is_told_with_its_begin_and_its_length(
    tmp_path: Path, writer: LedgerWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Stamp(1_790_000_000_000_000_000, 5_000_000_000, "a" * 32)
    last = Stamp(1_790_000_099_000_000_000, 17_300_000_000, "a" * 32)
    gap = Tombstone(
        lane="top", reason=TombstoneReason.SOURCE_GAP, first=first, last=last, detail="unplugged"
    )
    writer.submit(PutTombstone(gap)).result(20)
    listed = run(capsys, "results", "list", "--utc", "--data", tmp_path).out
    why = run(capsys, "results", "show", "1", "--why", "--utc", "--data", tmp_path).out
    for told in (listed, why):
        assert "from 2026-09-21 14:13:20.000Z for 12.3 s" in told
        assert "unplugged" in told


def test_tail_is_oldest_first(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run(capsys, "results", "tail", "--json", "--data", data, "-n", "3")
    assert [line["seq"] for line in ended.json_lines] == [8, 9, 10]


def test_tail_follows_what_is_written_meanwhile_by_another_process(
    data: Path, writer: LedgerWriter
) -> None:
    command = [sys.executable, "-m", "edge_runtime", "results", "tail", "-f", "--json", "-n", "1"]
    follower = subprocess.Popen(
        [*command, "--lane", "top", "--data", str(data)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["seq"] == 10
        for number, lane in ((1, "top"), (2, "side"), (3, "top")):
            writer.submit(PutResult(result(number, lane=lane))).result(20)
        assert json.loads(follower.stdout.readline())["seq"] == 11
        assert json.loads(follower.stdout.readline())["seq"] == 13
    finally:
        follower.kill()
        follower.communicate()


def test_show_tells_everything_and_where_the_media_are(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(capsys, "results", "show", "9", "--json", "--data", data).json
    assert told["verdict"]["kind"] == "reject"
    assert told["item"] == "frame:9"
    assert sorted(media["kind"] for media in told["media_files"]) == ["frame", "overlay"]
    for media in told["media_files"]:
        assert os.path.getsize(media["path"]) == 5  # noqa: PTH202 - a string in JSON
    page = run(capsys, "results", "show", "9", "--data", data).out
    assert "kind reject" in page
    assert page.count("media_files") == 2


def test_show_tells_a_tombstone_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, "results", "show", "10", "--json", "--data", data).json
    assert (told["reason"], told["detail"]) == ("lane_crash", "killed")
    assert "killed" in run(capsys, "results", "show", "10", "--data", data).out


def test_open_prints_the_overlays_path(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    ended = run(capsys, "results", "open", "9", "--data", data)
    assert ended.code == 0
    with open(ended.out.strip(), "rb") as file:  # noqa: PTH123 - as a user would
        assert file.read() == b"drawn"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["show", "99"], 66, "there is no result 99; the ledger ends at 10"),
        (["open", "1"], 66, "result 1 has no file: its lane keeps no media of it"),
        (["open", "99"], 66, "there is no result 99"),
        (["list", "--since", "soon"], 64, "write 15m, 2h, 3d or 2026-11-24T08:00"),
        (["list", "--verdict", "rejct"], 64, "'rejct' is not one of"),
        (["list", "-n", "0"], 64, "0 is not in the range"),
        (["show", str(10**30)], 64, "is not in the range"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    ended = run(capsys, "results", *arguments, "--data", data)
    assert ended.code == code
    assert told in ended.err
    assert "Traceback" not in ended.err


def test_a_folder_without_a_ledger_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(capsys, "results", "list", "--data", tmp_path / "none")
    assert ended.code == 66
    assert str(tmp_path / "none") in ended.err


def test_the_data_folder_may_come_from_a_config(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data / "config.toml"
    path.write_text(
        '[device]\nid = "d"\ndata_dir = "."\n[lanes.a]\nsource = "file:a"\nmodel = "m"\n'
    )
    ended = run(capsys, "results", "list", "--json", "--config", path, "-n", "1")
    assert ended.json["seq"] == 10
