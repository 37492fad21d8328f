from __future__ import annotations

import pytest

from edge_runtime.errors import BatchRefused, Offline, ProtocolError, SyncError, Throttled
from edge_runtime.sync.answers import (
    Answer,
    error_of,
    printable,
    reason_of,
    retry_after_s,
    scrubbed,
)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_a_far_side_that_ails_counts_as_offline(status: int) -> None:
    assert type(error_of(Answer(status, {}, b""), "events")) is Offline


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(status: int) -> None:
    error = error_of(Answer(status, {"retry-after": "17"}, b""), "events")
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 17


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed_and_says_where_it_wanted_to(status: int) -> None:
    error = error_of(Answer(status, {"location": "https://elsewhere/v1"}, b""), "hello")
    assert isinstance(error, ProtocolError)
    assert "https://elsewhere/v1" in str(error)


def test_a_wrong_path_says_what_to_check() -> None:
    assert "sync.url" in str(error_of(Answer(404, {}, b""), "hello"))


def test_the_far_sides_own_words_are_kept_but_short_and_harmless() -> None:
    body = b'{"error":"' + b"\\u001b[31m" + b"x" * 5000 + b'"}'
    line = str(error_of(Answer(418, {}, body), "hello"))
    assert len(line) < 260
    assert "\x1b" not in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "99999999999999"}, 999999999.0),
        (
            {
                "retry-after": "Mon, 24 Nov 2025 10:00:30 GMT",
                "date": "Mon, 24 Nov 2025 10:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Mon, 24 Nov 2025 09:00:00 GMT",
                "date": "Mon, 24 Nov 2025 10:00:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Mon, 24 Nov 2025 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_a_date_in_retry_after_counts_from_the_far_sides_clock(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert retry_after_s(headers) == wait_s


def test_a_secret_that_comes_back_in_an_answer_is_blotted_out() -> None:
    error = scrubbed(Throttled("you sent s3cret!", 9.0), "s3cret")
    assert str(error) == "you sent ***!"
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 9.0
    stranger = scrubbed(BatchRefused("400 s3cret", own=False), "s3cret")
    assert isinstance(stranger, BatchRefused)
    assert (str(stranger), stranger.own) == ("400 ***", False)  # no collector's word by that
    plain: SyncError = Offline("nothing in here")
    assert scrubbed(plain, "s3cret") is plain
    assert scrubbed(plain, None) is plain


def test_the_reason_of_a_failure_is_the_operating_systems_own_clause() -> None:
    outer = RuntimeError("<object at 0x1234>")
    outer.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert reason_of(outer) == "Connection refused"
    assert reason_of(TimeoutError("timed out")) == "no answer in time"


def test_printable_keeps_one_line() -> None:
    assert printable("a\r\nb\x00c", 10) == "a  b c"
