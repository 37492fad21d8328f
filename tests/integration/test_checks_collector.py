"""doctor and the collector: a real hello with the token over the configured TLS."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edge_runtime import codes
from edge_runtime.checks import CheckResult, Status, station
from edge_runtime.checks.running import Daemon
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import load_config
from edge_runtime.config.tables import Ledger
from edge_runtime.field.simulator import PlcSimulator
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import LedgerWriter, PutResult, Refuse
from tests.support.certificate import make_certificate
from tests.support.collector_process import TOKEN, CollectorProcess
from tests.support.ledger import done, ledger, result

NO_DAEMON = Daemon(holds=False, result=CheckResult("daemon", Status.SKIP, ""))
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="makes its certificates with openssl"
)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    running = CollectorProcess(tmp_path / "collector")
    running.start()
    yield running
    running.stop()


def asked(folder: Path, url: str, *, token: str = TOKEN, more: str = "") -> CheckResult:
    """What doctor says of the collector at `url`."""
    (folder / "token").write_text(token)
    (folder / "belt.mp4").touch()
    config = folder / "config.toml"
    config.write_text(
        '[device]\nid = "press7"\ndata_dir = "data"\n'
        '[lanes.top]\nsource = "file:belt.mp4"\nmodel = "surface-defect"\n'
        f'[sync]\nurl = "{url}"\ntoken = {{ file = "token" }}\n{more}'
    )
    found = {each.name: each for each in station.sync(load_config(config), NO_DAEMON)}
    return found["collector"]


def devices_of(collector: CollectorProcess) -> list[str]:
    return [each["device"] for each in json.loads(json.dumps(collector.get("/devices")))["devices"]]


def test_a_collector_that_takes_the_token_is_ok_and_is_told_of_no_ledger_that_is_not(
    tmp_path: Path, collector: CollectorProcess
) -> None:
    told = asked(tmp_path, collector.url)
    assert told.status is Status.OK, told
    assert "answers and takes the token" in told.detail
    assert devices_of(collector) == []


def test_with_a_ledger_it_is_greeted_as_sync_would(
    tmp_path: Path, collector: CollectorProcess
) -> None:
    LedgerWriter.open(tmp_path / "data", "press7", Ledger(), SYSTEM_CLOCK).close()
    told = asked(tmp_path, collector.url)
    assert told.status is Status.OK, told
    assert "takes the hello and the token; it has results up to seq 0" in told.detail
    assert devices_of(collector) == ["press7"]


def test_a_wrong_token_fails_with_the_code_of_the_token(
    tmp_path: Path, collector: CollectorProcess
) -> None:
    told = asked(tmp_path, collector.url, token="another")
    assert (told.status, told.code) == (Status.FAIL, codes.SYNC_AUTH_FAILED)
    assert "put the collector's token where" in told.hint


@needs_openssl
def test_a_certificate_of_an_unknown_ca_fails_and_is_well_with_its_ca(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    secure = CollectorProcess(
        tmp_path / "collector",
        arguments=("--tls-cert", str(certificate), "--tls-key", str(key)),
    )
    secure.start()
    try:
        told = asked(tmp_path, secure.url)
        assert told.status is Status.FAIL, told
        assert "certificate" in told.detail
        assert "ca_file in [sync]" in told.hint
        well = asked(tmp_path, secure.url, more=f'ca_file = "{certificate}"\n')
        assert well.status is Status.OK, well
        plain = asked(tmp_path, secure.url.replace("https:", "http:"))
        assert plain.status is Status.FAIL, plain
    finally:
        secure.stop()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_plcs_port_is_no_collector(tmp_path: Path, scheme: str) -> None:
    with PlcSimulator("127.0.0.1", 0, on_write=lambda _: None, clock=SYSTEM_CLOCK) as plc:
        told = asked(tmp_path, f"{scheme}://127.0.0.1:{plc.port}/v1")
    assert told.status is Status.FAIL, told
    assert "[sync]" in told.hint


@pytest.mark.parametrize(("status", "expected"), [(404, Status.FAIL), (200, Status.FAIL),
                                                  (400, Status.FAIL), (422, Status.FAIL),
                                                  (302, Status.FAIL), (503, Status.WARN)])  # fmt: skip
def test_a_web_server_that_is_no_collector_fails_and_one_in_trouble_is_away(
    tmp_path: Path, status: int, expected: Status
) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        told = asked(tmp_path, f"http://127.0.0.1:{server.server_port}/v1")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert told.status is expected, told


def test_results_that_were_refused_for_good_fail_also_while_no_daemon_runs(tmp_path: Path) -> None:
    with ledger(tmp_path / "data") as writer, LedgerReader(tmp_path / "data") as reader:
        done(writer, PutResult(result()))
        done(writer, Refuse(reader.identity().epoch, ((1, "too_new", "schema 9"),)))
    asked(tmp_path, "http://127.0.0.1:1/v1")
    found = {
        each.name: each for each in station.sync(load_config(tmp_path / "config.toml"), NO_DAEMON)
    }
    told = found["collector refused"]
    assert (told.status, told.code) == (Status.FAIL, codes.SYNC_QUARANTINE)
    assert "1 entries were refused for good: seq 1: too_new schema 9" in told.detail
