"""Token, CA file and forward proxy: wrong ones are told, corrected ones are taken at once."""

from __future__ import annotations

import http.server
import select
import shutil
import socket
import threading
from pathlib import Path

import pytest

from edge_runtime.config import load_config
from edge_runtime.config.secret import Secret
from edge_runtime.errors import AuthFailed, ConfigError, Offline
from edge_runtime.sync.http_connection import Timeouts
from edge_runtime.sync.transport_http import HttpTransport
from edge_runtime.wire.conversation import Greeting
from tests.support.certificate import make_certificate
from tests.support.collector_process import TOKEN, CollectorProcess, running_collector
from tests.support.daemon import run
from tests.support.sync_box import Box, assert_all_there_and_nothing_twice

PATIENT = Timeouts(connect_s=5.0, read_s=5.0, total_s=10.0)
GREETING = Greeting(device="box", epoch="e")
LONG_S = 40.0
HIDDEN = "s3cret-part"
BAD_FILES = {
    "byte order mark": b"\xef\xbb\xbf" + HIDDEN.encode() + b"\n",
    "two lines": HIDDEN.encode() + b"\nsecond-" + HIDDEN.encode() + b"\n",
    "two lines, Windows": HIDDEN.encode() + b"\r\nmore\r\n",
    "zero-width space": HIDDEN.encode() + "\u200b".encode(),
    "zero-width joiner inside": ("s3c\u200dret-part").encode(),
    "soft hyphen": ("s3c\u00adret-part").encode(),
    "escape": b"\x1b[31m" + HIDDEN.encode(),
    "line separator": ("s3cret\u2028part").encode(),
    "a letter that is not ASCII": ("s3cr\u00e9t-part").encode(),
    "a space inside": b"s3cret part",
    "UTF-16": HIDDEN.encode("utf-16"),
    "empty": b"\n",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_a_token_file_that_is_wrong_is_one_clear_error_without_the_token(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str], box: Box,
    collector: CollectorProcess,
) -> None:  # fmt: skip
    path = tmp_path / "token"
    path.write_bytes(content)
    box.write(5)
    child = box.sync(collector.url, token_file=path)
    child.wait_for(lambda: "auth_failed" in child.states(), LONG_S)
    beat = child.heartbeat()
    assert beat is not None
    assert "sync.token" in beat.detail
    assert child.process.poll() is None
    path.write_text(TOKEN + "\n")  # corrected: taken without a restart, and soon
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)
    child.stop()
    told = capfd.readouterr()
    shown = beat.detail + told.out + told.err
    for part in (HIDDEN, "s3c", "second-", "more"):
        assert part not in shown


