"""The only importer of cv2.VideoCapture: files, streams and devices, each with its limits set.

FFmpeg decodes in the calling thread alone (`N_THREADS` 1: its own pool fights the workers for the
cores), speaks only the protocols that the kind of source needs, and never waits without a limit.
Its and OpenCV's own messages are switched off, because they print addresses with passwords; set
OPENCV_FFMPEG_LOGLEVEL or OPENCV_LOG_LEVEL to see them.  Called by the lane's ``capture`` thread.
"""

from __future__ import annotations

import math
import os
import threading
from typing import TYPE_CHECKING, Any

from edge_runtime.capture.v4l2 import controls
from edge_runtime.capture.v4l2 import device as v4l2_device
from edge_runtime.capture.v4l2.choice import (
    COMPRESSED,
    Choice,
    choose,
    differences,
    format_to_ask,
)
from edge_runtime.capture.v4l2.device import with_device
from edge_runtime.capture.v4l2.structures import code_of
from edge_runtime.files.image import MAX_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.capture.v4l2.device import Kernel
    from edge_runtime.config import Capture

_OPENING = threading.Lock()
_QUIET = "-8"
_PROTOCOLS = {
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tls,tcp",
}
"""By scheme.  Nothing that opens files, so that no address, redirect or playlist can."""


def open_file(path: Path) -> Any:  # noqa: ANN401 - cv2 has no types
    """A capture over a recording; ask its ``isOpened``."""
    return _opened(str(path.absolute()), "protocol_whitelist;file", ())


def open_stream(reader: Any, codec: str) -> Any:  # noqa: ANN401
    """A capture over raw ``h264`` or ``hevc`` that `reader` (an io.BufferedIOBase) gives.

    It looks at nothing but the first picture beforehand.
    """
    return _opened(reader, f"input_format;{codec}|probesize;32|analyzeduration;0", ())


def open_url(url: str, scheme: str, *, transport: str, open_s: float, read_s: float) -> Any:  # noqa: ANN401
    """A capture over a network stream, after at most `open_s`; a later read takes at most `read_s`.

    OpenCV's own limits are 30 s and hold only when they are given on opening.
    """
    cv2 = _cv2()
    wanted = "udp+tcp" if transport == "auto" else transport
    limits = (
        (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, math.ceil(open_s * 1000)),
        (cv2.CAP_PROP_READ_TIMEOUT_MSEC, math.ceil(read_s * 1000)),
    )
    options = f"protocol_whitelist;{_PROTOCOLS[scheme]}|rtsp_transport;{wanted}"
    return _opened(url, options, limits)


def open_device(device: str, settings: Capture) -> tuple[Any, tuple[str, ...]]:
    """A capture over a V4L2 device, and what it gives other than what was asked for.

    Compressed pictures are handed over as they are, (1, bytes): OpenCV's decoder hides damage.
    """
    # Read once, at the process's first capture; whole seconds, and 10 by default.
    seconds = str(math.ceil(settings.read_timeout_s))
    os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = seconds
    os.environ["OPENCV_VIDEOIO_V4L_READ_ATTEMPTS"] = "1"
    cv2 = _cv2()
    unknown: tuple[list[str], Choice] = ([], Choice(settings.format, *_asked_size(settings)))
    offered, choice = with_device(device, lambda kernel: _chosen(kernel, settings), unknown)
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        return capture, ()
    # The format first: a size is one of a format.
    if choice.format is not None:
        capture.set(cv2.CAP_PROP_FOURCC, code_of(choice.format))
    for prop, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, choice.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, choice.height),
        (cv2.CAP_PROP_FPS, choice.fps),
    ):
        if value is not None:
            capture.set(prop, value)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a driver's queue is a queue of stale frames
    given = with_device(device, v4l2_device.mode, None)
    if given is not None and given[0].format in COMPRESSED:
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    told = differences(settings, given, offered)
    told += with_device(device, lambda kernel: controls.apply(kernel, settings.controls), [])
    return capture, tuple(told)


def _asked_size(settings: Capture) -> tuple[int | None, int | None, float | None]:
    return settings.width, settings.height, settings.fps


def _chosen(kernel: Kernel, settings: Capture) -> tuple[list[str], Choice]:
    offered = v4l2_device.formats(kernel)
    letters = format_to_ask(offered, settings)
    sized = letters or (offered[0] if offered else "")
    return offered, choose(letters, v4l2_device.modes(kernel, sized), settings)


def too_large(capture: Any) -> str:  # noqa: ANN401
    """Why pictures of this size are not decoded: 2 MB can unpack to 1.3 GB; empty when they are."""
    width, height = size_px(capture)
    if width * height <= MAX_PIXELS:
        return ""
    return f"{width} x {height} pixels; at most {MAX_PIXELS} are decoded"


def size_px(capture: Any) -> tuple[int, int]:  # noqa: ANN401
    """(width, height) as the container, stream or driver tells."""
    cv2 = _cv2()
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    return int(width), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))


def driver_ms(capture: Any) -> float:  # noqa: ANN401
    """V4L2: the driver's stamp of the buffer that was grabbed last, CLOCK_MONOTONIC."""
    return float(capture.get(_cv2().CAP_PROP_POS_MSEC))


def frame_count(capture: Any) -> int:  # noqa: ANN401
    """How many frames the container tells of; 0 when it does not."""
    count = capture.get(_cv2().CAP_PROP_FRAME_COUNT)
    return int(count) if math.isfinite(count) and count > 0 else 0


def frames_per_s(capture: Any) -> float | None:  # noqa: ANN401
    """The recording's rate; None when it tells none that can be."""
    fps = float(capture.get(_cv2().CAP_PROP_FPS))
    return fps if 0.0 < fps <= 1000.0 else None


def _cv2() -> Any:  # noqa: ANN401
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
    import cv2

    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    return cv2


def _opened(what: Any, options: str, more: tuple[tuple[int, int], ...]) -> Any:  # noqa: ANN401
    """FFmpeg's options are read from the environment as a capture opens: one at a time does."""
    cv2 = _cv2()
    settings = [number for each in ((cv2.CAP_PROP_N_THREADS, 1), *more) for number in each]
    with _OPENING:
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = options
        return cv2.VideoCapture(what, cv2.CAP_FFMPEG, settings)
