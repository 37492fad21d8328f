"""Every row of "Cameras over HTTP" and "Addresses of cameras" in docs/inputs.md, run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.capture import open_source
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture, Lane
from edge_runtime.config.part_checks import source_problems
from edge_runtime.errors import ItemError, SourceUnavailable
from edge_runtime.protocols import LeavesOut
from tests.support.data import PROJECT
from tests.support.odd_camera import (
    MIXED,
    answer,
    asks_for_digest,
    cut_in_half,
    noisy,
    part,
    says,
    streams,
)
from tests.support.plain_jpeg import jpeg_of
from tests.support.raw_server import RawServer, read_request

if TYPE_CHECKING:
    import socket
    import threading

    from tests.support.raw_server import Conversation

TEXT = (PROJECT / "docs" / "inputs.md").read_text("utf-8")


def table(title: str) -> list[list[str]]:
    text = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


def hang_up(_: socket.socket, __: threading.Event) -> None:
    pass


def stream(*pieces: bytes, kind: str = MIXED) -> Conversation:
    return streams(pieces, kind=kind, fps=10, then=hang_up)


def chunked(*pieces: bytes) -> Conversation:
    def talk(connection: socket.socket, _: threading.Event) -> None:
        read_request(connection)
        head = answer("200 OK", f"Content-Type: {MIXED}", "Transfer-Encoding: chunked")
        whole = b"".join(pieces)
        cut = [whole[at : at + 700] for at in range(0, len(whole), 700)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in cut)
        connection.sendall(head + body + b"0\r\n\r\n")

    return talk


def still(jpeg: bytes) -> bytes:
    length = f"Content-Length: {len(jpeg)}"
    return answer("200 OK", "Content-Type: image/jpeg", length, body=jpeg)


def refuses(status: str) -> Conversation:
    challenge = 'WWW-Authenticate: Digest realm="c", nonce="1", qop="auth"'
    return says(*[answer(status, challenge, "Content-Length: 0")] * 3)


def redirects(target: str, times: int) -> Conversation:
    return says(*[answer("302 Found", f"Location: {target}", "Content-Length: 0")] * times)


A, B, C = (noisy(60, seed=n, width=320, height=240) for n in range(3))
PARTS = [part(jpeg) for jpeg in (A, B, C)]
TALL = noisy(60, seed=9, width=48, height=64)
GREY = jpeg_of(np.random.default_rng(1).integers(0, 255, (48, 64), np.uint8))
PNG = part(cv2.imencode(".png", np.full((8, 8, 3), 9, np.uint8))[1].tobytes(), kind="image/png")
HEAD = answer("200 OK", f"Content-Type: {MIXED}", "Connection: close")
PAGE = b"<html><title>IPC Login</title></html>"
TEXTS = part(b"hello", kind="text/plain")

CAMERAS: dict[str, Conversation] = {
    "motion JPEG": stream(*PARTS),
    "motion JPEG whose lengths are 10 bytes short": stream(*(part(j, wrong=-10) for j in (A, B))),
    "motion JPEG whose lengths are 10 bytes too long": stream(*(part(j, wrong=10) for j in (A, B))),
    "motion JPEG without lengths": stream(*(part(j, wrong=None) for j in (A, B))),
    "motion JPEG without a type in its answer": stream(*PARTS, kind=""),
    "motion JPEG whose boundary is another than was told": stream(
        *PARTS, kind="multipart/x-mixed-replace; boundary=other"
    ),
    "motion JPEG whose boundary has its dashes told, too": stream(
        *PARTS, kind="multipart/x-mixed-replace; boundary=--frame"
    ),
    "motion JPEG without a first boundary": stream(
        PARTS[0].removeprefix(b"--frame\r\n"), *PARTS[1:]
    ),
    "motion JPEG with lines that end in LF alone": stream(
        *(each.replace(b"\r\n", b"\n") for each in PARTS)
    ),
    "motion JPEG in chunks": chunked(*PARTS),
    "motion JPEG whose pictures change their size": stream(PARTS[0], part(TALL), PARTS[1]),
    "motion JPEG in grey": stream(part(GREY), part(GREY)),
    "PNG in motion": stream(PNG, PNG),
    "bare JPEGs, one behind the other": stream(A, B, C, kind="image/jpeg"),
    "a still picture": says(still(A), still(B)),
    "a still picture behind a redirect": says(
        answer("302 Found", "Location: /real", "Content-Length: 0"), still(A), still(B)
    ),
    "a camera that wants a digest": asks_for_digest(
        "line3", "geheim7", algorithm="SHA-256", body=HEAD + b"".join(PARTS)
    ),
    "a picture that lost its second half and has its end": stream(
        PARTS[0], part(cut_in_half(B)), PARTS[2]
    ),
    "a picture that lost its second half and its end": stream(
        PARTS[0], part(B[: len(B) // 2]), PARTS[2]
    ),
    "a picture with a run of zeros": stream(
        PARTS[0], part(B[:-3000] + bytes(2400) + B[-600:]), PARTS[2]
    ),
    "a part of length 0": stream(PARTS[0], part(b""), PARTS[1]),
    "a part of text": stream(PARTS[0], TEXTS, PARTS[1]),
    "answer 401, no user given": refuses("401 Unauthorized"),
    "answer 401, wrong password": refuses("401 Unauthorized"),
    "answer 403": refuses("403 Forbidden"),
    "answer 404": refuses("404 Not Found"),
    "answer 503": refuses("503 Service Unavailable"),
    "a web page": says(answer("200 OK", "Content-Type: text/html", body=PAGE)),
    "a playlist (HLS)": says(
        answer("200 OK", "Content-Type: application/x-mpegurl", body=b"#EXTM3U\n")
    ),
    "an answer without a byte": says(answer("200 OK", "Content-Type: image/jpeg")),
    "no answer": says(b""),
    "another protocol": says(b"RTSP/1.0 400 Bad Request\r\n\r\n"),
    "a redirect to a file": redirects("file:/etc/hostname", 1),
    "redirects in a circle": redirects("/again", 20),
    "nothing but parts of text": streams([TEXTS] * 3),
    "a picture now and then (triggered)": streams(PARTS[:2]),
    "a stream that ends": stream(*PARTS),
    "one picture for ever": streams([PARTS[0]] * 100, fps=20),
}
LOGINS = {"answer 401, wrong password": "u:p@", "a camera that wants a digest": "line3:geheim7@"}
SETTINGS: dict[str, dict[str, Any]] = {
    "nothing but parts of text": {"open_timeout_s": 1.0},
    "a picture now and then (triggered)": {"read_timeout_s": 1.0},
    "one picture for ever": {"stale_s": 0.5},
}


def test_every_kind_of_camera_stands_in_the_table_once() -> None:
    assert [row[0] for row in table("Cameras over HTTP")] == list(CAMERAS)


@pytest.mark.parametrize("row", table("Cameras over HTTP"), ids=lambda row: row[0])
def test_a_camera_does_what_the_table_has(row: list[str]) -> None:
    what, becomes, said = row
    seen, bad, away = 0, [], ""
    capture = {"fps": 20.0, "open_timeout_s": 8.0, "read_timeout_s": 8.0, **SETTINGS.get(what, {})}
    with RawServer(CAMERAS[what]) as server:
        url = server.url.replace("//", "//" + LOGINS.get(what, ""))
        source = open_source(url, Capture(**capture), is_camera=True, clock=SYSTEM_CLOCK)
        try:
            source.open()
            while becomes == "away" or seen < 3:  # a still picture never ends
                try:
                    seen += source.read() is not None
                except ItemError as exc:
                    bad.append(str(exc))
        except SourceUnavailable as exc:
            away = str(exc)
        finally:
            source.close()
        assert isinstance(source, LeavesOut)
        passed_over = source.left_out().parts
    told = {"bad item": bad, "away": [away]}.get(becomes, [])
    assert all(said.strip('"') in each for each in told)
    assert (len(bad) == 1) == (becomes == "bad item")
    assert (passed_over > 0) == (becomes == "passed over" or "parts of text" in what)
    assert seen or becomes == "away"


@pytest.mark.parametrize("row", table("Addresses of cameras"), ids=lambda row: row[0])
def test_an_address_that_can_never_open_is_refused_as_the_table_has_it(row: list[str]) -> None:
    address, said = row[0].strip("`"), row[1].strip('"')
    (problem,) = source_problems("lanes.top", Lane(source=address))
    assert said in problem
    assert re.search(r"Secret|Top", problem) is None
