"""Sources: the only importers of cv2.VideoCapture and sounddevice.

`open_source` chooses by the config; nothing is opened before the source's own `open`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Lane
    from edge_runtime.protocols import Source


def open_source(
    lane: Lane,
    *,
    clock: Clock,
    resume_after: str | None = None,
    is_done: Callable[[str], bool] | None = None,
) -> Source[Any]:
    """The source of a lane: of `Frame` for a camera, of `AudioBlock` for a microphone.

    `resume_after`: replays go on behind this item.  `is_done`: a watched folder skips such items.
    Raises `ConfigError` for a source that its kind of lane cannot have.
    """
    scheme, _, rest = lane.source.partition(":")
    if not lane.is_camera:
        return _sound(lane, scheme, rest, clock, resume_after)
    if scheme == "file":
        from edge_runtime.capture.video import VideoFile

        return VideoFile(
            lane.source, Path(rest), lane.capture, clock=clock, resume_after=resume_after
        )
    if scheme == "folder":
        from edge_runtime.capture.folder import ImageFolder

        return ImageFolder(
            lane.source,
            Path(rest),
            lane.capture,
            clock=clock,
            resume_after=resume_after,
            is_done=is_done or (lambda _: False),
        )
    if scheme == "microphone":
        raise ConfigError([f"source: found '{lane.source}' in a lane of kind 'camera'"])
    from edge_runtime.capture.camera import Camera

    return Camera(lane.source, lane.capture, clock=clock)


def _sound(
    lane: Lane, scheme: str, rest: str, clock: Clock, resume_after: str | None
) -> Source[Any]:
    if scheme == "microphone":
        from edge_runtime.capture.microphone import Microphone

        return Microphone(lane.source, rest, lane.capture, clock=clock)
    if scheme != "file":
        hears = "microphone:NAME or file:PATH"
        raise ConfigError([f"source: a lane of kind 'microphone' hears {hears}, not {scheme}:"])
    from edge_runtime.capture.sound import SoundReplay

    return SoundReplay(
        lane.source, Path(rest), lane.capture, clock=clock, resume_after=resume_after
    )
