"""What a person gives to be imported: a file with what lies beside it, a folder, an archive.

Archives are read in memory, member by member, with limits on how many, how large and how much in
all; nothing is ever unpacked to a path that the archive names.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import ModelError, NoInput
from edge_runtime.importers.onnx_inline import external_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_BYTES = 512 << 20
"""Of all that is read for one model; what `inference` loads at most."""
MAX_MEMBERS = 1000
MAX_SMALL_BYTES = 4 << 20
"""Of a text beside a model."""
MODELS = (".onnx", ".tflite", ".lite", ".xml")
_TEXTS = (".txt", ".json", ".yaml", ".toml", ".md", ".bin", ".data", ".onnx_data")
_BESIDE = ("labels.txt", "labels.json", "metadata.json")
_LARGEST_RATIO = 200
"""Unpacked bytes for one packed byte; weights pack to no less than a twentieth."""
_MIN_SUSPICIOUS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Given:
    """One model file and the small files that came with it."""

    name: str
    """As the person wrote it, for messages."""
    file: str
    """The model file's own name."""
    data: bytes
    beside: Mapping[str, bytes]
    """Other files' names, without folders, and bytes."""

    @property
    def suffix(self) -> str:
        """``.onnx`` and the like, small letters."""
        return PurePosixPath(self.file).suffix.lower()

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return PurePosixPath(self.file).stem


def read_file(path: Path) -> Given:
    """A model file and its known companions.  Raises `NoInput`, `ModelError`."""
    data = read_bytes(path, MAX_BYTES)
    beside = {}
    wanted = [*_BESIDE, f"{path.stem}.txt", f"{path.stem}.json"]
    for name in wanted:
        companion = path.with_name(name)
        if companion != path and companion.is_file():
            beside[name] = read_bytes(companion, MAX_SMALL_BYTES)
    if path.suffix.lower() == ".xml":
        weights = path.with_suffix(".bin")
        if weights.is_file():
            beside[weights.name] = read_bytes(weights, MAX_BYTES)
    for name in external_files(data) if path.suffix.lower() == ".onnx" else ():
        if path.with_name(name).is_file():
            beside[name] = read_bytes(path.with_name(name), MAX_BYTES)
    return Given(str(path), path.name, data, beside)


def read_folder(path: Path) -> dict[str, bytes]:
    """Relative name = bytes of the files in a folder and one folder below it.

    Raises `NoInput`, `ModelError`.  Links are followed nowhere.
    """
    found: dict[str, bytes] = {}
    left = MAX_BYTES
    for file in sorted([*path.glob("*"), *path.glob("*/*")]):
        relative = file.relative_to(path)
        if file.is_symlink() or not file.is_file() or str(relative).startswith("."):
            continue
        if len(found) >= MAX_MEMBERS:
            raise ModelError(f"{path}: more than {MAX_MEMBERS} files; that is no model")
        data = read_bytes(file, left)
        left -= len(data)
        found[relative.as_posix()] = data
    return found


def read_archive(path: Path) -> dict[str, bytes]:
    """Member = bytes of a .zip or .tar(.gz), only files that a model can have.

    Raises `NoInput`, `ModelError` for what is damaged, too large, or named like a trap.
    """
    data = read_bytes(path, MAX_BYTES)
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return unzipped(data, str(path))
    return _untarred(data, str(path))


def unzipped(data: bytes, name: str) -> dict[str, bytes]:
    """Member = bytes of a zip, which may stand at the end of another file.  Raises `ModelError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _check_names((info.filename for info in members), name)
            for info in members:
                _check_ratio(info.file_size, info.compress_size, f"{name}: {info.filename}")
                if info.flag_bits & 1:
                    raise ModelError(f"{name}: {info.filename} is locked by a password")
            return _collected(
                ((info.filename, archive.open(info)) for info in members if _may(info.filename)),
                name,
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as exc:
        raise ModelError(f"{name}: a damaged zip: {exc}") from exc


def models_in(members: Iterable[str]) -> list[str]:
    """Those that are model files."""
    return [name for name in members if PurePosixPath(name).suffix.lower() in MODELS]


def one_of(members: Mapping[str, bytes], model: str, name: str) -> Given:
    """A member as a model file, the others of its folder beside it."""
    home = PurePosixPath(model).parent
    beside = {
        PurePosixPath(other).name: data
        for other, data in members.items()
        if PurePosixPath(other).parent == home and other != model
    }
    return Given(f"{name}: {model}", PurePosixPath(model).name, members[model], beside)


def read_bytes(path: Path, limit: int) -> bytes:
    """A file of at most `limit` bytes.  Raises `NoInput`, `ModelError`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as exc:
        raise NoInput(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(data) > limit:
        raise ModelError(f"{path}: more than {limit} bytes; that is no model for a small box")
    return data


class _Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


def _untarred(data: bytes, name: str) -> dict[str, bytes]:
    try:
        if data[:2] == b"\x1f\x8b":
            packed = len(data)
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise ModelError(f"{name}: unpacks to more than {MAX_BYTES} bytes")
            _check_ratio(len(data), packed, name)
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            members = archive.getmembers()
            _check_names((member.name for member in members), name)
            files = [member for member in members if member.isfile() and _may(member.name)]
            opened = ((member.name, archive.extractfile(member)) for member in files)
            return _collected(((n, file) for n, file in opened if file is not None), name)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as exc:
        raise ModelError(f"{name}: not a .zip or .tar.gz, or a damaged one: {exc}") from exc


def _check_names(names: Iterable[str], archive: str) -> None:
    for count, member in enumerate(names, 1):
        if count > MAX_MEMBERS:
            raise ModelError(f"{archive}: more than {MAX_MEMBERS} files; that is no model")
        path = PurePosixPath(member.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in member or ":" in path.parts[0]:
            raise ModelError(f"{archive}: refused: its member '{member[:100]}' leaves the archive")


def _check_ratio(unpacked: int, packed: int, what: str) -> None:
    if unpacked > _MIN_SUSPICIOUS_BYTES and unpacked > _LARGEST_RATIO * max(packed, 1):
        raise ModelError(f"{what}: refused: {packed} bytes that unpack to {unpacked}")


def _may(member: str) -> bool:
    path = PurePosixPath(member)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    known = path.suffix.lower() in (*MODELS, *_TEXTS, ".png", ".jpg", ".jpeg", ".wav", ".flac")
    known |= path.name in ("LICENSE", "LICENCE") or path.suffix.lower() in (".npz", ".npy", ".h5")
    return known and not hidden


def _collected(members: Iterable[tuple[str, _Readable]], archive: str) -> dict[str, bytes]:
    """Every member whole, never more than `MAX_BYTES` in all, whatever headers promise."""
    found: dict[str, bytes] = {}
    left = MAX_BYTES
    for name, file in members:
        data = file.read(left + 1)
        left -= len(data)
        if left < 0:
            raise ModelError(f"{archive}: unpacks to more than {MAX_BYTES} bytes")
        found[name] = data
    return found


def is_archive(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith((".zip", ".tar.gz", ".tgz", ".tar"))
