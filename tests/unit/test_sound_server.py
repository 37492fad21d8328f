"""What a sound server's list says about who answers us; and what it means that another one does."""

from __future__ import annotations

from typing import Any

from edge_runtime.capture.sound_server import Answering, chosen
from edge_runtime.supervisor.devices import Devices

FULL = {"mono": {"value": 65536, "value_percent": "100%"}}
NONE = {"mono": {"value": 0, "value_percent": "0%"}}


def stream(pid: int, source: int, **more: Any) -> dict[str, Any]:
    properties = {"application.process.id": str(pid)}
    return {"index": 9, "source": source, "properties": properties, "volume": FULL, **more}


def source(index: int, name: str, **more: Any) -> dict[str, Any]:
    return {"index": index, "name": name, "description": f"The {name}", "volume": FULL, **more}


SOURCES = [source(0, "desk"), source(1, "line")]


def test_the_source_of_our_own_stream_answers() -> None:
    streams = [stream(7, 0), stream(8, 1)]
    assert chosen(streams, SOURCES, 8) == Answering("line", "The line")
    assert chosen(streams, SOURCES, 8) != chosen(streams, SOURCES, 7)
    assert Answering("line", "The line").told == "line (The line)"


def test_nobody_answers_a_process_that_the_server_does_not_serve() -> None:
    assert chosen([stream(7, 0)], SOURCES, 99) is None
    assert chosen([stream(7, 5)], SOURCES, 7) is None
    assert chosen([{"index": 1, "properties": None}], SOURCES, 7) is None


def test_a_mute_and_a_volume_of_0_are_told_with_what_ends_them() -> None:
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({}, {"mute": True}, "pactl set-source-mute desk 0"),
        ({"mute": True}, {}, "pactl set-source-output-mute 9 0"),
        ({}, {"volume": NONE}, "pactl set-source-volume desk 100%"),
        ({"volume": NONE}, {}, "pactl set-source-output-volume 9 100%"),
    ]
    for ours, theirs, told in cases:
        found = chosen([stream(7, 0, **ours)], [source(0, "desk", **theirs)], 7)
        assert found is not None
        assert found.why_silent.endswith(told)


def test_one_channel_that_is_up_is_no_silence() -> None:
    half = {"left": {"value": 0}, "right": {"value": 65536}}
    found = chosen([stream(7, 0)], [source(0, "desk", volume=half)], 7)
    assert found is not None
    assert found.why_silent == ""


def test_the_first_device_is_noted_and_another_one_is_an_event() -> None:
    devices = Devices()
    assert devices.heard("microphone:pulse", "") == ("", "")
    assert devices.heard("microphone:pulse", "desk") == ("microphone:pulse desk", "")
    assert devices.heard("microphone:pulse", "desk") == ("", "")
    noted, told = devices.heard("microphone:pulse", "line")
    assert noted == "microphone:pulse line"
    assert told == "microphone:pulse: 'line' answers, before it was 'desk'"
    assert devices.moves == [told]


def test_what_the_ledger_has_from_before_a_restart_is_compared_with() -> None:
    devices = Devices()
    devices.before("microphone:pulse desk")
    assert devices.is_known
    assert devices.heard("microphone:pulse", "line")[1]
    other = Devices()
    other.before("microphone:default desk")  # the config named another source: no move
    assert other.heard("microphone:pulse", "line") == ("microphone:pulse line", "")
    assert other.moves == []
