"""Zips and tars in memory, without believing a word of what they say of themselves.  Pure.

Members are unpacked in small pieces, with limits on how many, how large and how much in all, and
with what the packed bytes can really hold; nothing is ever unpacked to a path that the archive
names.  What was allocated before a lie is found is no more than the archive's own size allows.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES = 512 << 20
"""Of all that is read for one model; what `inference` loads at most."""
MAX_MEMBERS = 1000
MODELS = (".onnx", ".tflite", ".lite", ".xml")
_TEXTS = (".txt", ".json", ".yaml", ".toml", ".md", ".bin", ".data", ".onnx_data")
_LARGEST_RATIO = 200
"""Unpacked bytes for one packed byte; weights pack to no less than a twentieth."""
_MIN_SUSPICIOUS_BYTES = 1 << 20
_PIECE_BYTES = 64 << 10
"""Unpacked at a time: zipfile unpacks as much as it is asked for before it looks at the size."""
_ZIP_MARKS, _ZIP_ENTRY = (b"PK\x03\x04", b"PK\x05\x06"), b"PK\x01\x02"
_GZIP_MARK, _GZIP_ONLY = b"\x1f\x8b", 31
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to pack that zipfile unpacks piece by piece; of others a few bytes are millions at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one archive may hold."""

    bytes: int = MAX_BYTES
    members: int = MAX_MEMBERS


def unpacked(data: bytes, name: str, limits: Limits) -> dict[str, bytes]:
    """Member = bytes of a .zip, .tar or .tar.gz, only files that a model can have.

    Raises `ModelError` for what is damaged, too large, or named like a trap; `name` is for
    messages.
    """
    is_zip = data[:4] in _ZIP_MARKS
    return unzipped(data, name, limits) if is_zip else _untarred(data, name, limits)


def unzipped(data: bytes, name: str, limits: Limits) -> dict[str, bytes]:
    """Member = bytes of a zip, which may stand at the end of another file.  Raises `ModelError`."""
    # The list of members is built before it can be looked at: a short entry is a large object.
    if data.count(_ZIP_ENTRY) > 2 * limits.members:
        raise _too_many(name, limits)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _check_names((info.filename for info in members), name, limits)
            for info in members:
                _check_member(info, f"{name}: {info.filename}")
            _check_sizes(members, len(data), name, limits)
            wanted = [info for info in members if _may(info.filename)]
            return _collected(
                ((info.filename, info.file_size, archive.open(info)) for info in wanted),
                name,
                limits,
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as exc:
        raise ModelError(f"{name}: a damaged zip: {exc}") from exc


class _Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


def _check_member(info: zipfile.ZipInfo, what: str) -> None:
    if info.flag_bits & 1:
        raise ModelError(f"{what} is locked by a password")
    if _may(info.filename) and info.compress_type not in _BOUNDED:
        raise ModelError(f"{what} is packed in an unusual way; pack the zip anew (deflate)")
    _check_ratio(info.file_size, info.compress_size, what)


def _check_sizes(members: list[zipfile.ZipInfo], whole: int, name: str, limits: Limits) -> None:
    """Members that share packed bytes, or claim more of them than there are, unpack to anything."""
    if sum(info.compress_size for info in members) > whole:
        raise ModelError(f"{name}: refused: its members claim more packed bytes than it has")
    total = sum(info.file_size for info in members if _may(info.filename))
    if total > limits.bytes:
        raise _too_much(name, limits)


def _untarred(data: bytes, name: str, limits: Limits) -> dict[str, bytes]:
    try:
        if data[:2] == _GZIP_MARK:
            data = _gunzipped(data, name, limits)
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            files = list(_tar_files(archive, name, limits))
            opened = ((m.name, m.size, archive.extractfile(m)) for m in files)
            return _collected(((n, size, file) for n, size, file in opened if file), name, limits)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as exc:
        raise ModelError(f"{name}: not a .zip or .tar.gz, or a damaged one: {exc}") from exc


def _tar_files(archive: tarfile.TarFile, name: str, limits: Limits) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(archive, 1):
        if count > limits.members:
            raise _too_many(name, limits)
        _check_names([member.name], name, limits)
        if member.issparse():  # its holes are zeros that no byte of the archive stands for
            raise ModelError(f"{name}: {member.name} is a sparse file; pack it without holes")
        if member.isfile() and _may(member.name):
            yield member


def _gunzipped(data: bytes, name: str, limits: Limits) -> bytes:
    """A gzip file, refused as soon as it grows beyond what weights can pack to."""
    out = bytearray()
    unpack = zlib.decompressobj(wbits=_GZIP_ONLY)
    for begin in range(0, len(data), _PIECE_BYTES):
        packed = data[begin : begin + _PIECE_BYTES]
        while packed and not unpack.eof:
            out += unpack.decompress(packed, _PIECE_BYTES)
            packed = unpack.unconsumed_tail
            if len(out) > limits.bytes:
                raise _too_much(name, limits)
            _check_ratio(len(out), begin + _PIECE_BYTES - len(packed), name)
    if not unpack.eof:
        raise EOFError("it ends in the middle")
    return bytes(out)


def _too_many(name: str, limits: Limits) -> ModelError:
    return ModelError(f"{name}: more than {limits.members} files; that is no model")


def _too_much(name: str, limits: Limits) -> ModelError:
    return ModelError(f"{name}: unpacks to more than {limits.bytes} bytes")


def _check_names(names: Iterable[str], archive: str, limits: Limits) -> None:
    for count, member in enumerate(names, 1):
        if count > limits.members:
            raise _too_many(archive, limits)
        path = PurePosixPath(member.replace("\\", "/"))
        leaves = path.is_absolute() or ".." in path.parts or "\0" in member
        if leaves or ":" in (path.parts or ("",))[0]:
            raise ModelError(f"{archive}: refused: its member '{member[:100]}' leaves the archive")


def _check_ratio(size: int, packed: int, what: str) -> None:
    if size > _MIN_SUSPICIOUS_BYTES and size > _LARGEST_RATIO * max(packed, 1):
        raise ModelError(f"{what}: refused: {packed} bytes that unpack to {size}")


def _may(member: str) -> bool:
    path = PurePosixPath(member)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    known = path.suffix.lower() in (*MODELS, *_TEXTS, ".png", ".jpg", ".jpeg", ".wav", ".flac")
    known |= path.suffix.lower() == ".zip"  # not opened, but named in what is told
    known |= path.name in ("LICENSE", "LICENCE") or path.suffix.lower() in (".npz", ".npy", ".h5")
    return known and not hidden


def _collected(
    members: Iterable[tuple[str, int, _Readable]], archive: str, limits: Limits
) -> dict[str, bytes]:
    """Every member whole: as many bytes as it says, never more than `limits` in all."""
    found: dict[str, bytes] = {}
    left = limits.bytes
    for name, size, file in members:
        data = bytearray()
        # One byte beyond its end is asked for: zipfile compares the checksum there.
        while piece := file.read(_PIECE_BYTES):
            data += piece
            if len(data) > left:
                raise _too_much(archive, limits)
            if len(data) > size:
                raise ModelError(f"{archive}: {name} unpacks to more than it says, {size} bytes")
        if len(data) != size:
            raise ModelError(
                f"{archive}: {name} unpacks to {len(data)} bytes and says {size}: damaged"
            )
        left -= size
        found[name] = bytes(data)
    return found
