"""Exposure, focus, gain and the like: set at each opening, then read back.

A camera forgets its controls when it is pulled out, and other programs change them.  What is read
back is the truth: drivers take values that they do not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from edge_runtime.capture.v4l2 import device

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.capture.v4l2.device import Kernel
    from edge_runtime.capture.v4l2.structures import Control

Asked = int | bool | Literal["auto"]
_PLAIN: Final[dict[str, tuple[tuple[str, ...], tuple[int, ...], int, tuple[str, ...]]]] = {
    # Word: (the switch, by its names in kernels old and new, on, off; the value's names)
    "exposure": (
        ("auto_exposure", "exposure_auto"),
        (3, 0),  # aperture priority is what USB cameras call automatic
        1,
        ("exposure_time_absolute", "exposure_absolute", "exposure"),
    ),
    "white_balance": (
        ("white_balance_automatic", "white_balance_temperature_auto"),
        (1,),
        0,
        ("white_balance_temperature",),
    ),
    "focus": (("focus_automatic_continuous", "focus_auto"), (1,), 0, ("focus_absolute",)),
    "gain": (("gain_automatic", "autogain", "auto_gain"), (1,), 0, ("gain",)),
}


def apply(kernel: Kernel, wanted: Mapping[str, Asked]) -> list[str]:
    """Set what the config declares; what is otherwise afterwards, for people."""
    if not wanted:
        return []
    there = device.controls(kernel)
    steps: list[tuple[str, Control, tuple[int, ...]]] = []
    found = []
    for key, asked in wanted.items():
        part, problem = _steps(key, asked, there)
        steps += part
        if problem:
            found.append(problem)
    # Switches first: a camera that exposes by itself takes no exposure time.
    for key, control, numbers in sorted(steps, key=lambda step: step[1].name not in _SWITCHES):
        if told := _set(kernel, control, numbers):
            found.append(f"{key}: {told}")
    return found


def _steps(
    key: str, asked: Asked, there: Mapping[str, Control]
) -> tuple[list[tuple[str, Control, tuple[int, ...]]], str]:
    """(what is to be set, why not)."""
    switches, on, off, values = _PLAIN.get(key, ((), (), 0, (key,)))
    switch = next((there[name] for name in switches if name in there), None)
    number = next((there[name] for name in values if name in there), None)
    if isinstance(asked, str):
        if switch is None:
            return [], f"{key}: the camera cannot do it by itself; give a number"
        return [(key, switch, on)], ""
    if number is None:
        return [], f"{key}: the camera has no such control; it has {_names(there)}"
    steps = [] if switch is None else [(key, switch, (off,))]
    return [*steps, (key, number, (int(asked),))], ""


def _set(kernel: Kernel, control: Control, numbers: tuple[int, ...]) -> str:
    """The first of `numbers` that the camera takes; what is wrong, empty when nothing is."""
    told = ""
    for number in numbers:
        if not control.least <= number <= control.most:
            told = told or (
                f"{control.name} {number} asked, it takes {control.least} to {control.most}"
            )
            continue
        problem = device.put(kernel, control, number)
        given = device.get(kernel, control)
        if not problem and given in (number, None):
            return ""
        is_given = "nothing can be read back" if given is None else f"{given} given"
        told = f"{control.name} {number} asked, {is_given}" + (f" ({problem})" if problem else "")
    return told


def _names(there: Mapping[str, Control]) -> str:
    return ", ".join(sorted(name for name, each in there.items() if each.can_be_set)) or "none"


_SWITCHES: Final = frozenset(name for switches, *_ in _PLAIN.values() for name in switches)
