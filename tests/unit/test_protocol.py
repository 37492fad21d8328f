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
    Addition,
    AdditionKind,
    Event,
    Media,
    Region,
    Result,
    Score,
    Stamp,
    Tombstone,
    TombstoneReason,
    Trigger,
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
TOMBSTONE = Tombstone(
    lane="top", reason=TombstoneReason.BAD_ITEM, first=STAMP, last=STAMP, detail="broken",
    item="frame:7",
)  # fmt: skip
ACTUATION = RESULT.actuations[0]
TRIGGER = Trigger(id=3, at=STAMP, part_name="A-17", origin="command")
OUTPUT = protocol.OutputState("gate", "held", holds=["top: gone"], counters={"merged": 1})
MESSAGES: list[AnyMessage] = [
    protocol.Start(
        "top",
        CONFIG,
        resume_after="frame:6",
        done_before=True,
        skip=["frame:7"],
        models=[protocol.ResolvedModel("m", "m/1", "/models/m/1", "0" * 64)],
        field_path="/data/field.sock",
        field_token="t",
        page_path="/data/in_hand/top",
    ),
    protocol.Hello(42, {"m/1": "0" * 64}, 12.5),
    protocol.Serve(),
    protocol.Heartbeat(
        "running", {"capture": 0.1}, {"frames": 3}, {"rate_hz": 1.5}, "fine", "EDGE-L101", [OUTPUT]
    ),
    protocol.NewResult(1, RESULT),
    protocol.NewResults([1, 2], [RESULT, RESULT]),
    protocol.NewTombstone(2, TOMBSTONE, "once"),
    protocol.NewAddition(
        3, Addition(lane="top", about=7, kind=AdditionKind.EVIDENCE, at=STAMP, media=RESULT.media)
    ),
    protocol.NewEvent(4, Event(code="EDGE-O204", at=STAMP, text="bypassed", output="gate")),
    protocol.Stored([1, 2], [8, 9]),
    protocol.Room(full=True),
    protocol.Triggered(TRIGGER),
    protocol.Ask(5, "preview", {"width": 640}),
    protocol.Reply(5, {"done": True}, ""),
    protocol.Greet("top", "t"),
    protocol.Drive(6, "gate", RESULT.verdict, "A-17", 5_000_000_000),
    protocol.Hold(7, "no camera"),
    protocol.Free(8),
    protocol.Alive(decides=True, sees=False, detail="no camera"),
    protocol.Bye(),
    protocol.Acted(6, ACTUATION, last=False),
    OUTPUT,
    protocol.Admit("top", "t"),
    protocol.LaneIs("top", "gone", "it crashed"),
    protocol.Acked("e", [(1, 5), (7, 7)]),
    protocol.Quarantine("e", [(6, "bad", "no such thing")]),
    protocol.MediaStored(["1" * 64]),
    protocol.Rewind("e", 3),
    protocol.RotateEpoch("e", "restored"),
    protocol.Applied(),
    protocol.MediaWanted(["2" * 64]),
    protocol.MetCollector("edge-runtime/1.2.3", 65536),
    protocol.Wake(),
    protocol.Wake(now=True),
    protocol.Stop(2.5),
    protocol.Failed(78, "why", "EDGE-M501"),
    protocol.Done(),
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
        msgspec.msgpack.encode({"type": "stored", "tokens": ["a"], "seqs": [1]}),
        msgspec.msgpack.encode({"type": "stored", "tokens": [1]}),
        msgspec.msgpack.encode({"pid": 1}),
        encode(protocol.NewResult(1, RESULT))[4:-5],
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
        encode(protocol.Failed(78, "x" * protocol.MAX_MESSAGE_BYTES))
    with pytest.raises(ValueError, match="larger than"):
        body_length(struct.pack(">I", protocol.MAX_MESSAGE_BYTES + 1))
