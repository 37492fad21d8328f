"""Which streams of sound a file holds, by what is in it and not by its name.  One thread.

A file is nearly always one stream.  Joined ones are read as one sound.
"""

from __future__ import annotations

import functools
import os
import struct
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.config import sound_names
from edge_runtime.errors import ItemError, NoInput
from edge_runtime.files import flac, flac_head, ogg, wav
from edge_runtime.files.naming import printable
from edge_runtime.files.pieces import Pieces
from edge_runtime.files.regular import not_a_file, other_kind

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from edge_runtime.files.pieces import Piece

_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF")
_UNKNOWN = 1 << 62
"""libsndfile's word for a length that is not told is a little under 2^63."""


@dataclass(slots=True)
class SoundStreams:
    """An open file and what it holds.  Its owner closes `file`."""

    file: BinaryIO
    streams: list[Stream]
    told: list[str] = field(default_factory=list)
    """What is wrong with the file, or odd; each for people."""
    notes: list[str] = field(default_factory=list)
    """What people should know, and nothing is wrong with."""
    damage: str = ""
    """What is told behind the last sample that can be read."""


@dataclass(slots=True)
class Stream:
    """One stream."""

    pieces: tuple[Piece, ...] = ()
    """Empty: the file as it is."""
    flac: flac.Stream | None = None


def find_streams(path: Path) -> SoundStreams:
    """Open `path`.  Raises `NoInput` when it is not there, `ItemError` for what is no file."""
    name = printable(path)
    try:
        kind = other_kind(path.stat().st_mode)
    except (OSError, ValueError) as exc:
        raise NoInput(f"{name}: there is no such file") from exc
    if kind:  # an open would wait for ever for a pipe's other end
        raise ItemError(not_a_file(path, kind))
    try:
        file = path.open("rb")
    except OSError as exc:
        raise ItemError(f"{name}: cannot be opened: {(exc.strerror or str(exc)).lower()}") from exc
    found = SoundStreams(file, [])
    try:
        _look(found, path)
    except ItemError as exc:
        found.file.close()
        raise ItemError(f"{name}: {exc}") from exc
    except BaseException:
        found.file.close()
        raise
    return found


def decoder(stream: Stream, streams: SoundStreams, path: Path) -> Any:  # noqa: ANN401 - untyped
    """The library's, at the stream's first sample.  Raises `ItemError`."""
    import soundfile

    name = printable(path)
    given = Pieces(streams.file, stream.pieces) if stream.pieces else os.fsencode(path)
    try:
        # As bytes: the library cannot encode a name that is not UTF-8.
        found = _forward()(given)
    except (soundfile.SoundFileError, RuntimeError, OSError, TypeError) as exc:
        advice = sound_names.advice(name)
        told = f"not a sound file that can be read: {said(exc)}"
        raise ItemError(f"{name}: {told}" + (f"; {advice}" if advice else "")) from exc
    if found.format not in _FORMATS:
        told = f"{found.format} sound; {sound_names.what_is_read(printable(path))}"
        found.close()
        raise ItemError(f"{name}: {told}")
    return found


def length(decoder: Any) -> int | None:  # noqa: ANN401
    """Samples that a decoder tells of; None where it does not know."""
    frames = int(decoder.frames)
    return None if frames >= _UNKNOWN else frames


def said(exc: Exception) -> str:
    """The library's own words, without the path it repeats."""
    told = str(exc).rpartition("': ")[2].removeprefix("Error : ").strip().rstrip(".")
    return told or type(exc).__name__


def _look(found: SoundStreams, path: Path) -> None:
    file, size = found.file, os.fstat(found.file.fileno()).st_size
    magic = file.read(4)
    if magic == ogg.MAGIC:
        found.file = file = _unwrapped(found, path)
        size = os.fstat(file.fileno()).st_size
        if flac.start(file) < 0:
            raise ItemError(found.damage or "not a sound file that can be read: no FLAC in its Ogg")
    if flac.start(found.file) >= 0:
        found.streams = [Stream(one.pieces, one) for one in flac.streams(found.file, size)]
        if any(one.flac and one.flac.samples is None for one in found.streams):
            found.notes.append("its header does not tell its length; read to its end")
        if magic in wav.MAGICS or (magic != ogg.MAGIC and not _is_named(path, ".flac")):
            found.notes.append("it holds FLAC, whatever its name says")
        _check_heads(found.file, found.streams)
    elif magic == flac.MAGIC:
        raise ItemError("damaged: its header is no FLAC's")
    elif magic in wav.MAGICS and file.seek(8) == 8 and file.read(4) == b"WAVE":
        parts = wav.parts(file, size)
        alone = len(parts) == 1 and parts[0].is_as_written
        found.streams = [Stream(() if alone else part.pieces) for part in parts]
        found.told += [told for part in parts for told in part.told]
    else:
        found.streams = [Stream()]
        found.told += _container(file, magic, size)
    if len(found.streams) > 1:
        found.told.append(f"{len(found.streams)} recordings joined in one file; read as one")


def _check_heads(file: BinaryIO, streams: list[Stream]) -> None:
    """Raise `ItemError` for a stream whose header contradicts its sound."""
    for stream in streams:
        if stream.flac is not None and (told := flac_head.problem(file, stream.flac.begin)):
            raise ItemError(told)


def _unwrapped(found: SoundStreams, path: Path) -> BinaryIO:
    bare = tempfile.TemporaryFile(prefix="edge-runtime-")  # noqa: SIM115 - the owner closes it
    try:
        found.damage = ogg.unwrap(found.file, bare)
    except ItemError as exc:
        bare.close()
        raise ItemError(f"{exc}; {sound_names.what_is_read(printable(path))}") from exc
    found.file.close()
    if not _is_named(path, ".oga", ".ogg"):
        found.notes.append("it holds FLAC in Ogg, whatever its name says")
    return bare


def _container(file: BinaryIO, magic: bytes, size: int) -> list[str]:
    """Of AIFF and W64: whether the file is as long as it says."""
    file.seek(0)
    head = file.read(40)
    declared = size
    if magic == b"FORM" and len(head) >= 12:
        declared = 8 + int(struct.unpack_from(">I", head, 4)[0])
    elif magic == b"riff" and len(head) >= 40:
        declared = int(struct.unpack_from("<Q", head, 16)[0])
    if declared <= size:
        return []
    return [f"cut short: its header tells of {declared} bytes, {size} are there"]


def _is_named(path: Path, *suffixes: str) -> bool:
    return path.suffix.lower() in suffixes


@functools.lru_cache
def _forward() -> Any:  # noqa: ANN401 - untyped
    """The library's class for files that are read forward.

    Behind each block its own seeks to where it is, which fails at the end of a stream that does not
    tell its length, and loses the last block.
    """
    import soundfile

    class Forward(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Forward
