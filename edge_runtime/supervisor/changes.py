"""What a changed config means for a daemon that runs.  Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be done, and what has to wait."""

    added: tuple[str, ...] = ()
    """Lanes that are new."""
    removed: tuple[str, ...] = ()
    """Lanes that are to end."""
    restarted: tuple[str, ...] = ()
    """Lanes that are to be started anew."""
    kept: tuple[str, ...] = ()
    """Lanes that go on as they are, in the process that they have."""
    outputs: tuple[str, ...] = ()
    """Outputs that are new, gone or different: told to the field process alone."""
    sync: bool = False
    """Sync is started anew, begun or ended."""
    targets: bool = False
    needs_restart: tuple[str, ...] = ()
    """Keys whose change waits for a restart of the daemon."""

    @property
    def concern_field(self) -> bool:
        """Which outputs there are, or which lanes use them, is told to the field process."""
        return bool(self.outputs or self.added or self.removed or self.restarted)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__ if name != "kept")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people, one thing a line."""
        told = [
            *(f"lane '{name}': is added" for name in self.added),
            *(f"lane '{name}': is drained and ended" for name in self.removed),
            *(f"lane '{name}': is drained and started anew" for name in self.restarted),
            *(f"lane '{name}': goes on untouched" for name in self.kept),
            *(f"output '{name}': is opened anew, safe meanwhile" for name in self.outputs),
        ]
        if self.sync:
            told.append("sync: is started anew")
        if self.targets:
            told.append("targets: are taken over")
        return [*told, *(f"{key}: waits for a restart of the daemon" for key in self.needs_restart)]


def changes_between(old: Config, new: Config) -> Changes:
    """What a daemon that runs `old` does when it is given `new`."""
    both = [name for name in new.lanes if name in old.lanes]
    return Changes(
        added=tuple(name for name in new.lanes if name not in old.lanes),
        removed=tuple(name for name in old.lanes if name not in new.lanes),
        restarted=tuple(name for name in both if new.lanes[name] != old.lanes[name]),
        kept=tuple(name for name in both if new.lanes[name] == old.lanes[name]),
        outputs=_different(old.outputs, new.outputs),
        sync=old.sync != new.sync,
        targets=old.targets != new.targets,
        needs_restart=_waiting(old, new),
    )


def effective(old: Config, new: Config) -> Config:
    """`new`, with what needs a restart as it was in `old`."""
    return msgspec.structs.replace(
        new, device=old.device, ledger=old.ledger, supervisor=old.supervisor
    )


def _different(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    names = dict.fromkeys([*old, *new])
    return tuple(name for name in names if old.get(name) != new.get(name))


def _waiting(old: Config, new: Config) -> tuple[str, ...]:
    keys = []
    for table in ("device", "ledger", "supervisor"):
        before, after = getattr(old, table), getattr(new, table)
        keys += [
            f"{table}.{name}"
            for name in before.__struct_fields__
            if getattr(before, name) != getattr(after, name)
        ]
    return tuple(keys)
