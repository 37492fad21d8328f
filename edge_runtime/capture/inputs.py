"""Sound inputs by names that stay: PortAudio's list without its numbers, plus ALSA's card id.

PortAudio calls a device ``USB Mic: Audio (hw:1,0)``; the numbers change when something is plugged
in.  Here it is ``USB Mic: Audio [Device]``, with the id that the kernel gives the card, which also
tells two microphones of one make apart.  Where a card has several inputs, the number of each within
the card, which stays, is added: ``[Device,1]``.  Pure but for `card_id`; any thread.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.capture.refusal import refused_cards
from edge_runtime.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DEFAULT = "default"
_NUMBERS = re.compile(r"\s*\(hw:(\d+),(\d+)\)\s*$")
_HARDWARE = re.compile(r"hw:([a-z_][a-z0-9_-]*)(?:,(\d+))?")
"""As ALSA's tools write a card by its id; a card's number is no name."""


@dataclass(frozen=True, slots=True)
class SoundInput:
    """A device that records."""

    index: int
    """PortAudio's, good until it is started again."""
    name: str
    """Stable."""
    channels: int
    rate_hz: int
    """The device's own."""
    is_default: bool
    card: str = ""
    """ALSA's id of its card; empty where it is no card's."""
    pcm: int = 0
    """Its number within the card."""


def sound_inputs(
    devices: Iterable[Mapping[str, Any]],
    default_index: int,
    card_id: Callable[[int], str | None],
) -> list[SoundInput]:
    """Those of PortAudio's `devices` that record; `card_id` gives ALSA's id of a card's number."""
    found = [
        (index, device, *_hardware(str(device["name"]), card_id))
        for index, device in enumerate(devices)
        if int(device["max_input_channels"]) > 0
    ]
    on_card = Counter(card for _, _, _, card, _ in found)
    return [
        SoundInput(
            index=index,
            name=_stable_name(name, card, pcm, is_one_of_several=on_card[card] > 1),
            channels=int(device["max_input_channels"]),
            rate_hz=int(device["default_samplerate"]),
            is_default=index == default_index,
            card=card,
            pcm=pcm,
        )
        for index, device, name, card, pcm in found
    ]


def choose(
    inputs: Sequence[SoundInput], wanted: str, refused: Callable[[], str] = refused_cards
) -> SoundInput:
    """The one input called `wanted`: its name, its card's id, ``hw:ID,N``, or a part of its name.

    ``default`` is the system's.  Raises `SourceUnavailable` that lists what is there, also when a
    part of a name fits more than one: the wrong microphone is worse than none.  `refused` names
    cards that are there and may not be opened, which PortAudio leaves out.
    """
    there = ", ".join(f"'{each.name}'" for each in inputs) or "none"
    if wanted == DEFAULT:
        for each in inputs:
            if each.is_default:
                return each
        raise SourceUnavailable(f"the system has no default microphone; found: {there}")
    for fits in (_is_name, _is_card, _is_hardware, _is_part):
        found = [each for each in inputs if fits(each, wanted.strip().lower())]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"'{each.name}'" for each in found)
            raise SourceUnavailable(f"'{wanted}' fits {names}; write more of the name")
    why = f"; {told}" if (told := refused()) else ""
    raise SourceUnavailable(f"no microphone called '{wanted}'; found: {there}{why}")


def card_id(number: int) -> str | None:
    """The kernel's id of a sound card, such as ``PCH`` or ``Device_1``."""
    # The second is there where a sandbox hides the first.
    for where in (f"/proc/asound/card{number}/id", f"/sys/class/sound/card{number}/id"):
        try:
            if told := Path(where).read_text("ascii").strip():
                return told
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _hardware(name: str, card_id: Callable[[int], str | None]) -> tuple[str, str, int]:
    """(name without numbers, the card's id, the input's number within the card)."""
    match = _NUMBERS.search(name)
    if match is None:
        return name.strip(), "", 0
    return name[: match.start()].strip(), card_id(int(match[1])) or "", int(match[2])


def _stable_name(name: str, card: str, pcm: int, *, is_one_of_several: bool) -> str:
    if not card:
        return name
    return f"{name} [{card},{pcm}]" if is_one_of_several else f"{name} [{card}]"


def _is_name(each: SoundInput, wanted: str) -> bool:
    name = each.name.lower()
    bare = name.partition(" [")[0]
    return wanted in (name, bare, f"{bare} [{each.card.lower()}]")


def _is_card(each: SoundInput, wanted: str) -> bool:
    card = each.card.lower()
    return bool(card) and wanted in (card, f"{card},{each.pcm}")


def _is_hardware(each: SoundInput, wanted: str) -> bool:
    match = _HARDWARE.fullmatch(wanted)
    if match is None or match[1] != each.card.lower():
        return False
    return match[2] is None or int(match[2]) == each.pcm


def _is_part(each: SoundInput, wanted: str) -> bool:
    return bool(wanted) and wanted in each.name.lower()
