"""Which mode to ask of a camera, by what it offers and what the config says.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_runtime.capture.v4l2.structures import Mode
    from edge_runtime.config import Capture

COMPRESSED: Final = ("MJPG", "JPEG")
FAST_FPS: Final = 24.0
USUAL_PX: Final = 1920 * 1080
"""Nothing is asked for: no larger than this, and no slower than that where the camera can."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ask for; None for what is left to the driver."""

    format: str | None
    width: int | None
    height: int | None
    fps: float | None


def format_to_ask(offered: list[str], settings: Capture) -> str | None:
    """As the config says; else compressed where it is offered: raw pictures are slow over USB."""
    if settings.format is not None:
        return settings.format
    return next((each for each in COMPRESSED if each in offered), None)


def choose(letters: str | None, offered: list[tuple[Mode, float]], settings: Capture) -> Choice:
    """`offered`: sizes of that format with their fastest rates.

    Where the config asks for width or height alone: the size that has it.  Where it asks for
    neither: the largest up to 1920 x 1080 that comes as fast as is asked
    for, else at 24 or more pictures per second, else the largest up to that.
    """
    asked = Choice(letters, settings.width, settings.height, settings.fps)
    if not offered or (settings.width and settings.height):
        return asked
    if settings.width or settings.height:
        offered = [each for each in offered if _has(each[0], settings)]
        if not offered:
            return asked
    usual = [each for each in offered if _pixels(each[0]) <= USUAL_PX] or [
        min(offered, key=lambda each: _pixels(each[0]))
    ]
    wanted = (settings.fps or FAST_FPS) - 0.05
    fast = [each for each in usual if each[1] >= wanted]
    mode, rate = max(fast or usual, key=lambda each: (_pixels(each[0]), each[1]))
    return Choice(letters, mode.width, mode.height, settings.fps or rate or None)


def differences(
    settings: Capture, given: tuple[Mode, float] | None, offered: list[str]
) -> list[str]:
    """What the camera gives other than what the config asks for, for people."""
    if given is None:
        return []
    mode, rate = given
    found = []
    if settings.format is not None and mode.format != settings.format:
        has = ", ".join(offered) or "nothing that it tells"
        found.append(f"format {settings.format} asked, {mode.format} given; it has {has}")
    asked_w, asked_h = settings.width or mode.width, settings.height or mode.height
    if (asked_w, asked_h) != (mode.width, mode.height):
        found.append(f"{asked_w} x {asked_h} asked, {mode.width} x {mode.height} given")
    if settings.fps is not None and rate and abs(rate - settings.fps) > 0.01 * settings.fps:
        found.append(f"fps {settings.fps:g} asked, {rate:g} given")
    return found


def _has(mode: Mode, settings: Capture) -> bool:
    return settings.width in (None, mode.width) and settings.height in (None, mode.height)


def _pixels(mode: Mode) -> int:
    return mode.width * mode.height
