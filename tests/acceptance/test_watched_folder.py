"""Pictures that lie, on the running daemon: judged once and whole, or told."""

from __future__ import annotations

import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import cv2

from tests.support.daemon import Daemon, count_of, run
from tests.support.jpegs import cut, jpeg, photograph

if TYPE_CHECKING:
    from pathlib import Path

WATCHED = """\
[lanes.belt]
source = "folder:pictures"
model = "surface-defect"
capture = { watch = true, poll_s = 0.2, settle_s = 1.5 }
"""


def rows(data: Path) -> list[dict[str, Any]]:
    listed = run("results", "list", "--data", data, "--json").stdout
    return [json.loads(line) for line in listed.splitlines()]


def test_damaged_pictures_are_no_reads_and_whole_ones_are_judged_once(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    part = photograph(320, 480)
    bmp = cv2.imencode(".bmp", part)[1].tobytes()
    with Daemon(tmp_path, WATCHED) as daemon:
        (pictures / "half.jpg").write_bytes(cut(jpeg(part), 0.5))
        (pictures / "scans.jpg").write_bytes(jpeg(part, progressive=1)[:9000] + b"\xff\xd9")
        (pictures / "whole.tif").write_bytes(cv2.imencode(".tif", part)[1].tobytes())
        with open(bytes(pictures) + b"/pr\xfcf.jpg", "wb") as file:  # noqa: PTH123
            file.write(jpeg(part))
        with (pictures / "share.bmp").open("wb") as file:
            file.truncate(len(bmp))
            file.write(bmp[: len(bmp) // 2])
            file.flush()
            time.sleep(1.0)
            file.write(bmp[len(bmp) // 2 :])
        daemon.wait_for(lambda p: count_of(p, "belt") >= 5, "five parts")
        time.sleep(2.5)
        assert daemon.stop() == 0
    found = {row["item"].rsplit(":", 2)[0]: row for row in rows(tmp_path / "data")}
    assert len(rows(tmp_path / "data")) == len(found) == 5
    bad = {name for name, row in found.items() if row["verdict"]["kind"] == "no_read"}
    assert bad == {"half.jpg", "scans.jpg"}


def test_one_picture_that_is_replaced_all_the_time_gives_results(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    stop = threading.Event()

    def replace() -> None:
        for number in itertools.count():
            (pictures / ".new").write_bytes(jpeg(photograph(320, 480)[number % 200 :]))
            (pictures / ".new").rename(pictures / "latest.jpg")
            if stop.wait(0.15):
                return

    camera = threading.Thread(target=replace)
    with Daemon(tmp_path, WATCHED) as daemon:
        camera.start()
        try:
            daemon.wait_for(lambda p: count_of(p, "belt") >= 5, "five parts")
        finally:
            stop.set()
            camera.join()
        assert daemon.stop() == 0
    found = rows(tmp_path / "data")
    assert len(found) >= 5
    assert {row["verdict"]["kind"] for row in found}.isdisjoint({"no_read"})
