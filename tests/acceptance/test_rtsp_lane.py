"""A lane at an RTSP camera that loses packets: no damaged picture is judged, each is told."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.types import VerdictKind
from tests.support.daemon import Daemon
from tests.support.h264 import encoded
from tests.support.rtsp_camera import Behaviour, RtspCamera
from tests.support.station import half_bundle, lane_table, rows, verdicts


def test_pictures_behind_a_lost_packet_are_no_read_and_those_behind_a_key_picture_are_judged(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    does = Behaviour(
        fps=10, drops=lambda picture, packet, of: picture % 20 == 15 and packet == of // 2
    )
    with RtspCamera(encoded(200), does) as camera:
        with Daemon(tmp_path, lane_table("top", camera.url)) as daemon:
            picture = daemon.wait_for(
                lambda p: verdicts(p, "top").get("no_read", 0) >= 12, "pictures that are bad"
            )
            assert daemon.stop() == 0
        log = daemon.log.read_text()
    assert picture["lanes"][0]["bad_items"] >= 6  # told twice a second
    assert picture["lanes"][0]["gauges"]["lost_packets"] >= 1
    found = rows(tmp_path / "data")
    bad = [row for row in found if row.verdict.kind is VerdictKind.NO_READ]
    assert len(bad) >= 12
    assert all("nothing counts before the next key frame" in str(row.verdict.reason) for row in bad)
    assert len(found) - len(bad) >= 10
    assert log.count("bad_item reason=") <= 2


def test_what_an_rtsp_camera_refuses_stands_in_status_with_what_to_do(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with RtspCamera(encoded(20), Behaviour(refuses="TCP")) as camera:
        url = camera.url.replace("//", "//line3:geheim7@")
        with Daemon(tmp_path, lane_table("top", url)) as daemon:
            picture = daemon.wait_for(lambda p: p["lanes"][0]["detail"], "why it is away")
            assert daemon.stop() == 0
    told = picture["lanes"][0]["detail"]
    assert "the camera wants UDP and refuses TCP (461); set capture.transport" in told
    assert "geheim7" not in str(picture)
