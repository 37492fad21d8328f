"""A bundle onto the disk: whole, checked and loaded before it has its name, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.errors import ModelError, StorageReadOnly, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
_HIDDEN = ".adding-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def install(
    models_dir: Path,
    bundle_id: str,
    files: Mapping[str, bytes],
    finish: Callable[[Path], T],
    *,
    is_replacing: bool = False,
) -> tuple[Path, T]:
    """Write `files` as ``models_dir/name/version``; the folder, and what `finish` returned.

    `finish` is called with the folder while it is still hidden: it loads the model and may add
    files.  What it raises leaves nothing behind.  Raises `UsageError` for a version that is there
    already, `StorageReadOnly` when the folder cannot be written.
    """
    target = models_dir / bundle_id
    if target.exists() and not is_replacing:
        name, _, version = bundle_id.partition("/")
        raise UsageError(
            f"models add: {target} is there already; give --version {next_version(version)} or "
            f"another --name than {name}, or --replace"
        )
    hidden = models_dir / f"{_HIDDEN}{bundle_id.replace('/', '-')}-{os.getpid()}"
    try:
        _sweep(models_dir)
        _write(hidden, files)
        made = _finished(hidden, target, finish)
        for path in (*hidden.rglob("*"), hidden):
            _sync(path)
        _exchange(hidden, target)
    except OSError as exc:
        raise StorageReadOnly(f"{models_dir}: cannot be written: {exc.strerror}") from exc
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return target, made


def next_version(version: str) -> str:
    """The last number of a version, one higher."""
    head, dot, last = version.rpartition(".")
    return f"{head}{dot}{int(last) + 1}" if last.isdecimal() else f"{version}.1"


def _write(hidden: Path, files: Mapping[str, bytes]) -> None:
    hidden.mkdir(parents=True)
    for name, data in files.items():
        path = hidden / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def _finished(hidden: Path, target: Path, finish: Callable[[Path], T]) -> T:
    """Errors name the place that the person will see."""
    try:
        return finish(hidden)
    except ModelError as exc:
        raise ModelError(
            str(exc).replace(f"{hidden}{os.sep}", "").replace(str(hidden), str(target))
        ) from exc


def _exchange(hidden: Path, target: Path) -> None:
    """Under its name by one rename; an old one is exchanged for it in the same instant."""
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        _swap(hidden, target)  # what was the old one is hidden now, and removed by the caller
    else:
        hidden.rename(target)
    _sync(target.parent)


def _swap(one: Path, other: Path) -> None:
    """renameat2(2) with RENAME_EXCHANGE, which Python has no name for."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    here = ctypes.c_int(_AT_FDCWD)
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(here, names[0], here, names[1], ctypes.c_uint(_RENAME_EXCHANGE)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _sweep(models_dir: Path) -> None:
    """What an add left that was killed."""
    for left in models_dir.glob(f"{_HIDDEN}*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
