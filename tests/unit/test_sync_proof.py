"""Which answers are the collector's own word."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import ProtocolError
from edge_runtime.sync.answers import Answer
from edge_runtime.sync.proof import Collector, refuses_the_token, welcome_of
from edge_runtime.wire.conversation import INSTANCE_HEADER, MEDIA_HEADER, PROVES, Welcome

SHA = "ab" * 32
GREETED = Welcome(instance="life-1", features=(PROVES,))


def met(welcome: Welcome = GREETED) -> Collector:
    collector = Collector()
    collector.met(welcome)
    return collector


def head(sha256: str = SHA, size: int | str = 10, instance: str = "life-1") -> Answer:
    return Answer(200, {INSTANCE_HEADER: instance, MEDIA_HEADER: f"{sha256} {size}"}, b"")


def receipt(**told: object) -> Answer:
    return Answer(201, {}, msgspec.json.encode(told))


def test_media_are_there_when_instance_hash_and_size_say_so() -> None:
    assert met().has_media(head(), SHA, 10)
    assert not met().has_media(head(), SHA, 11)


@pytest.mark.parametrize(
    "answer",
    [
        head(instance="stranger"),
        head(sha256="cd" * 32),
        head(size="many"),
        Answer(200, {}, b""),
        Answer(200, {INSTANCE_HEADER: "life-1"}, b""),
        Answer(200, {MEDIA_HEADER: f"{SHA} 10"}, b""),
    ],
)
def test_a_yes_that_is_not_proved_is_none(answer: Answer) -> None:
    with pytest.raises(ProtocolError, match="own word"):
        met().has_media(answer, SHA, 10)


@pytest.mark.parametrize(
    "told",
    [
        {"stored": SHA, "size_bytes": 11, "instance": "life-1"},
        {"stored": SHA, "size_bytes": 10, "instance": "life-2"},
        {"stored": SHA, "size_bytes": 10},
        {"stored": SHA},
        {"stored": "cd" * 32, "size_bytes": 10, "instance": "life-1"},
        {"status": "ok"},
    ],
)
def test_a_success_that_is_not_proved_stores_nothing(told: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="own word"):
        met().took_media(receipt(**told), SHA, 10)


def test_of_an_older_collector_the_hash_alone_is_asked_for_and_its_head_proves_nothing() -> None:
    older = met(Welcome(instance="life-1"))
    older.took_media(receipt(stored=SHA), SHA, 10)
    assert not older.has_media(head(), SHA, 10)
    with pytest.raises(ProtocolError):
        older.took_media(receipt(stored="cd" * 32), SHA, 10)


def test_a_life_that_spoke_in_a_receipt_is_known() -> None:
    collector = met()
    assert not collector.knows("life-2")
    collector.speaks("life-2")
    assert collector.wrote(Answer(400, {INSTANCE_HEADER: "life-2"}, b""))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_but_a_welcome_are_a_hello(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        welcome_of(Answer(200, {}, body))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(("status", "error", "ok", "ranges", "protocol")), _VALUES))
def test_no_object_without_an_instance_is_a_hello(value: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        welcome_of(Answer(200, {}, msgspec.json.encode(value)))


def test_a_401_is_the_collectors_where_it_is_worded_as_one() -> None:
    assert refuses_the_token(Answer(401, {}, b'{"error":"the token is missing or wrong"}'))
    assert refuses_the_token(Answer(401, {INSTANCE_HEADER: "x"}, b""))
    realm = {"www-authenticate": 'Bearer realm="edge-runtime collector"'}
    assert refuses_the_token(Answer(401, realm, b""))
    assert not refuses_the_token(Answer(401, {}, b"<html>log in</html>"))
    assert not refuses_the_token(Answer(403, {}, b'{"message":"Forbidden"}'))
