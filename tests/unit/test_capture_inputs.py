from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.capture.inputs import SoundInput, choose, sound_inputs
from edge_runtime.errors import SourceUnavailable

DEVICES: list[dict[str, Any]] = [
    {"name": "HDA Intel PCH: HDMI 0 (hw:0,3)", "max_input_channels": 0},
    {"name": "HDA Intel PCH: ALC897 Analog (hw:0,0)", "max_input_channels": 2},
    {"name": "USB PnP Sound Device: Audio (hw:1,0)", "max_input_channels": 1},
    {"name": "USB PnP Sound Device: Audio (hw:2,0)", "max_input_channels": 1},
    {"name": "pulse", "max_input_channels": 32},
    {"name": "default", "max_input_channels": 32},
]
CARDS = {0: "PCH", 1: "Device", 2: "Device_1"}


def inputs(default_index: int = 5, cards: dict[int, str] = CARDS) -> list[SoundInput]:
    devices = [{"default_samplerate": 44100.0, **device} for device in DEVICES]
    return sound_inputs(devices, default_index, cards.get)


def test_only_what_records_is_listed_by_a_name_without_numbers_and_with_the_cards_id() -> None:
    assert [each.name for each in inputs()] == [
        "HDA Intel PCH: ALC897 Analog [PCH]",
        "USB PnP Sound Device: Audio [Device]",
        "USB PnP Sound Device: Audio [Device_1]",
        "pulse",
        "default",
    ]
    assert [each.index for each in inputs()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("default", 5),
        ("pulse", 4),
        ("ALC897", 1),
        ("hda intel pch: alc897 analog", 1),
        ("PCH", 1),
        ("Device", 2),
        ("Device_1", 3),
        ("USB PnP Sound Device: Audio [Device_1]", 3),
    ],
)
def test_an_input_is_found_by_its_name_its_card_or_a_part_of_its_name(
    wanted: str, index: int
) -> None:
    assert choose(inputs(), wanted).index == index


def test_a_name_stays_good_when_the_numbers_change() -> None:
    name = choose(inputs(), "Device_1").name
    moved = [{**device} for device in DEVICES]
    moved[2]["name"], moved[3]["name"] = moved[3]["name"], moved[2]["name"]
    swapped = sound_inputs(
        [{"default_samplerate": 44100.0, **device} for device in moved], 5, CARDS.get
    )
    assert choose(swapped, name).index == 2


def test_the_wrong_microphone_is_worse_than_none() -> None:
    with pytest.raises(SourceUnavailable, match=r"fits .*\[Device\].*\[Device_1\].*more"):
        choose(inputs(), "USB PnP")


def test_a_number_is_no_name() -> None:
    for wanted in ("hw:1,0", "hw:1", ""):
        with pytest.raises(SourceUnavailable, match="no microphone called"):
            choose(inputs(), wanted)


def test_one_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SourceUnavailable, match=r"'Yeti'; found: .*'pulse'"):
        choose(inputs(), "Yeti")
    with pytest.raises(SourceUnavailable, match="found: none"):
        choose([], "Yeti")


def test_without_a_default_input_default_is_not_guessed() -> None:
    with pytest.raises(SourceUnavailable, match="no default microphone"):
        choose(inputs(default_index=-1), "default")


def test_a_card_whose_id_is_unknown_is_known_by_its_name_alone() -> None:
    assert inputs(cards={})[0].name == "HDA Intel PCH: ALC897 Analog"


TWO_ON_ONE_CARD: list[dict[str, Any]] = [
    {"name": "Loopback: PCM (hw:1,0)", "max_input_channels": 2, "default_samplerate": 48000.0},
    {"name": "Loopback: PCM (hw:1,1)", "max_input_channels": 2, "default_samplerate": 48000.0},
    {"name": "USB Mic: Audio (hw:2,0)", "max_input_channels": 1, "default_samplerate": 48000.0},
]


def two_on_one_card() -> list[SoundInput]:
    return sound_inputs(TWO_ON_ONE_CARD, -1, {1: "Loopback", 2: "Mic"}.get)


def test_two_inputs_of_one_card_have_two_names_and_each_can_be_chosen() -> None:
    names = [each.name for each in two_on_one_card()]
    assert names == [
        "Loopback: PCM [Loopback,0]",
        "Loopback: PCM [Loopback,1]",
        "USB Mic: Audio [Mic]",
    ]
    for index, name in enumerate(names):
        assert choose(two_on_one_card(), name).index == index


@pytest.mark.parametrize(
    ("wanted", "index"),
    [("hw:Loopback,0", 0), ("hw:Loopback,1", 1), ("loopback,1", 1), ("hw:Mic,0", 2), ("hw:Mic", 2)],
)
def test_an_input_is_found_by_its_cards_id_and_its_number_as_alsa_writes_them(
    wanted: str, index: int
) -> None:
    assert choose(two_on_one_card(), wanted).index == index


def test_a_card_with_two_inputs_is_not_enough_of_a_name() -> None:
    for wanted in ("Loopback", "hw:Loopback", "Loopback: PCM [Loopback]"):
        with pytest.raises(SourceUnavailable, match=r"\[Loopback,0\].*\[Loopback,1\].*more"):
            choose(two_on_one_card(), wanted)


def test_a_number_that_the_card_does_not_have_is_told_as_not_there() -> None:
    with pytest.raises(SourceUnavailable, match="no microphone called 'hw:Loopback,7'"):
        choose(two_on_one_card(), "hw:Loopback,7")


def test_a_sound_card_that_is_there_and_refused_is_not_told_as_missing() -> None:
    with pytest.raises(SourceUnavailable, match=r"no microphone called 'x'; .*controlC0: refused"):
        choose([], "x", lambda: "/dev/snd/controlC0: refused")
