"""What a camera answered, in words."""

from __future__ import annotations

import http.client

import pytest

from edge_runtime.capture.http_login import Challenge
from edge_runtime.capture.http_words import Body, body_kind, body_problem, status_problem, trouble


@pytest.mark.parametrize(
    ("kind", "first", "body"),
    [
        ("multipart/x-mixed-replace", b"--frame\r\n", "multipart"),
        ("multipart/mixed", b"\r\nContent-Type: image/jpeg\r\n", "multipart"),
        ("", b"--frame\r\nContent-Type", "multipart"),
        ("video/x-motion-jpeg", b"--frame\r\nContent-Type", "multipart"),
        ("text/plain", b"--frame\r\nContent-Type", "multipart"),
        ("", b"\xff\xd8\xff\xe0", "jpeg"),
        ("image/jpeg", b"\xff\xd8\xff\xe0", "jpeg"),
        ("application/octet-stream", b"\xff\xd8\xff\xe0", "jpeg"),
        ("image/png", b"\x89PNG\r\n\x1a\n", "picture"),
        ("image/bmp", b"BM\0\0", "picture"),
        ("image/webp", b"RIFF\0\0\0\0WEBP", "picture"),
        ("video/mp2t", b"\x47\x40", "container"),
        ("", b"\x47\x40", "container"),
        ("video/x-flv", b"FLV\1", "container"),
        ("application/vnd.apple.mpegurl", b"#EXTM3U", "playlist"),
        ("text/html", b"<html>", "page"),
        ("", b"\n<!DOCTYPE html>", "page"),
        ("application/json", b'{"error": 1}', "page"),
        ("image/jpeg", b"", "empty"),
        ("application/pdf", b"%PDF", "unknown"),
    ],
)
def test_the_first_bytes_tell_what_an_answer_holds(kind: str, first: bytes, body: Body) -> None:
    assert body_kind(kind, first) == body
    problem = body_problem(body, kind, first)
    assert bool(problem) == (body in ("playlist", "page", "empty", "unknown"))
    assert not problem or (kind or "of no type" in problem) or kind in problem


def test_a_page_is_told_with_its_title() -> None:
    told = body_problem("page", "text/html", b"<html><TITLE>\n IPC  Login</TITLE>x")
    assert "a web page (text/html)" in told
    assert "'IPC Login'" in told


@pytest.mark.parametrize(
    ("status", "told"),
    [(403, "may not see"), (404, "nothing at this path"), (461, "transport"), (503, "busy")],
)
def test_the_status_is_told_with_what_to_do(status: int, told: str) -> None:
    said = status_problem(status, "Some Phrase", offered=[], has_login=True)
    assert f"answered {status} (Some Phrase): " in said
    assert told in said


def test_a_refused_login_tells_whether_one_was_given_and_which_way_is_wanted() -> None:
    digest = [Challenge("digest", {"nonce": "1"})]
    wants = status_problem(401, "Unauthorized", offered=digest, has_login=False)
    assert "wants a user and a password" in wants
    refused = status_problem(401, "Unauthorized", offered=digest, has_login=True)
    assert "refuses this user or password" in refused
    other = status_problem(401, "", offered=[Challenge("ntlm")], has_login=True)
    assert "by ntlm; Basic and Digest are spoken here" in other


def test_a_title_a_phrase_and_a_line_that_repeat_the_password_are_shown_without_it() -> None:
    secrets = ("Hunter2",)
    page = b"<title>" + b"x" * 55 + b" Hunter2</title>"
    told = [
        body_problem("page", "text/html", page, secrets),
        body_problem("unknown", "x/hunter2", b"??", secrets),
        status_problem(401, "No Hunter2", offered=(), has_login=True, secrets=secrets),
        trouble(http.client.BadStatusLine("Hunter2 away"), "cam", 80, secrets),
    ]
    assert not [one for one in told if "hunt" in one.lower()]
    assert all("***" in one for one in told)
