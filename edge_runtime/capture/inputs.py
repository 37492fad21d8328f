"""Sound inputs by names that stay: PortAudio's list without its numbers, plus ALSA's card id.

PortAudio calls a device ``USB Mic: Audio (hw:1,0)``; the numbers change when something is plugged
in.  Here it is ``USB Mic: Audio [Device]``, with the id that the kernel gives the card, which also
tells two microphones of one make apart.  Pure but for `card_id`; any thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DEFAULT = "default"
_NUMBERS = re.compile(r"\s*\(hw:(\d+),\d+\)\s*$")


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


def sound_inputs(
    devices: Iterable[Mapping[str, Any]],
    default_index: int,
    card_id: Callable[[int], str | None],
) -> list[SoundInput]:
    """Those of PortAudio's `devices` that record; `card_id` gives ALSA's id of a card's number."""
    return [
        SoundInput(
            index=index,
            name=_stable_name(str(device["name"]), card_id),
            channels=int(device["max_input_channels"]),
            rate_hz=int(device["default_samplerate"]),
            is_default=index == default_index,
        )
        for index, device in enumerate(devices)
        if int(device["max_input_channels"]) > 0
    ]


def choose(inputs: Sequence[SoundInput], wanted: str) -> SoundInput:
    """The one input called `wanted`: its name, else its card's id, else a part of its name.

    ``default`` is the system's.  Raises `SourceUnavailable` that lists what is there, also when a
    part of a name fits more than one: the wrong microphone is worse than none.
    """
    there = ", ".join(f"'{each.name}'" for each in inputs) or "none"
    if wanted == DEFAULT:
        for each in inputs:
            if each.is_default:
                return each
        raise SourceUnavailable(f"the system has no default microphone; found: {there}")
    for fits in (_is_name, _is_card, _is_part):
        found = [each for each in inputs if fits(each.name.lower(), wanted.strip().lower())]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"'{each.name}'" for each in found)
            raise SourceUnavailable(f"'{wanted}' fits {names}; write more of the name")
    raise SourceUnavailable(f"no microphone called '{wanted}'; found: {there}")


def card_id(number: int) -> str | None:
    """The kernel's id of a sound card, such as ``PCH`` or ``Device_1``."""
    try:
        return Path(f"/proc/asound/card{number}/id").read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _stable_name(name: str, card_id: Callable[[int], str | None]) -> str:
    match = _NUMBERS.search(name)
    if match is None:
        return name.strip()
    card = card_id(int(match[1]))
    return name[: match.start()].strip() + (f" [{card}]" if card else "")


def _is_name(name: str, wanted: str) -> bool:
    return wanted in (name, name.partition(" [")[0])


def _is_card(name: str, wanted: str) -> bool:
    return name.endswith(f"[{wanted}]")


def _is_part(name: str, wanted: str) -> bool:
    return bool(wanted) and wanted in name
