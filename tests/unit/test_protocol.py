from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest

from edge_runtime.config import Config
from edge_runtime.link import messages as protocol
from edge_runtime.link.messages import AnyMessage, body_length, decode, encode
from edge_runtime.types import (
    Actuation,
    Media,
    Region,
    Result,
    Score,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

STAMP = Stamp(1_700_000_000_000_000_000, 5_000_000_000, "b" * 32)
RESULT = Result(
    lane="top",
    source="v4l2:/dev/video0",
    source_seq=7,
    captured=STAMP,
    verdict=Verdict(VerdictKind.REJECT, "dent", 0.75, 0.6, "reason"),
    item="frame:7",
    model="m/1",
    model_sha256="0" * 64,
    scores=(Score("dent", 0.75), Score("ok", 0.25)),
    regions=(Region("dent", 0.75, 1, 2, 3, 4),),
    text="öl",
    actuations=(
        Actuation(output="gate", action="pulse", acknowledged=True, latency_ms=1.5, detail=None),
    ),
    media=(Media(sha256="1" * 64, kind="frame", mime="image/jpeg", size_bytes=9),),
)
CONFIG = msgspec.convert(
    {"device": {"id": "d"}, "lanes": {"top": {"source": "file:a.mp4", "model": "m"}}}, Config
)
MESSAGES: list[AnyMessage] = [
    protocol.Start("top", CONFIG, resume_after="frame:6", done_before=True),
    protocol.Hello(42, {"m/1": "0" * 64}),
    protocol.Heartbeat("running", {"capture": 0.1}, {"frames": 3}, {"rate_hz": 1.5}, "fine"),
    protocol.Record(1, RESULT),
    protocol.Bury(
        2,
        Tombstone(
            lane="top", reason=TombstoneReason.BAD_ITEM, first=STAMP, last=STAMP, detail="broken"
        ),
    ),
    protocol.Stored([1, 2], 9),
    protocol.Acked("e", [(1, 5), (7, 7)]),
    protocol.Refused("e", [(6, "bad", "no such thing")]),
    protocol.MediaStored(["1" * 64]),
    protocol.Rewind("e", 3),
    protocol.RotateEpoch("e", "restored"),
    protocol.Applied(),
    protocol.Wake(),
    protocol.Stop(2.5),
    protocol.Failed(78, "why"),
    protocol.Done("all"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_message_comes_out_as_it_went_in(message: AnyMessage) -> None:
    data = encode(message)
    header, body = data[: protocol.HEADER_BYTES], data[protocol.HEADER_BYTES :]
    assert body_length(header) == len(body)
    assert decode(body) == message


def test_the_list_above_has_every_message_there_is() -> None:
    assert {type(message) for message in MESSAGES} == set(AnyMessage.__args__)


def test_messages_are_told_apart_by_their_own_names() -> None:
    tags = [msgspec.msgpack.decode(encode(message)[4:])["type"] for message in MESSAGES]
    assert tags == [type(message).__name__.lower() for message in MESSAGES]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        msgspec.msgpack.encode({"type": "nonsense"}),
        msgspec.msgpack.encode({"type": "stored", "tokens": ["a"], "last_seq": 1}),
        msgspec.msgpack.encode({"type": "stored", "tokens": [1]}),
        msgspec.msgpack.encode({"pid": 1}),
        encode(MESSAGES[3])[4:-5],
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(body)


def test_keys_of_a_newer_version_are_ignored() -> None:
    table: dict[str, Any] = {"type": "wake", "urgency": 3}
    assert decode(msgspec.msgpack.encode(table)) == protocol.Wake()


def test_a_message_that_is_too_large_is_refused_on_both_sides() -> None:
    with pytest.raises(ValueError, match="larger than"):
        encode(protocol.Done("x" * protocol.MAX_MESSAGE_BYTES))
    with pytest.raises(ValueError, match="larger than"):
        body_length(struct.pack(">I", protocol.MAX_MESSAGE_BYTES + 1))
