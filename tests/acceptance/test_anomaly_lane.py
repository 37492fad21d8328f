"""A camera lane with a map of what is wrong, on a part of each picture: to the media on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.types import Result
from tests.support.daemon import Daemon
from tests.support.models import write_bundle
from tests.support.picture_heads import anomaly_onnx

SIDE = 64
LANE = """
[lanes.top]
source = "folder:./parts"
model = "./bright"
gate = { roi = [0.25, 0.0, 0.75, 1.0] }
rules = { reject = { bright = 0.6 } }
media = { keep = ["pass", "reject"] }
"""


def write_part(folder: Path, name: str, spot: tuple[int, int]) -> None:
    """640 x 480, dark, with a spot of 40 x 40 px whose corner is `spot`, and a white border."""
    pixels = np.full((480, 640, 3), 40, np.uint8)
    pixels[:, :100] = 255  # the border of a phone, outside of the region of interest
    x, y = spot
    pixels[y : y + 40, x : x + 40] = 255
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / name), pixels)


def test_only_the_region_of_interest_decides_and_its_heat_is_in_the_overlay(
    tmp_path: Path,
) -> None:
    write_part(tmp_path / "parts", "bad.png", (300, 200))
    write_part(tmp_path / "parts", "good.png", (560, 200))  # its spot is outside
    table = {
        "task": "anomaly",
        "labels": ["bright"],
        "image": {"width": SIDE, "height": SIDE, "layout": "NCHW"},
    }
    write_bundle(tmp_path / "bright", anomaly_onnx(SIDE), table, file="m.onnx")
    with Daemon(tmp_path, LANE, "--until-done") as daemon:
        code, _ = daemon.finish()
        assert code == 0, daemon.log.read_text()
    with LedgerReader(tmp_path / "data") as ledger:
        entries = ledger.results(newest_first=False, limit=10)
        bad, good = (entry.body for entry in entries)
        files = {row.kind: row.path for row in ledger.media_of(entries[0].seq)}
    assert isinstance(bad, Result)
    assert isinstance(good, Result)
    assert [bad.verdict.kind, good.verdict.kind] == ["reject", "pass"]
    [region] = bad.regions
    cell_w, cell_h = 320 / SIDE, 480 / SIDE
    assert abs(region.x0 - 300) <= cell_w
    assert abs(region.x1 - 340) <= cell_w
    assert abs(region.y0 - 200) <= cell_h
    assert abs(region.y1 - 240) <= cell_h
    assert good.regions == ()
    frame, overlay = (cv2.imread(str(files[kind])) for kind in ("frame", "overlay"))
    assert frame is not None
    assert overlay is not None
    spot, outside = np.s_[215:225, 315:325], np.s_[300:400, 20:80]
    assert frame[spot].min() > 240
    assert overlay[spot][:, :, 0].max() < 120  # white glows red: little blue is left
    assert overlay[spot][:, :, 2].min() > 180
    assert overlay[outside].min() > 240  # what the model was not shown has no heat
