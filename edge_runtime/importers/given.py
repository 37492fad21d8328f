"""What a person gives to be imported: a file with what lies beside it, a folder, an archive.

Archives are read in memory, see `archives`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError, NoInput
from edge_runtime.importers.archives import MAX_BYTES, MAX_MEMBERS, MODELS, Limits, unpacked
from edge_runtime.importers.onnx_inline import external_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_runtime.importers.draft import Fact

MAX_SMALL_BYTES = 4 << 20
"""Of a text beside a model."""
_BESIDE = ("labels.txt", "labels.json", "metadata.json")


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
    said: Mapping[str, Fact] = field(default_factory=dict)
    """What the person said of it, in the keys of ``model.toml``: it goes before the file's word."""

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
    return unpacked(read_bytes(path, MAX_BYTES), str(path), Limits(MAX_BYTES, MAX_MEMBERS))


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
            # Python makes room for as much as is asked for, whatever the file has; a pipe (as
            # ``<(…)`` of a shell is one) tells no size.
            data = file.read(min(limit, path.stat().st_size or limit) + 1)
    except OSError as exc:
        raise NoInput(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(data) > limit:
        raise ModelError(f"{path}: more than {limit} bytes; that is no model for a small box")
    return data


def is_archive(path: PurePath) -> bool:
    """By its name."""
    return path.name.lower().endswith((".zip", ".tar.gz", ".tgz", ".tar"))
