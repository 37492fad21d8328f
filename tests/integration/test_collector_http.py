"""A real collector process, spoken to in plain HTTP."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.errors import ExitCode
from edge_runtime.types import Actuation, Addition, AdditionKind
from edge_runtime.wire.events import encode_event
from edge_runtime.wire.shape import entry_json
from tests.support.collector_process import (
    TOKEN,
    VARIABLE,
    CollectorProcess,
    running_collector,
)
from tests.support.sync_rows import result, tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.types import Media

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
BATCH = {"Content-Type": "application/cloudevents-batch+json", "Content-Encoding": "gzip"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with running_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


def ask(
    collector: CollectorProcess,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=10)
    try:
        connection.request(method, path, body, AUTHORIZED if headers is None else headers)
        answer = connection.getresponse()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )
    finally:
        connection.close()


def send(collector: CollectorProcess, *events: bytes) -> Any:
    body = gzip.compress(b"[" + b",".join(events) + b"]")
    status, _, answer = ask(
        collector, "POST", "/v1/events", body=body, headers={**AUTHORIZED, **BATCH}
    )
    assert status == 200, answer
    return json.loads(answer)


def event(device: str, seq: int, number: int | None = None, *media: Media) -> bytes:
    body = result(number if number is not None else seq, media=media)
    return encode_event(device=device, epoch="e", seq=seq, body=body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/health"),
        ("GET", "/v1/devices"),
        ("GET", "/v1/results"),
        ("GET", "/v1/results/a/b/1"),
        ("GET", "/v1/completeness?device=a"),
        ("POST", "/v1/hello"),
        ("POST", "/v1/events"),
        ("GET", "/v1/media/" + "0" * 64),
        ("PUT", "/v1/media/" + "0" * 64),
        ("GET", "/nowhere"),
    ],
)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"],
)
def test_nothing_is_answered_without_the_token(
    collector: CollectorProcess, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    status, answered, body = ask(collector, method, path, body=b"x", headers=headers)
    assert status == 401
    assert answered["www-authenticate"].startswith("Bearer")
    assert TOKEN.encode() not in body


def test_a_result_is_given_with_what_came_later_about_it(collector: CollectorProcess) -> None:
    later = Addition(lane="top", about=1, kind=AdditionKind.ACTUATION, at=result(1).captured,
                     actuation=Actuation(output="gate", action="pulse", acknowledged=True,
                                         latency_ms=7.5))  # fmt: skip
    told = encode_event(device="later", epoch="e", seq=2, body=later)
    send(collector, event("later", 1), told)
    found = collector.get("/results/later/e/1")
    assert [row["seq"] for row in found["later"]] == [2]
    assert found["later"][0]["actuation"]["output"] == "gate"
    assert found["later"][0]["type"] == "edge.actuation.v1"
    assert collector.get("/results/later/e/2")["later"] == []


def test_health_says_which_protocol_it_speaks(collector: CollectorProcess) -> None:
    assert collector.get("/health")["protocol"] == 1


def test_results_can_be_filtered_and_read_one_by_one(collector: CollectorProcess) -> None:
    send(collector, *(event("filtered", n) for n in range(1, 10)))
    found = collector.get("/results?device=filtered&verdict=reject&lane=top&label=scratch")
    assert [row["seq"] for row in found["results"]] == [3, 6, 9]
    assert found["results"][0]["event"]["data"]["source_seq"] == 3
    assert found["results"][0] == {
        **entry_json(3, "e", result(3)),
        **{k: found["results"][0][k] for k in ("position", "device", "received_wall_ns")},
        "kind": "result",
        "event": found["results"][0]["event"],
    }
    lean = collector.get("/results?device=filtered&verdict=reject&event=0")["results"]
    assert [row["seq"] for row in lean] == [3, 6, 9]
    assert not any("event" in row for row in lean)
    following = collector.get(f"/results?device=filtered&limit=3&after={found['next']}")
    assert following["results"] == []
    one = collector.get("/results/filtered/e/4")
    assert one["event"]["id"] == "e/4"
    assert one["kind"] == "result"
    assert ask(collector, "GET", "/v1/results/filtered/e/99")[0] == 404
    assert ask(collector, "GET", "/v1/results/filtered/e/" + "9" * 30)[0] == 404


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=-1", "limit=99999", "after=" + "9" * 40, "verdikt=reject", "after=1e3"],
)
def test_a_question_that_makes_no_sense_is_a_400_that_says_what(
    collector: CollectorProcess, query: str
) -> None:
    status, _, body = ask(collector, "GET", f"/v1/results?{query}")
    assert status == 400
    assert b"results: " in body


def test_completeness_counts_from_the_rows(collector: CollectorProcess) -> None:
    hello = {"device": "whole", "epoch": "e", "max_seq": 6}
    assert ask(collector, "POST", "/v1/hello", body=json.dumps(hello).encode())[0] == 200
    stone = encode_event(device="whole", epoch="e", seq=3, body=tombstone(3))
    send(collector, event("whole", 1), event("whole", 2), stone)
    report = collector.get("/completeness?device=whole")
    assert not report["complete"]
    assert report["epochs"][0]["missing"] == [[4, 6]]
    send(collector, *(event("whole", n) for n in (4, 5, 6)))
    report = collector.get("/completeness?device=whole")
    assert report["complete"]
    assert (report["epochs"][0]["results"], report["epochs"][0]["tombstones"]) == (5, 1)
    assert ask(collector, "GET", "/v1/completeness?device=nobody")[0] == 404
    assert ask(collector, "GET", "/v1/completeness")[0] == 400


def test_a_hello_is_answered_with_limits_and_the_time(collector: CollectorProcess) -> None:
    body = json.dumps({"device": "d", "epoch": "e", "from_the_future": [1]}).encode()
    status, _, answer = ask(collector, "POST", "/v1/hello", body=body)
    said = json.loads(answer)
    assert status == 200
    assert said["batch_media_type"] == "application/cloudevents-batch+json"
    assert said["encodings"] == ["gzip"]
    assert said["limits"]["max_events"] == 1000
    assert said["server_time"].endswith("Z")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"device": "../x", "epoch": "e"}',
        b'{"device": "d", "epoch": ""}',
        b'{"device": "d", "epoch": "e", "max_seq": -1}',
        b'{"device": "d", "epoch": "e", "max_seq": 10000000000000000000000}',
        b'{"device": "d", "epoch": "e", "quarantined": [[1, 99999999999999999999]]}',
        b'{"device": "d", "epoch": "e", "acked": [[1]]}',
    ],
)
def test_a_hello_that_makes_no_sense_is_a_400(collector: CollectorProcess, body: bytes) -> None:
    status, _, answer = ask(collector, "POST", "/v1/hello", body=body)
    assert status == 400
    assert json.loads(answer)["error"].startswith("hello: ")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[]", {}, 415),
        (b"[]", {"Content-Type": "application/json"}, 415),
        (b"[]", {**BATCH}, 400),
        (b"[]", {**BATCH, "Content-Encoding": "br"}, 415),
        (gzip.compress(b"{}"), {**BATCH}, 400),
        (gzip.compress(bytes(40 << 20)), {**BATCH}, 413),
        (bytes((1 << 20) + 1), {**BATCH}, 413),
        (b"[]", {**BATCH, "Content-Encoding": ""}, 200),
    ],
)
def test_a_batch_that_cannot_be_read_gets_a_status_and_a_line(
    collector: CollectorProcess, body: bytes, headers: dict[str, str], status: int
) -> None:
    found, _, answer = ask(
        collector, "POST", "/v1/events", body=body, headers={**AUTHORIZED, **headers}
    )
    assert found == status
    assert status == 200 or json.loads(answer)["error"]


def test_a_body_without_end_is_refused_at_the_limit(collector: CollectorProcess) -> None:
    """Chunked, so that no length warns the collector."""

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(64 << 10)

    connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=10)
    try:
        connection.request("POST", "/v1/events", endless(), {**AUTHORIZED, **BATCH})
        status = connection.getresponse().status
    except ConnectionError:
        status = 413  # it hung up while we were still sending: as good an answer
    finally:
        connection.close()
    assert status == 413
    assert collector.get("/health")["status"] == "ok"


def test_media_come_back_with_their_type_and_nothing_else_is_served(
    collector: CollectorProcess,
) -> None:
    data = os.urandom(300_000)
    sha256 = hashlib.sha256(data).hexdigest()
    path = f"/v1/media/{sha256}"
    assert ask(collector, "HEAD", path)[0] == 404
    image = {**AUTHORIZED, "Content-Type": "image/jpeg"}
    assert ask(collector, "PUT", path, body=data, headers=image)[0] == 201
    assert ask(collector, "PUT", path, body=data, headers=image)[0] == 200
    status, headers, body = ask(collector, "GET", path)
    assert (status, body) == (200, data)
    assert headers["content-type"] == "image/jpeg"
    assert headers["x-content-type-options"] == "nosniff"
    assert ask(collector, "HEAD", path)[0] == 200


def test_a_page_in_disguise_is_handed_out_as_plain_bytes(collector: CollectorProcess) -> None:
    data = b"<script>alert(1)</script>"
    path = f"/v1/media/{hashlib.sha256(data).hexdigest()}"
    page = {**AUTHORIZED, "Content-Type": "text/html"}
    assert ask(collector, "PUT", path, body=data, headers=page)[0] == 201
    _, headers, _ = ask(collector, "GET", path)
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "A" * 64, "0" * 63, "0" * 65, "g" * 64, "lock"]
)
def test_a_name_that_is_no_sha256_is_nowhere(collector: CollectorProcess, name: str) -> None:
    for method in ("GET", "PUT", "HEAD"):
        assert ask(collector, method, f"/v1/media/{name}", body=b"x")[0] == 404


def test_media_that_are_not_what_their_name_says_are_a_422_and_not_kept(
    collector: CollectorProcess,
) -> None:
    path = "/v1/media/" + hashlib.sha256(b"promised").hexdigest()
    status, _, body = ask(collector, "PUT", path, body=b"something else")
    assert status == 422
    assert b"sha256" in body
    assert ask(collector, "HEAD", path)[0] == 404
    assert not list(collector.data_dir.glob("media/*/*.part"))


def test_media_that_are_too_large_are_refused_by_their_length(collector: CollectorProcess) -> None:
    connection = socket.create_connection(("127.0.0.1", collector.port), timeout=10)
    with connection:
        head = (
            f"PUT /v1/media/{'0' * 64} HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {TOKEN}\r\ncontent-length: {1 << 40}\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_an_upload_that_breaks_off_leaves_nothing_behind(collector: CollectorProcess) -> None:
    path = "/v1/media/" + hashlib.sha256(b"broken off").hexdigest()
    with socket.create_connection(("127.0.0.1", collector.port), timeout=10) as connection:
        head = (
            f"PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
            "content-length: 5000000\r\n\r\n"
        )
        connection.sendall(head.encode() + bytes(2_000_000))
    assert ask(collector, "HEAD", path)[0] == 404
    for _ in range(100):
        if not list(collector.data_dir.glob("media/*/*.part")):
            break
        SYSTEM_CLOCK.wait(threading.Event(), 0.05)
    else:
        pytest.fail("the half file is still there")


def test_wrong_paths_and_methods_are_answered_in_json(collector: CollectorProcess) -> None:
    assert ask(collector, "GET", "/v1/nowhere")[0] == 404
    assert ask(collector, "DELETE", "/v1/events")[0] == 405
    status, _, body = ask(collector, "GET", "/v1/events")
    assert status == 405
    assert json.loads(body)["error"]


def test_what_was_acknowledged_survives_a_kill_9(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path)
    seen = 0
    for life in range(3):
        collector.start()
        for _ in range(5):
            receipt = send(collector, *(event("k", seen + n) for n in range(1, 41)))
            assert receipt["acked"] == [[seen + 1, seen + 40]]
            seen += 40
        collector.kill()
        assert life < 3
    collector.start()
    assert len(collector.keys()) == seen == 600
    assert collector.stop() == 0


def test_a_stop_is_in_order_and_leaves_the_port_free(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path)
    collector.start()
    send(collector, event("s", 1))
    assert collector.stop() == 0
    collector.start()
    assert len(collector.keys()) == 1
    assert collector.stop() == 0


def failing(data_dir: Path, *arguments: str, token: str | None = TOKEN) -> tuple[int, str]:
    environment = {**os.environ, VARIABLE: token} if token is not None else dict(os.environ)
    done = subprocess.run(
        [sys.executable, "-m", "edge_runtime", "collector", "--data", str(data_dir), *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        env=environment,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = failing(tmp_path, "--listen", f"127.0.0.1:{port}", "--token-env", VARIABLE)
    assert code == ExitCode.UNAVAILABLE
    assert f"port {port}" in line
    assert line.count("\n") == 1


def test_a_second_collector_in_the_same_folder_is_one_clear_line(tmp_path: Path) -> None:
    with running_collector(tmp_path):
        code, line = failing(tmp_path, "--listen", "127.0.0.1:0", "--token-env", VARIABLE)
    assert code == ExitCode.LOCKED
    assert "another collector" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    code, line = failing(tmp_path / "x", "--listen", "127.0.0.1:0", "--token-env", VARIABLE)
    tmp_path.chmod(stat.S_IRWXU)
    assert code == ExitCode.CANNOT_CREATE
    assert "cannot be written" in line


def test_a_file_where_the_folder_should_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    code, line = failing(tmp_path / "x/y", "--listen", "127.0.0.1:0", "--token-env", VARIABLE)
    assert code == ExitCode.CANNOT_CREATE
    assert "cannot be written" in line


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "collector.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    code, line = failing(tmp_path, "--listen", "127.0.0.1:0", "--token-env", VARIABLE)
    assert code == ExitCode.CONFIG
    assert "newer version" in line


def test_a_database_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "collector.db").write_bytes(b"not a database at all" * 500)
    code, line = failing(tmp_path, "--listen", "127.0.0.1:0", "--token-env", VARIABLE)
    assert code == ExitCode.IO_ERROR
    assert "collector.db" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("--listen", "127.0.0.1:0", "--token-env", "NOT_SET_ANYWHERE"),
        ("--listen", "0.0.0.0:0", "--insecure-no-token"),
        ("--listen", "nonsense", "--token-env", VARIABLE),
        ("--listen", "127.0.0.1:99999", "--token-env", VARIABLE),
        ("--listen", "127.0.0.1:0", "--token-env", VARIABLE, "--token-file", "/x"),
        ("--listen", "203.0.113.1:0", "--token-env", VARIABLE),
    ],
)
def test_a_command_line_that_cannot_work_is_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    code, line = failing(tmp_path, *arguments)
    assert code == ExitCode.USAGE
    assert line.count("\n") == 1


def test_without_a_token_it_answers_this_machines_programs_and_no_web_page(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", "collector", "--data", str(tmp_path), "--listen",
         "127.0.0.1:0", "--insecure-no-token", "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    open_one = CollectorProcess(tmp_path)
    try:
        open_one.port = int(json.loads(process.stdout.readline())["listening"].split(":")[2][:-3])
        assert ask(open_one, "GET", "/v1/health", headers={})[0] == 200
        local = {"Host": f"localhost:{open_one.port}"}
        assert ask(open_one, "GET", "/v1/health", headers=local)[0] == 200
        rebound = {"Host": f"evil.example:{open_one.port}"}
        assert ask(open_one, "GET", "/v1/health", headers=rebound)[0] == 403
        page = {"Origin": "https://evil.example"}
        assert ask(open_one, "GET", "/v1/health", headers=page)[0] == 403
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def test_asyncio_can_see_that_the_listener_is_tcp() -> None:
    """Else it leaves Nagle's algorithm on, and every answer with a body takes 40 ms longer."""
    from edge_runtime.collector.server import _bind

    with _bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
