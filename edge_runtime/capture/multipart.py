"""Pictures out of a multipart answer, as cameras send it and not only as RFC 2046 has it.  Pure.

Boundaries with dashes too many or too few or of another name, lines without CR, no first boundary,
lengths that are missing, too short or too long, parts that are empty or of text: a part ends at its
JPEG's own end marker, at its length, or where the next boundary begins, whichever is sure first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_runtime.capture.jpeg_end import START, JpegEnd
from edge_runtime.errors import ItemError

MAX_PART_BYTES = 64 << 20
MAX_LINE_BYTES = 64 << 10
_HEADER = re.compile(rb"^([A-Za-z0-9-]{1,64})[ \t]*:(.*)$", re.DOTALL)
_END_OF_MARK = re.compile(rb"-*[ \t]*\r?\n")
_LONGEST_MARK = 256
_BARE = START + b"\xff"
_SURELY = 2 * _LONGEST_MARK
"""So much behind a part's length a boundary would have been seen."""
_CR, _LF, _DASH = b"\r\n-"


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it came."""

    data: bytes
    kind: str
    """Its Content-Type in small letters, without parameters; empty where it has none."""
    is_whole: bool = True
    """False for a JPEG without its end."""


class Overlong(ItemError):
    """What comes is no stream of pictures: a part, or what is between two, does not end."""


class Multipart:
    """Fed with bytes, cut anywhere; gives whole parts in order."""

    def __init__(self, boundary: str = "") -> None:
        """`boundary` as the Content-Type has it; the first one in the stream counts as well."""
        self._buffer = bytearray()
        self._marks = [mark] if (mark := _mark(boundary.encode("latin-1", "replace"))) else []
        self._is_sure = False
        """A boundary that was told has been seen: none needs to be learned."""
        self._in_body = False
        self._begins = False
        """The last line was a boundary."""
        self._head: dict[bytes, bytes] = {}
        self._between = 0
        self._length: int | None = None
        self._searched = 0
        self._end: JpegEnd | None = None

    def feed(self, data: bytes) -> list[Part]:
        """The parts that are whole now, empty ones too.  Raises `Overlong`."""
        self._buffer += data
        found: list[Part] = []
        while self._in_body or self._read_head():
            end = self._body_end()
            if end is None:
                break
            found.append(self._cut(end))
        return found

    def end(self) -> Part | None:
        """The stream is over: what is there of the last part."""
        if not self._in_body:
            return None
        part = self._cut(len(self._buffer))
        return part if part.data.strip() else None

    def _read_head(self) -> bool:
        """Lines up to the empty one behind the headers; whether a body begins."""
        while (newline := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:newline]).rstrip(b"\r")
            self._pass_over(newline + 1)
            if not line and (self._head or self._begins):
                self._begin_body()
                return True
            if self._is_boundary(line):
                self._head, self._begins = {}, True
            elif header := _HEADER.match(line):
                self._head[header[1].lower()] = header[2].strip()
            elif line:  # what is left of a part that was longer than it said
                self._head, self._begins = {}, False
        if len(self._buffer) > MAX_LINE_BYTES:
            # No line at all: keep what may be the beginning of a boundary.
            self._pass_over(len(self._buffer) - _LONGEST_MARK)
        return False

    def _pass_over(self, count: int) -> None:
        del self._buffer[:count]
        self._between += count
        if self._between > MAX_PART_BYTES:
            raise Overlong(f"{MAX_PART_BYTES >> 20} MiB without the beginning of a part")

    def _is_boundary(self, line: bytes) -> bool:
        if not line.startswith(b"--"):
            return False
        mark = _mark(line)
        if mark in self._marks:
            self._is_sure = True
        elif self._is_sure or not mark or len(mark) > _LONGEST_MARK or not _is_plain(mark):
            return False
        else:
            self._marks = [*self._marks[:1], mark]
        return True

    def _begin_body(self) -> None:
        told = self._head.get(b"content-length", b"")
        is_length = told.isdigit() and len(told) < 12 and int(told) <= MAX_PART_BYTES
        self._length = int(told) if is_length else None
        self._in_body = True
        self._between = self._searched = 0
        self._end = None

    def _body_end(self) -> int | None:
        """Where the part ends, once that is sure.  Raises `Overlong`."""
        if self._length == 0:
            return 0
        if len(self._buffer) < len(START):
            return None
        boundary = self._boundary()
        find = self._jpeg_end if self._buffer.startswith(START) else self._other_end
        end = find(boundary)
        if end is None and len(self._buffer) > MAX_PART_BYTES:
            raise Overlong(f"a part of more than {MAX_PART_BYTES >> 20} MiB")
        return end

    def _jpeg_end(self, boundary: int | None) -> int | None:
        self._end = self._end or JpegEnd()
        end = self._end.find(self._buffer)
        # Damaged data may lead the walk over the boundary into the next picture.
        if end is not None and (boundary is None or end <= boundary):
            return end
        is_over = self._length is not None and len(self._buffer) >= self._length + _SURELY
        # Its end mark is missing, and the boundary is one that nobody told.
        return self._length if boundary is None and is_over else boundary

    def _other_end(self, boundary: int | None) -> int | None:
        if self._length is None or (boundary is None and len(self._buffer) < self._length):
            return boundary
        return self._length if boundary is None else min(self._length, boundary)

    def _boundary(self) -> int | None:
        """Where the next boundary begins in the body, with the line's end before it."""
        buffer = self._buffer
        found = [at for mark in self._marks if (at := self._mark_at(mark)) is not None]
        if not found:
            self._searched = max(self._searched, len(buffer) - _LONGEST_MARK)
            return None
        at = min(found)
        while at > 0 and buffer[at - 1] == _DASH:
            at -= 1
        if at > 0 and buffer[at - 1] == _LF:
            at -= 2 if at > 1 and buffer[at - 2] == _CR else 1
        return at

    def _mark_at(self, mark: bytes) -> int | None:
        at = self._searched
        while (at := self._buffer.find(b"--" + mark, at)) >= 0:
            behind = at + 2 + len(mark)
            if _END_OF_MARK.match(self._buffer, behind):
                return at
            if len(self._buffer) - behind < _LONGEST_MARK:
                return None  # its line is not whole: it is looked for again
            at = behind
        return None

    def _cut(self, end: int) -> Part:
        kind = self._head.get(b"content-type", b"").partition(b";")[0]
        data = bytes(self._buffer[:end])
        part = Part(data, kind.strip().lower().decode("latin-1"), _is_whole(data))
        del self._buffer[:end]
        self._in_body = self._begins = False
        self._head = {}
        return part