def test_a_file_with_two_lines_is_named(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{HIDDEN}\nother\n")
    with pytest.raises(ConfigError, match="2 lines") as caught:
        Secret(file=str(path)).read()
    assert str(path) in str(caught.value)
    assert HIDDEN not in str(caught.value)


def test_a_token_with_odd_characters_is_refused_before_anything_is_sent() -> None:
    for odd in ("grün", "a b", "a\tb", "a\r\nb: c"):
        transport = HttpTransport("http://127.0.0.1:1/v1", token=lambda odd=odd: odd)  # type: ignore[misc]
        with pytest.raises(AuthFailed) as caught:
            transport.hello(GREETING)
        assert odd not in str(caught.value)
        transport.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
def test_a_renewed_ca_file_is_taken_without_a_restart(tmp_path: Path, box: Box) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    _, old = make_certificate(tmp_path / "old")
    key, new = make_certificate(tmp_path / "new")
    ca_file = tmp_path / "ca.pem"
    shutil.copy(old, ca_file)
    arguments = ("--tls-cert", str(new), "--tls-key", str(key))
    with running_collector(tmp_path / "data", *arguments) as collector:
        box.write(10)
        child = box.sync(
            collector.url, ca_file=str(ca_file), backoff_min_s=50.0, backoff_max_s=60.0
        )
        child.wait_for(lambda: child.counters().get("failures", 0) == 1, LONG_S)
        beat = child.heartbeat()
        assert beat is not None
        assert "certificate" in beat.detail
        ca_file.write_text("half a certi")  # being written
        shutil.copy(new, tmp_path / "ca.new")
        (tmp_path / "ca.new").rename(ca_file)
        child.wait_until_drained(box.folder, LONG_S)


class ForwardProxy:
    """CONNECT and absolute URLs; remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_CONNECT(self) -> None:
                proxy.asked.append(f"CONNECT {self.path}")
                host, _, port = self.path.partition(":")
                with socket.create_connection((host, int(port)), timeout=10) as far:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _both_ways(self.connection, far)
                self.close_connection = True

            def do_POST(self) -> None:
                import http.client
                from urllib.parse import urlsplit

                proxy.asked.append(f"POST {self.path}")
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers["content-length"]))
                far = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                far.request("POST", url.path, body, headers)
                got = far.getresponse()
                content = got.read()
                self.send_response(got.status)
                for name, value in got.getheaders():
                    if name.lower() != "content-length":
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                far.close()

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> ForwardProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


def _both_ways(near: socket.socket, far: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([near, far], [], [], 20)
        if not readable:
            return
        for one in readable:
            data = one.recv(65536)
            if not data:
                return
            (far if one is near else near).sendall(data)


def test_plain_http_goes_through_the_proxy_by_whole_urls(
    tmp_path: Path, box: Box, collector: CollectorProcess
) -> None:
    with ForwardProxy() as proxy:
        box.write(20)
        child = box.sync(collector.url, proxy=proxy.url)
        child.wait_until_drained(box.folder, LONG_S)
        assert proxy.asked[0] == f"POST {collector.url}/hello"
    assert_all_there_and_nothing_twice(box, collector)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_token(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with ForwardProxy() as proxy, running_collector(tmp_path / "data", *arguments) as collector:
        transport = HttpTransport(
            collector.url, token=lambda: TOKEN, ca_file=str(certificate), timeouts=PATIENT,
            proxy=proxy.url,
        )  # fmt: skip
        assert transport.hello(GREETING).instance
        assert proxy.asked == [f"CONNECT 127.0.0.1:{collector.port}"]
        transport.close()


def test_a_proxy_that_is_away_is_offline() -> None:
    transport = HttpTransport(
        "https://collector.example/v1", token=lambda: None, proxy="http://127.0.0.1:1"
    )
    with pytest.raises(Offline):
        transport.hello(GREETING)
    transport.close()


CONFIG = """
[device]
id = "box"
[lanes.a]
source = "folder:pictures"
model = "surface-defect"
[sync]
{sync}
token = {{ env = "T" }}
"""


@pytest.mark.parametrize(
    "sync",
    [
        'url = "http://collector.example/v1"',
        'url = "http://10.0.0.5:8780/v1"',
        'url = "http://127.0.0.1.example/v1"',
        'url = "http://[fd00::1]/v1"',
        'url = "http://0.0.0.0:8780/v1"',
    ],
)
def test_a_token_in_clear_to_another_host_is_refused_by_the_config(
    sync: str, tmp_path: Path
) -> None:
    path = tmp_path / "my.toml"
    path.write_text(CONFIG.format(sync=sync))
    with pytest.raises(ConfigError, match=r"sync\.plain_http"):
        load_config(path)
    told = run("config", "check", path)
    assert told.returncode == 78
    assert "sync.url" in told.stderr
    path.write_text(CONFIG.format(sync=sync + "\nplain_http = true"))
    assert load_config(path).sync


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:8/v1", "https://far/v1"]
)
def test_this_machine_and_https_may_have_it(url: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(CONFIG.format(sync=f'url = "{url}"'))
    assert load_config(path).sync


def test_a_password_in_the_proxys_url_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(
        CONFIG.format(sync='url = "https://far/v1"\nproxy = "http://user:hidden@proxy:3128"')
    )
    told = run("config", "check", path)
    assert told.returncode == 78
    assert "sync.proxy" in told.stderr
    assert "hidden" not in told.stderr + told.stdout
