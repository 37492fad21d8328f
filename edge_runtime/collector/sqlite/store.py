"""The embedded store: one SQLite file (WAL, FULL) and a folder of media.

One thread, ``collector-writer``, owns the only connection that writes and checkpoints; every read
opens a read-only connection of its own in the thread that asks.  What a method has returned is on
the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from edge_runtime.collector.media_folder import MediaFolder, MediaMismatch, MediaWriter
from edge_runtime.collector.sqlite.reading import Reader
from edge_runtime.collector.sqlite.schema import MIGRATIONS
from edge_runtime.collector.sqlite.writing import Writer
from edge_runtime.collector.store import DeviceReport, Query, Row, StoredMedia, StreamReport
from edge_runtime.errors import (
    ItemError,
    LedgerError,
    LedgerFull,
    LedgerLocked,
    SchemaTooNew,
    StorageReadOnly,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge_runtime.clock import Clock
    from edge_runtime.collector.ingest import Batch
    from edge_runtime.wire.conversation import Greeting, Receipt, Welcome

T = TypeVar("T")

DATABASE = "collector.db"
MEDIA = "media"
LOCK = "lock"


class SqliteStore:
    """A `Store`.  Made by `open`."""

    def __init__(
        self, data_dir: Path, *, connection: sqlite3.Connection, lock_fd: int, clock: Clock
    ) -> None:
        """Use `open`."""
        self._path = data_dir / DATABASE
        self._lock_fd = lock_fd
        self._clock = clock
        self._folder = MediaFolder(data_dir / MEDIA)
        self._connection = connection
        self.instance = secrets.token_hex(8)
        self._writer = Writer(connection, self._folder.size_bytes, instance=self.instance)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="collector-writer")

    @classmethod
    def open(cls, data_dir: Path, *, clock: Clock) -> SqliteStore:
        """Create or open the store in `data_dir`.

        Raises `StorageReadOnly`, `LedgerLocked`, `SchemaTooNew`, `LedgerError`.
        """
        lock_fd = _take_lock(data_dir)
        try:
            connection = _open_database(data_dir / DATABASE)
            store = cls(data_dir, connection=connection, lock_fd=lock_fd, clock=clock)
            store._folder.open()
        except OSError as exc:
            os.close(lock_fd)
            raise StorageReadOnly(f"{data_dir}: cannot be written: {exc.strerror}") from exc
        except BaseException:
            os.close(lock_fd)
            raise
        return store

    def greet(self, greeting: Greeting) -> Welcome:
        """See `Store`."""
        return self._write(lambda: self._writer.greet(greeting, self._clock.stamp().wall_ns))

    def put_events(self, batch: Batch) -> Receipt:
        """See `Store`."""
        return self._write(lambda: self._writer.put_events(batch, self._clock.stamp().wall_ns))

    def begin_media(self, sha256: str, mime: str) -> _Upload:
        """See `Store`."""
        with _media_errors(self._folder.path(sha256)):
            return _Upload(self._folder.begin(sha256), lambda size: self._add(sha256, mime, size))

    def media(self, sha256: str) -> StoredMedia | None:
        """See `Store`."""
        with self._reader() as reader:
            found = reader.media(sha256)
        if found is None or self._folder.size_bytes(sha256) != found[1]:
            return None
        mime, size_bytes = found
        return StoredMedia(self._folder.path(sha256), mime, size_bytes)

    def missing_media(self, sha256s: Sequence[str]) -> list[str]:
        """See `Store`."""
        with self._reader() as reader:
            noted = {sha256: found[1] for sha256 in sha256s if (found := reader.media(sha256))}
        return [
            sha256
            for sha256 in sha256s
            if sha256 not in noted or self._folder.size_bytes(sha256) != noted[sha256]
        ]

    def results(self, query: Query) -> list[Row]:
        """See `Store`."""
        with self._reader() as reader:
            return reader.results(query)

    def result(self, device: str, epoch: str, seq: int) -> Row | None:
        """See `Store`."""
        with self._reader() as reader:
            return reader.result(device, epoch, seq)

    def additions(self, device: str, epoch: str, seq: int) -> list[Row]:
        """See `Store`."""
        with self._reader() as reader:
            return reader.additions(device, epoch, seq)

    def devices(self) -> list[DeviceReport]:
        """See `Store`."""
        with self._reader() as reader:
            return reader.devices()

    def completeness(self, device: str) -> list[StreamReport]:
        """See `Store`."""
        with self._reader() as reader:
            return reader.completeness(device)

    def close(self) -> None:
        """See `Store`."""
        if self._lock_fd < 0:
            return
        self._thread.shutdown(wait=True)
        with contextlib.suppress(sqlite3.Error):  # only tidier: the WAL is as durable
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._connection.close()
        os.close(self._lock_fd)
        self._lock_fd = -1

    def _add(self, sha256: str, mime: str, size_bytes: int) -> bool:
        now = self._clock.stamp().wall_ns
        return self._write(lambda: self._writer.add_media(sha256, mime, size_bytes, now))

    def _write(self, work: Callable[[], T]) -> T:
        """Run `work` in the writer's thread, in one transaction."""
        return self._thread.submit(self._transaction, work).result()

    def _transaction(self, work: Callable[[], T]) -> T:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            value = work()
            self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            self._roll_back()
            raise _wrapped(exc, self._path) from exc
        except BaseException:
            self._roll_back()
            raise
        return value

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Reader]:
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA query_only = 1")
                connection.execute("PRAGMA busy_timeout = 10000")
                yield Reader(connection)
        except sqlite3.Error as exc:
            raise _wrapped(exc, self._path) from exc


