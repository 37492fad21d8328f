"""A bundle onto the disk: whole, checked and loaded before it has its name, or not at all."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.errors import ModelError, StorageReadOnly, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

T = TypeVar("T")


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
    hidden = models_dir / f".adding-{bundle_id.replace('/', '-')}-{os.getpid()}"
    try:
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
    """Under its name by one rename; an old one steps aside first and is then removed."""
    target.parent.mkdir(exist_ok=True)
    old = hidden.with_name(f"{hidden.name}-old")
    if target.exists():
        target.rename(old)
    try:
        hidden.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
