"""Logging in to cameras: the examples of the RFCs, and what cameras make of them."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from edge_runtime.capture.http_login import Challenge, Login, challenges

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def fields(header: str) -> dict[str, str]:
    return {k: a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]*))', header)}


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_digest_is_what_the_rfc_says(algorithm: str) -> None:
    login = Login("Mufasa", "Circle of Life")
    assert login.take(challenges([RFC_7616.format(algorithm)]))
    told = fields(login.header("GET", "/dir/index.html") or "")
    # The RFC's own example has this client nonce; ours is random, so it is computed again.
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

    def h(text: str) -> str:
        return hashed(text.encode()).hexdigest()

    secret = h("Mufasa:http-auth@example.org:Circle of Life")
    asked = h("GET:/dir/index.html")
    middle = f"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v:00000001:{told['cnonce']}:auth"
    assert told["response"] == h(f"{secret}:{middle}:{asked}")
    assert told["uri"] == "/dir/index.html"
    assert told["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    again = fields(login.header("GET", "/dir/index.html") or "")
    assert (again["nc"], again["cnonce"] != told["cnonce"]) == ("00000002", True)


def test_a_camera_without_qop_gets_the_older_digest() -> None:
    login = Login("Mufasa", "CircleOfLife")
    told = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    assert login.take(challenges([told]))
    header = login.header("GET", "/dir/index.html") or ""
    # RFC 2069's example as its errata correct it.
    assert fields(header)["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert "nc=" not in header
    assert "algorithm" not in header


def test_a_digest_of_rfc_2617_stands_before_basic() -> None:
    # The user, realm, nonce and address of RFC 2617, 3.5, without qop: the way of most cameras.
    told = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"'
    login = Login("Mufasa", "Circle Of Life")
    assert login.take(challenges(["Basic realm=x", told]))
    header = login.header("GET", "/dir/index.html") or ""
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header
    assert 'opaque="5ccc"' in header


@pytest.mark.parametrize(
    "offered",
    [
        ['Basic realm="a"', 'Digest realm="a", nonce="1", algorithm=MD5-sess, qop="auth"'],
        ['Basic realm="a", Digest realm="a", nonce="1"'],
        ['Digest realm="a", nonce="1", Basic realm="a"'],
    ],
)
def test_no_password_goes_in_the_clear_where_a_digest_is_offered(offered: list[str]) -> None:
    login = Login("u", "p")
    assert login.take(challenges(offered))
    assert (login.header("DESCRIBE", "rtsp://cam/1") or "").startswith("Digest ")


def test_the_safest_way_in_is_taken() -> None:
    offered = ['Basic realm="a, b"', 'Digest realm="a", nonce="1", algorithm=MD5, qop="auth"']
    offered.append('Digest realm="a", nonce="2", algorithm=SHA-256, qop="auth"')
    login = Login("u", "p")
    assert login.take(challenges(offered))
    assert 'nonce="2"' in (login.header("GET", "/") or "")
    assert login.take(challenges([", ".join(offered[:2])]))
    assert 'nonce="1"' in (login.header("GET", "/") or "")


def test_what_is_not_spoken_is_no_way_in() -> None:
    login = Login("u", "p")
    for offered in (["Bearer"], ["Negotiate"], ['Digest realm="a", nonce="1", algorithm=MD4'], []):
        assert not login.take(challenges(offered))
        assert login.header("GET", "/") is None
    assert challenges(["Negotiate", 'Basic realm="x\\"y"']) == [
        Challenge("negotiate"),
        Challenge("basic", {"realm": 'x"y'}),
    ]


def test_a_password_is_written_in_an_address_with_percent_signs() -> None:
    login = Login.of("line%2F3:Top%2FSe%3Fcret%231@:x")
    assert login is not None
    login.take([Challenge("basic")])
    header = login.header("GET", "/") or ""
    assert base64.b64decode(header.removeprefix("Basic ")) == b"line/3:Top/Se?cret#1@:x"
    assert Login.of("") is None
