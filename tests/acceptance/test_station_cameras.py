"""Network cameras that misbehave, on the running daemon: what reaches the line and the records."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import Daemon, run
from tests.support.odd_camera import MIXED, answer, cut_in_half, noisy, part
from tests.support.raw_server import RawServer, read_request
from tests.support.station import (
    COIL,
    KEEP_ALL,
    SAFE_COIL,
    WITH_GATE,
    Plc,
    gate_table,
    half_bundle,
    lane_table,
    rows,
    verdicts,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.raw_server import Conversation

GOOD, BAD = 60, 230
FPS = 10
DAMAGED_EACH = 5
TIMES = "capture = { read_timeout_s = 2.0, open_timeout_s = 2.0 }"


def stills(connection: socket.socket, _: threading.Event) -> None:
    """A camera that gives one picture a question."""
    for number in itertools.count():
        if not read_request(connection):
            return
        jpeg = noisy(GOOD, seed=number)
        length = f"Content-Length: {len(jpeg)}"
        connection.sendall(answer("200 OK", "Content-Type: image/jpeg", length, body=jpeg))


def mixed(parts: Iterator[bytes]) -> Conversation:
    def talk(connection: socket.socket, stop: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer("200 OK", f"Content-Type: {MIXED}", "Connection: close"))
        for each in parts:
            connection.sendall(each)
            if stop.wait(1 / FPS):
                return

    return talk


def test_a_still_picture_camera_is_judged_and_does_not_rattle_the_outputs(tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")
    with Plc() as plc, RawServer(stills) as camera:
        lane = lane_table("top", camera.url, "capture = { fps = 5 }", WITH_GATE)
        with Daemon(tmp_path, lane + gate_table(plc.port)) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("pass", 0) >= 10, "10 parts")
            assert set(verdicts(daemon.status() or {}, "top")) == {"pass"}
            # Held from the first connection on, and let go of once.
            assert [edge.value for edge in plc.edges(SAFE_COIL)] == [1, 0]
            assert plc.pulses(COIL) == []
    assert camera.connections == 1


def test_damaged_pictures_of_a_stream_are_no_read_and_act_and_none_is_judged(
    tmp_path: Path,
) -> None:
    """The bad parts' pictures lost their lower half, which a decoder fills from the good ones."""
    half_bundle(tmp_path / "left", "left")
    size = {"width": 320, "height": 240}

    def pictures() -> Iterator[bytes]:
        for number in itertools.count(1):
            damaged = cut_in_half(noisy(BAD, seed=number, **size))
            good = noisy(GOOD, seed=number, **size)
            yield part(good if number % DAMAGED_EACH else damaged)

    with Plc() as plc, RawServer(mixed(pictures())) as camera:
        lane = lane_table("top", camera.url, TIMES, WITH_GATE, KEEP_ALL)
        with Daemon(tmp_path, lane + gate_table(plc.port)) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("no_read", 0) >= 6, "6 no_reads")
            daemon.wait_for(lambda p: p["lanes"][0]["bad_items"] >= 6, "6 bad items")
            counted = daemon.lane("top")["counters"]
            seen = verdicts(daemon.status() or {}, "top")
            assert daemon.lane("top")["state"] == "running"
            assert len(plc.pulses(COIL)) >= 5
            assert plc.edges(SAFE_COIL)[-1].value == 0
    assert set(seen) == {"pass", "no_read"}
    assert counted["opened"] == 1, "the stream is not opened anew at each"
    kinds = Counter(row.verdict.kind.value for row in rows(daemon.data, "top"))
    assert set(kinds) == {"pass", "no_read"}


SECRET = "TopSecret1"


@pytest.mark.parametrize(
    "address",
    [
        "http://admin:{secret}@{place}/video",
        "http://admin:Top%2F{secret}@{place}/video",
        "http://{place}/user=admin&password={secret}&channel=1",
        "http://{place}/snapshot.cgi?user=admin&pwd={secret}",
        "rtsp://admin:{secret}@{place}/h264",
        "rtsp://{place}/user=admin&password={secret}&channel=1&stream=0.sdp?real_stream",
    ],
)
def test_no_password_of_a_camera_leaves_the_config(address: str, tmp_path: Path) -> None:
    half_bundle(tmp_path / "left", "left")

    def refuses(connection: socket.socket, _: threading.Event) -> None:
        read_request(connection)
        connection.sendall(answer("403 Forbidden", "Content-Length: 0"))

    with RawServer(refuses) as camera:
        place = f"127.0.0.1:{camera.port}"
        source = address.format(secret=SECRET, place=place)
        with Daemon(tmp_path, lane_table("top", source, TIMES)) as daemon:
            daemon.wait_for(lambda p: verdicts(p, "top").get("no_read", 0), "the camera is away")
            shown = json.dumps(daemon.status())
            for words in (
                ("status", "--json", "--data", daemon.data),
                ("status", "--data", daemon.data),
                ("doctor", "--config", daemon.config),
                ("config", "show", daemon.config),
                ("config", "check", daemon.config),
                ("results", "list", "--json", "--data", daemon.data),
            ):
                told = run(*words)
                shown += told.stdout + told.stderr
        shown += run("doctor", "--config", daemon.config).stdout
    stored = b"".join(each.read_bytes() for each in daemon.data.rglob("*") if each.is_file())
    assert place in shown
    assert SECRET not in shown
    assert SECRET not in daemon.log.read_text()
    assert SECRET.encode() not in stored


@pytest.mark.parametrize("char", ["/", "?", "#"])
def test_an_address_that_can_never_open_is_refused_with_how_to_write_it(
    char: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    source = f"rtsp://admin:Top{char}{SECRET}@127.0.0.1:5541/h264"
    config.write_text('[device]\nid = "tested"\n' + lane_table("top", source))
    told = run("config", "check", config)
    assert told.returncode == 78
    assert f"write %{ord(char):02X} for {char}" in told.stderr
    assert "lanes.top.source" in told.stderr
    assert SECRET not in told.stdout + told.stderr