class _Upload:
    """A `MediaUpload` into the folder, then a row."""

    def __init__(self, writer: MediaWriter, add: Callable[[int], bool]) -> None:
        self._writer = writer
        self._add = add

    def write(self, data: bytes | bytearray) -> None:
        with _media_errors(self._writer.target):
            self._writer.write(data)

    def commit(self) -> bool:
        try:
            with _media_errors(self._writer.target):
                size_bytes = self._writer.commit()
        except MediaMismatch as exc:
            raise ItemError(str(exc)) from exc
        return self._add(size_bytes)

    def abort(self) -> None:
        self._writer.abort()


@contextlib.contextmanager
def _media_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LedgerFull(f"{path.parent}: no room for media") from exc
        raise LedgerError(f"{path}: cannot be written: {exc.strerror}") from exc


def _wrapped(exc: sqlite3.Error, path: Path) -> LedgerError:
    if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return LedgerFull(f"{path}: no room for another row")
    return LedgerError(f"{path}: {exc}")


def _take_lock(data_dir: Path) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as exc:
        raise StorageReadOnly(f"{data_dir}: cannot be written: {exc.strerror}") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise LedgerLocked(f"{data_dir}: another collector works here; stop it first") from exc
    return descriptor


def _open_database(path: Path) -> sqlite3.Connection:
    try:
        # The thread that opens is not the one that writes; there is only ever one at a time.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _configure(connection, path)
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as exc:
        raise _wrapped(exc, path) from exc
    return connection


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in (
        "busy_timeout = 10000",
        "journal_mode = WAL",
        "synchronous = FULL",
        "trusted_schema = 0",
        "mmap_size = 0",
        "temp_store = MEMORY",
        "foreign_keys = 1",
        "journal_size_limit = 67108864",
        "cache_size = -8192",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchone()
    # Read back: without these two an acknowledgement would be a promise nobody can keep.
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, level) != ("wal", 2):
        raise LedgerError(f"{path}: this disk gives journal_mode={mode}, synchronous={level}")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise SchemaTooNew(
            f"{path}: written by a newer version (schema {version}, we know {len(MIGRATIONS)})"
        )
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
