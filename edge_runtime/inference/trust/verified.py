"""``verified/``: what each bundle answered on this box when it was verified, to the last bit.

One file a bundle and environment, ``<bundle>-<runtime>-<environment>.json``, written whole and
fsynced.  A record is evidence, not authority: the golden samples are compared within their
tolerance at every start, whatever a record says.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge_runtime.inference.trust.golden.playing import Played

log = logging.getLogger(__name__)

FORMAT = 1
MAX_BYTES = 1 << 20


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bundle, as it was verified here."""

    format: int
    bundle: str
    """sha256 of its ``model.toml``."""
    environment: dict[str, str]
    exact: bool
    """Two processes gave the same bits; else only the tolerance counts."""
    made_ns: int
    """UTC, ns since 1970, as the box believed."""
    samples: dict[str, list[str]]
    """Sample -> sha256 of each output, then of the answer."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: Record
    sha256: str
    """Of the record's canonical JSON."""


def make_record(
    bundle: str, environment: Mapping[str, str], played: Sequence[Played], *, exact: bool
) -> Record:
    """What was played, as a record of now."""
    return Record(
        format=FORMAT,
        bundle=bundle,
        environment=dict(environment),
        exact=exact,
        made_ns=SYSTEM_CLOCK.stamp().wall_ns,
        samples={each.name: each.digests for each in played},
    )


def path_of(folder: Path, bundle: str, environment: Mapping[str, str]) -> Path:
    """Where a bundle's record for this environment is."""
    runtime = environment["runtime"].replace(" ", "-")
    runtime = "".join(c for c in runtime if c.isalnum() or c in "-._")
    digest = hashlib.sha256(msgspec.json.encode(dict(environment), order="sorted")).hexdigest()
    return folder / f"{bundle[:16]}-{runtime}-{digest[:16]}.json"


def read_record(path: Path, bundle: str, environment: Mapping[str, str]) -> Record | None:
    """The record; None, with a warning where there is a file, when it cannot be trusted."""
    try:
        data = _read(path)
        file = msgspec.json.decode(data, type=_File)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:  # msgspec's errors are ValueErrors
        log.warning("verified record %s is ignored and made anew: %s", path, exc)
        return None
    record = file.record
    problem = ""
    if record.format != FORMAT or file.sha256 != _digest(record):
        problem = "it was damaged"
    elif record.bundle != bundle or record.environment != dict(environment):
        problem = "it is of another bundle or box"
    if problem:
        log.warning("verified record %s is ignored and made anew: %s", path, problem)
        return None
    return record


def write_record(path: Path, record: Record) -> None:
    """Atomic and durable.  A folder that cannot be written costs a probe at every start, no more.

    Logged, not raised.
    """
    data = msgspec.json.encode(_File(record, _digest(record)))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        log.warning("verified record %s cannot be written: %s", path, exc.strerror)
        with contextlib.suppress(OSError):
            part.unlink()


def first_difference(record: Record, played: Sequence[Played], outputs: Sequence[str]) -> str:
    """Where the answers are not the record's to the last bit; empty: they are.

    `outputs`: names, for messages.
    """
    names = [*outputs, "answer"]
    for each in played:
        before = record.samples.get(each.name)
        if before is None or len(before) != len(each.digests):
            return f"golden sample '{each.name}' was not there"
        for name, old, new in zip(names, before, each.digests, strict=False):
            if old != new:
                return f"golden sample '{each.name}', output '{name}'"
    return ""


def _read(path: Path) -> bytes:
    """Raises ValueError for what others could have written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_uid not in (os.geteuid(), 0):
            raise ValueError("it is not a file of this user")
        if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError("others may write it")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("it is too large")
    return data


def _digest(record: Record) -> str:
    return hashlib.sha256(msgspec.json.encode(record, order="sorted")).hexdigest()
