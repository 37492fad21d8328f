"""The exception tree: one class per action a caller takes.

::

    EdgeRuntimeError
    |- UsageError              exit 64: the command line is wrong
    |- NoInput                 exit 66: a named file or folder is not there or cannot be read
    |  |- NotAllowed           exit 66: it is there, and this user may not read it
    |- ConfigError             exit 78: every problem at once, with key and suggestion
    |  |- ConfigUnreadable     exit 66: a file of it is not there or cannot be read
    |- ModelError              exit 78: the bundle is refused, the last good one keeps running
    |- SourceError
    |  |- SourceUnavailable    the device is not there: retry in place, for ever
    |  |- SourceEnded          a replay came to its end: drain and finish
    |- ItemError               one image, frame or segment is bad: tombstone it and go on
    |- RequestRefused          the ledger is well and cannot take this one request: bury it, go on
    |- LedgerError             exit 74: the ledger has failed
    |  |- LedgerLocked         exit 75: another daemon has this ledger
    |  |- LedgerFull           no room: evict media, then block the lanes
    |  |- LedgerDamaged        exit 74: quarantine and recover, never recreate silently
    |  |- SchemaTooNew         exit 78: written by a newer version, left untouched
    |- StorageReadOnly         exit 73: the data folder cannot be written
    |- AddressInUse            exit 69: a port or socket is taken
    |- NotServing              exit 69: the process that is asked does not run or does not answer
    |- SyncError
       |- Offline              no connection, or the far side is ailing: back off, for ever
       |- Throttled            the far side asks to wait
       |- AuthFailed           401/403: probe slowly, raise an alarm
       |- BatchTooLarge        413: halve the batch
       |- BatchRefused         400/422 without saying which: bisect
       |- ProtocolError        the far side talks nonsense: back off, say so

Names end in Error unless they name a state.  Third-party exceptions are wrapped in the module that
imports the library.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes, after sysexits.h."""

    OK = 0
    FAILED = 1
    """A check ran and found fault (``doctor``, ``models verify``)."""
    USAGE = 64
    NO_INPUT = 66
    """A file or folder named by the user is not there or cannot be read."""
    UNAVAILABLE = 69
    """A device, port or service needed at start is not available."""
    INTERNAL = 70
    """A defect of ours; the traceback is in the log."""
    CANNOT_CREATE = 73
    """The data folder cannot be written."""
    IO_ERROR = 74
    """The ledger or its disk failed."""
    LOCKED = 75
    """Another daemon has this ledger."""
    NOT_ALLOWED = 77
    """The daemon does not do this for this user."""
    CONFIG = 78
    """The config or a model is refused; systemd must not restart us."""
    ABORTED = 130
    """Stopped by a second signal."""


class EdgeRuntimeError(Exception):
    """Base of all errors of ours; `str()` is one clear line: what, where and what to do."""

    exit_code: ExitCode = ExitCode.INTERNAL


class UsageError(EdgeRuntimeError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


class NoInput(EdgeRuntimeError):
    """A file or folder named by the user is not there or cannot be read."""

    exit_code = ExitCode.NO_INPUT


class NotAllowed(NoInput):
    """It is there, and this user may not read it."""


class ConfigError(EdgeRuntimeError):
    """The config is refused.  `problems` has one line for each thing wrong."""

    exit_code = ExitCode.CONFIG

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem; the message has one on each line."""
        super().__init__("\n".join(problems))
        self.problems = problems


class ConfigUnreadable(ConfigError):
    """A file of the config is not there or cannot be read; what it says is not known."""

    exit_code = ExitCode.NO_INPUT


class ModelError(EdgeRuntimeError):
    """The model bundle is refused."""

    exit_code = ExitCode.CONFIG


class SourceError(EdgeRuntimeError):
    """Something about a source."""


class SourceUnavailable(SourceError):
    """The device or stream is not there (now); opening again later may work."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str = "", *, code: str = "") -> None:
        """`code`: which fault of `edge_runtime.codes` this is; empty where nobody knows more."""
        super().__init__(message)
        self.code = code


class SourceEnded(SourceError):
    """A replay source has given its last item."""


class ItemError(EdgeRuntimeError):
    """One item cannot be decoded or inferred; the rest can."""

    def __init__(self, message: str = "", *, item: str | None = None, once: str = "") -> None:
        """`item`: the replayed item's identity, by which it is buried; None where it has none.

        `once`: a key under which it is written down one time only; empty: each time.
        """
        super().__init__(message)
        self.item = item
        self.once = once


class RequestRefused(EdgeRuntimeError):
    """The ledger is well, and this one request cannot be carried out; the others can."""

    exit_code = ExitCode.FAILED


class LedgerError(EdgeRuntimeError):
    """The ledger has failed: nothing more can be promised."""

    exit_code = ExitCode.IO_ERROR


class LedgerLocked(LedgerError):
    """Another process holds this ledger's lock."""

    exit_code = ExitCode.LOCKED


class LedgerFull(LedgerError):
    """There is no room on the disk for another row."""


class LedgerDamaged(LedgerError):
    """The database file is not sound."""


class SchemaTooNew(LedgerError):
    """The database was written by a newer version of this program."""

    exit_code = ExitCode.CONFIG


class StorageReadOnly(EdgeRuntimeError):
    """The data folder cannot be written."""

    exit_code = ExitCode.CANNOT_CREATE


class AddressInUse(EdgeRuntimeError):
    """A port or socket is taken."""

    exit_code = ExitCode.UNAVAILABLE


class NotServing(EdgeRuntimeError):
    """A lane or the field process that is asked for something does not run, or does not answer."""

    exit_code = ExitCode.UNAVAILABLE


class SyncError(EdgeRuntimeError):
    """Something about the way to the collector."""


class Offline(SyncError):
    """No connection, a time-out, or a 5xx."""


class Throttled(SyncError):
    """The far side asks to wait."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        """`retry_after_s` is what the far side said."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AuthFailed(SyncError):
    """The token is refused."""


class BatchError(SyncError):
    """A whole batch is refused, and nothing is said of the events in it."""

    def __init__(self, message: str, *, own: bool = True) -> None:
        """`own`: the answer proves that it is the collector's, not that of something before it."""
        super().__init__(message)
        self.own = own


class BatchTooLarge(BatchError):
    """The far side refuses the size; a smaller batch may pass."""


class BatchRefused(BatchError):
    """Something in a batch is not understood and the far side does not say what."""


class ProtocolError(SyncError):
    """The far side answered something that the protocol does not allow."""


class GreetingRefused(ProtocolError):
    """The collector, by its own name, does not take what a hello says."""
