"""No password in front of the last @ is ever shown, whatever it is made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.redaction import address_problem, redacted

ODD = st.text(alphabet="/?#@:[]\\%&=;. a1", max_size=6)


@given(before=ODD, after=ODD, host=st.sampled_from(["10.0.0.5", "10.0.0.5:554", "cam", "[::1]"]))
def test_a_password_with_any_characters_around_it_is_hidden(
    before: str, after: str, host: str
) -> None:
    source = f"rtsp://admin:{before}TopSecret{after}@{host}/h264"
    assert "TopSecret" not in redacted(source)
    assert "TopSecret" not in address_problem(source)


@given(key=st.sampled_from(["pwd", "password", "passwd", "token", "PASS", "pass_word"]), after=ODD)
def test_what_stands_behind_a_secrets_name_is_hidden(key: str, after: str) -> None:
    for mark in ("/", "?", "#", "/a?b&", "/a&"):
        source = f"http://10.0.0.5{mark}{key}={after}TopSecret{after}"
        assert "TopSecret" not in redacted(source)
