"""Sources: the only importers of cv2.VideoCapture and sounddevice.

`open_source` chooses by what the config says; nothing is opened before the source's own `open`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from edge_runtime.clock import Clock
    from edge_runtime.config import Capture
    from edge_runtime.protocols import Source


def open_source(
    source: str,
    capture: Capture,
    *,
    is_camera: bool,
    clock: Clock,
    resume_after: str | None = None,
    is_done: Callable[[str], bool] | None = None,
    skip: Collection[str] = (),
    in_hand: Callable[[str | None], None] | None = None,
    name: str = "",
    interval_s: float | None = None,
) -> Source[Any]:
    """What `source` says: of `Frame` for a camera, of `AudioBlock` for a microphone.

    `resume_after`: replays go on behind this item.  `is_done`: a folder leaves out such items.
    `skip`: buried items, left out wherever they are met.  `in_hand` is told which item is about to
    be decoded, and None after it, by the thread that reads: an item that ends the process is known.
    `name`: the view's, for messages.  `interval_s`: a folder that waits gives one picture in so
    many seconds (others leave their intervals to the frame gate).
    Raises `ConfigError` for a source that its kind of lane cannot have.
    """
    tell = in_hand or _nobody
    if is_camera:
        opened = _picture_source(
            source, capture, clock, resume_after, is_done, skip, tell, interval_s
        )
    else:
        opened = _sound_source(source, capture, clock, resume_after, skip, tell)
    if not name:
        return opened
    from edge_runtime.capture.named import NamedSource

    return NamedSource(name, opened)


def waits_by_itself(source: str, capture: Capture) -> bool:
    """Whether `open_source` keeps ``gate.interval_s`` by waiting, so that no gate may skip."""
    return source.startswith("folder:") and not capture.live


def _picture_source(
    source: str,
    capture: Capture,
    clock: Clock,
    resume_after: str | None,
    is_done: Callable[[str], bool] | None,
    skip: Collection[str],
    in_hand: Callable[[str | None], None],
    interval_s: float | None,
) -> Source[Any]:
    scheme, _, rest = source.partition(":")
    if scheme == "file":
        from edge_runtime.capture.video import VideoFile

        return VideoFile(
            source,
            Path(rest),
            capture,
            clock=clock,
            resume_after=resume_after,
            skip=skip,
            in_hand=in_hand,
        )
    if scheme == "folder":
        from edge_runtime.capture.folder import ImageFolder

        return ImageFolder(
            source,
            Path(rest),
            capture,
            clock=clock,
            resume_after=resume_after,
            is_done=is_done or (lambda _: False),
            skip=skip,
            in_hand=in_hand,
            interval_s=interval_s,
        )
    if scheme == "microphone":
        raise ConfigError([f"source: found '{source}' in a lane of kind 'camera'"])
    from edge_runtime.capture.camera import Camera

    if scheme in ("http", "https"):
        from edge_runtime.capture.http_camera import HttpCamera

        return HttpCamera(
            source, capture, clock=clock, streams=lambda: Camera(source, capture, clock=clock)
        )
    return Camera(source, capture, clock=clock)


def _sound_source(
    source: str,
    capture: Capture,
    clock: Clock,
    resume_after: str | None,
    skip: Collection[str],
    in_hand: Callable[[str | None], None],
) -> Source[Any]:
    scheme, _, rest = source.partition(":")
    if scheme == "microphone":
        from edge_runtime.capture.microphone import Microphone

        return Microphone(source, rest, capture, clock=clock)
    if scheme != "file":
        hears = "microphone:NAME or file:PATH"
        raise ConfigError([f"source: a lane of kind 'microphone' hears {hears}, not {scheme}:"])
    from edge_runtime.capture.sound import SoundReplay

    return SoundReplay(
        source,
        Path(rest),
        capture,
        clock=clock,
        resume_after=resume_after,
        skip=skip,
        in_hand=in_hand,
    )


def _nobody(_: str | None) -> None:
    """Without a page nobody is told."""
