"""A stream's pictures through OpenCV's decoder, for stations without PyAV.

The data are handed to it one picture at a time, each with a delimiter behind it, so that it neither
waits for the next picture nor reads ahead.  It hides what its decoder says of damage: what was lost
on the way is seen before it comes here.  Owned by the ``capture`` thread.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.capture import opencv
from edge_runtime.capture.decoders import Decoded
from edge_runtime.capture.rtsp.units import SYNTAX
from edge_runtime.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.capture.decoders import More


class OpenCvDecoder:
    """Satisfies `decoders.Decoder`."""

    def __init__(self, codec: str) -> None:
        """`codec`: ``h264`` or ``hevc``."""
        self._codec = codec
        self._delimiter = SYNTAX[codec].delimiter
        self._capture: Any = None
        self._keys: list[int] = []

    def decode(self, data: bytes, key: int, more: More) -> list[Decoded]:
        """As `decoders.Decoder`."""
        given = [(data, key)]

        def supply() -> bytes:
            found = given.pop() if given else more()
            if found is None:
                return b""
            self._keys.append(found[1])
            return found[0] + self._delimiter

        if self._capture is None:
            self._reader = _Reader(supply)
            self._capture = opencv.open_stream(self._reader.opencv, self._codec)
            if self._capture.isOpened() and (problem := opencv.too_large(self._capture)):
                raise SourceUnavailable(problem)
        self._reader.supply = supply
        ok, pixels = self._capture.read() if self._capture.isOpened() else (False, None)
        if self._reader.error is not None:
            raise self._reader.error
        if not ok or pixels is None:
            keys, self._keys = self._keys or [key], []
            self.begin()
            return [Decoded(each, None, "the decoder can show no picture") for each in keys]
        # Pictures come out in the order in which they are shown, and keys count in that order.
        first = min(self._keys)
        self._keys.remove(first)
        return [Decoded(first, np.asarray(pixels))]

    def begin(self) -> None:
        """As `decoders.Decoder`: a capture of its own for each run, as it keeps the first size."""
        capture, self._capture = self._capture, None
        self._keys = []
        if capture is not None:
            capture.release()

    def close(self) -> None:
        """As `decoders.Decoder`."""
        self.begin()


class _Reader:
    """What OpenCV reads from."""

    def __init__(self, supply: Callable[[], bytes]) -> None:
        self.supply = supply
        self.error: Exception | None = None
        self._rest = b""
        self.opencv = _opencv_reader(self.read)

    def read(self, size: int) -> bytes:
        if not self._rest:
            try:
                self._rest = self.supply()
            except Exception as exc:  # noqa: BLE001 - it must not cross OpenCV; raised behind it
                self.error = exc
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def _opencv_reader(take: Callable[[int], bytes]) -> Any:  # noqa: ANN401
    class Stream(io.BufferedIOBase):
        def read(self, size: int | None = -1, /) -> bytes:
            return take(1 << 20 if size is None or size < 0 else size)

        def seek(self, _offset: int, _whence: int = 0, /) -> int:
            return -1

    return Stream()