class BareJpegs:
    """A stream of JPEGs with nothing between them."""

    def __init__(self) -> None:
        """Before its first byte."""
        self._buffer = bytearray()
        self._end = JpegEnd()

    def feed(self, data: bytes) -> list[Part]:
        """The pictures that are whole now, or where the next one begins.  Raises `Overlong`."""
        self._buffer += data
        found: list[Part] = []
        while (end := self._next()) is not None:
            data = bytes(self._buffer[:end])
            found.append(Part(data, "image/jpeg", _is_whole(data)))
            del self._buffer[:end]
            self._end = JpegEnd()
        if len(self._buffer) > MAX_PART_BYTES:
            raise Overlong(f"{MAX_PART_BYTES >> 20} MiB without the end of a picture")
        return found

    def end(self) -> Part | None:
        """The stream is over: what is there of the last picture."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        return Part(rest, "image/jpeg", _is_whole(rest)) if rest.startswith(_BARE) else None

    def _next(self) -> int | None:
        if not self._buffer.startswith(_BARE):
            start = self._buffer.find(_BARE)
            # Without one, the last two bytes may be its beginning.
            del self._buffer[: start if start >= 0 else max(0, len(self._buffer) - 2)]
            if start < 0:
                return None
        end = self._end.find(self._buffer)
        if end is None and self._end.is_lost:
            after = self._end.next_start or 2
            start = self._buffer.find(_BARE, after)
            return start if start >= 0 else None
        return end


def _mark(line: bytes) -> bytes:
    """A boundary's own letters: cameras are not at one about the dashes around them."""
    return line.strip().strip(b'"').strip(b"-").strip()


def _is_whole(data: bytes) -> bool:
    return not data.startswith(START) or JpegEnd().find(data) is not None


def _is_plain(mark: bytes) -> bool:
    return mark.isascii() and mark.decode("ascii").isprintable()
