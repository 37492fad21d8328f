"""What the picture of the station needs of those who keep its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from edge_runtime.link.messages import Failed, Heartbeat, Hello, OutputState, ResolvedModel
    from edge_runtime.supervisor.devices import Devices
    from edge_runtime.types import Result


class CrashesLike(Protocol):
    """When a child crashed lately."""

    total: int

    def is_loop(self, now_ns: int) -> bool:
        """Whether it crashes again and again."""
        ...


class HealthLike(Protocol):
    """What is known about a child now."""

    @property
    def state(self) -> StrEnum:
        """``starting``, ``running``, ``waiting``, ``refused``, ``done`` or ``stopped``."""
        ...

    @property
    def pid(self) -> int | None:
        """None while there is no process."""
        ...

    @property
    def hello(self) -> Hello | None:
        """Of this life or the one before."""
        ...

    @property
    def heartbeat(self) -> Heartbeat | None:
        """The last one of this life."""
        ...

    @property
    def heartbeat_ns(self) -> int:
        """CLOCK_BOOTTIME of it."""
        ...

    @property
    def started_ns(self) -> int:
        """CLOCK_BOOTTIME of this life's start."""
        ...

    @property
    def crashes(self) -> CrashesLike:
        """Of all lives."""
        ...

    @property
    def last_exit(self) -> str:
        """How the life before ended; empty in the first."""
        ...

    @property
    def failed(self) -> Failed | None:
        """What it said when it refused."""
        ...

    @property
    def code(self) -> str:
        """``EDGE-…`` of why it does not serve; empty while it does."""
        ...


class ChildLike(Protocol):
    """A child process."""

    @property
    def health(self) -> HealthLike:
        """How it is."""
        ...


class LaneLike(Protocol):
    """A lane as the supervisor knows it."""

    @property
    def name(self) -> str:
        """As in the config."""
        ...

    @property
    def child(self) -> ChildLike:
        """Its process."""
        ...

    @property
    def verdicts(self) -> Mapping[str, int]:
        """Stored by this run."""
        ...

    @property
    def tombstones(self) -> Mapping[str, int]:
        """Stored by this run."""
        ...

    @property
    def last(self) -> Result | None:
        """The last one stored."""
        ...

    @property
    def pinned(self) -> Sequence[ResolvedModel]:
        """The models that it was started with."""
        ...

    @property
    def buried(self) -> Sequence[str]:
        """Items that are not tried again, by this run."""
        ...


@runtime_checkable
class HasDevices(Protocol):
    """A lane that knows which device answers as its microphone."""

    @property
    def devices(self) -> Devices:
        """As it was last told, and each time that it changed."""
        ...


class FieldLike(Protocol):
    """The field process as the supervisor knows it."""

    @property
    def child(self) -> ChildLike:
        """Its process."""
        ...

    @property
    def outputs(self) -> Mapping[str, OutputState]:
        """As last told."""
        ...


class SyncLike(Protocol):
    """The sync process as the supervisor knows it."""

    @property
    def child(self) -> ChildLike:
        """Its process."""
        ...


class WriterLike(Protocol):
    """The ledger's writer."""

    @property
    def state(self) -> str:
        """``ok``, ``full`` or ``failed``."""
        ...

    @property
    def detail(self) -> str:
        """Why; empty when all is well."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Since its start; see `LedgerWriter.counters`."""
        ...


class ReloadLike(Protocol):
    """What became of the last change of the config."""

    @property
    def config_problems(self) -> Sequence[str]:
        """Why the changed config was refused; empty when it was not."""
        ...

    @property
    def needs_restart(self) -> Sequence[str]:
        """What waits for a restart."""
        ...
