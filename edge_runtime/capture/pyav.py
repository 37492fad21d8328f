"""The only importer of PyAV (the extra ``video``): decoding that tells of damage.

It marks a picture that was concealed, and raises where it can show none.  Its pixels are OpenCV's
to the last bit.  Decoding is in the calling thread alone, as everywhere here.  Owned by the
``capture`` thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_runtime.capture.decoders import Decoded
from edge_runtime.errors import SourceUnavailable
from edge_runtime.files.image import MAX_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.capture.decoders import More

DAMAGED: Final = "the decoder reports damage in the picture"
_ERROR: Final = 16
"""FFmpeg's level of what cannot be read; what is less is a remark."""
_QUARTERS: Final = {90: 1, -270: 1, 180: 2, -180: 2, 270: 3, -90: 3}
_FILE_OPTIONS: Final = {"protocol_whitelist": "file"}
"""Nothing else, so that no playlist leads elsewhere."""
_FOUND_IN_NOISE: Final = frozenset({"h263"})
"""Bare streams whose mark is so short that one in 300 files of noise is taken for one."""


class PyAvDecoder:
    """Satisfies `decoders.Decoder`."""

    def __init__(self, codec: str) -> None:
        """`codec`: ``h264`` or ``hevc``."""
        import av

        self._av = av
        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.thread_count = 1
        self._pixels = _Pixels()

    def decode(self, data: bytes, key: int, more: More) -> list[Decoded]:  # noqa: ARG002
        """As `decoders.Decoder`."""
        packet = self._av.Packet(data)
        packet.pts = packet.dts = key
        try:
            frames = self._context.decode(packet)
        except self._av.FFmpegError:
            return [Decoded(key, None, DAMAGED)]
        return [
            Decoded(
                key if frame.pts is None else frame.pts,
                self._pixels.of(frame),
                DAMAGED if frame.is_corrupt else "",
            )
            for frame in frames
        ]

    def begin(self) -> None:
        """As `decoders.Decoder`."""
        if self._context.is_open:
            self._context.flush_buffers()

    def close(self) -> None:
        """As `decoders.Decoder`."""


class PyAvFile:
    """Satisfies `recording.Recording`."""

    def __init__(self, path: Path) -> None:
        """Open; `is_open` tells whether it is a video."""
        import av

        self._av = av
        self._pixels = _Pixels()
        self._ready: list[Any] = []
        self._frame: Any = None
        self.hole = self._hole = ""
        _listen(av)
        self._is_at_end = self._is_open = False
        try:
            # What a title or a comment in it is written in is nobody's business.
            self._file = av.open(
                str(path.absolute()), options=_FILE_OPTIONS, metadata_errors="ignore"
            )
        except (self._av.FFmpegError, ValueError):
            return
        if not self._file.streams.video or self._file.format.name in _FOUND_IN_NOISE:
            self._file.close()
            return
        self._stream = self._file.streams.video[0]
        context: Any = self._stream.codec_context
        context.thread_count = 1
        self._is_stills = context.name == "mjpeg"
        if self._is_stills:
            context.options = {"err_detect": "explode"}  # it marks nothing, and can only raise
        self._packets = self._file.demux(self._stream)
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """As `recording.Recording`."""
        return self._is_open

    @property
    def size_px(self) -> tuple[int, int]:
        """As `recording.Recording`."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    @property
    def frame_count(self) -> int:
        """As `recording.Recording`; by its length and rate where it does not tell."""
        if told := int(self._stream.frames or 0):
            return max(0, told)
        length_s = (self._file.duration or 0) / self._av.time_base
        return max(0, int(length_s * (self.frames_per_s or 0.0)))

    @property
    def frames_per_s(self) -> float | None:
        """As `recording.Recording`."""
        rate = self._stream.average_rate
        return float(rate) if rate and 0.0 < rate <= 1000.0 else None

    @property
    def is_at_end(self) -> bool:
        """As `recording.Recording`."""
        return self._is_at_end and not self._ready

    @property
    def is_damaged(self) -> bool:
        """As `recording.Recording`."""
        return self._frame is None or bool(self._frame.is_corrupt)

    @property
    def is_key(self) -> bool:
        """As `recording.Recording`."""
        is_key = self._frame is not None and self._frame.key_frame
        return bool(self._is_stills or is_key)

    def grab(self) -> bool:
        """As `recording.Recording`."""
        while not self._ready:
            if self._is_at_end:
                return False
            try:
                packet = self._demuxed()
                self._ready = [] if packet is None else list(packet.decode())
                self._is_at_end = packet is None
            except self._av.EOFError:
                self._is_at_end = True
            except self._av.FFmpegError:
                self._frame = None
                return bool(self._is_stills)  # of these each is a picture by itself
        self._frame = self._ready.pop(0)
        self.hole, self._hole = self._hole, ""
        return True

    def _demuxed(self) -> Any:  # noqa: ANN401
        """The next packet, None at the end; what the container's reader says of damage is noted."""
        with self._av.logging.Capture() as said:
            packet = next(self._packets, None)
        names = (self._file.format.name,)
        told = [text.strip() for level, name, text in said if level <= _ERROR and name in names]
        if told or (packet is not None and packet.is_corrupt):
            self._hole = told[0] if told else "a packet is damaged"
        return packet

    def retrieve(self) -> NDArray[np.uint8] | None:
        """As `recording.Recording`, upright.  Raises `SourceUnavailable` for too large a frame."""
        if self._frame is None:
            return None
        pixels = self._pixels.of(self._frame)
        turns = _QUARTERS.get(round(self._frame.rotation), 0)
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels

    def close(self) -> None:
        """As `recording.Recording`."""
        if self._is_open:
            self._file.close()


def _listen(av: Any) -> None:  # noqa: ANN401
    """FFmpeg's errors can be heard by who asks, and are printed by nobody."""
    libraries = logging.getLogger("libav")
    libraries.propagate = False
    if not libraries.handlers:
        libraries.addHandler(logging.NullHandler())
    av.logging.set_level(av.logging.ERROR)


class _Pixels:
    """Frames to (height, width, 3) BGR, each in its own size."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def of(self, frame: Any) -> NDArray[np.uint8]:  # noqa: ANN401
        if frame.width * frame.height > MAX_PIXELS:
            raise SourceUnavailable(
                f"{frame.width} x {frame.height} pixels; at most {MAX_PIXELS} are decoded"
            )
        shown = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC")
        return np.asarray(shown.to_ndarray(), np.uint8)
