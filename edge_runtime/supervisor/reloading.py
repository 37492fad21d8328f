"""A changed config: validated whole, shown, and taken over by the children that it concerns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from edge_runtime import codes
from edge_runtime.config import load_config
from edge_runtime.errors import ConfigError, EdgeRuntimeError, UsageError
from edge_runtime.supervisor.changes import changes_between, effective
from edge_runtime.supervisor.checking import model_problems
from edge_runtime.supervisor.stopping import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.config import Config
    from edge_runtime.supervisor.crew import Crew
    from edge_runtime.supervisor.entries import Entries

log = logging.getLogger(__name__)


class Reloading:
    """Loop only; one reload at a time."""

    def __init__(
        self, path: Path | None, crew: Crew, entries: Entries, *, changed: Callable[[], None]
    ) -> None:
        """`path`: the daemon's config; None where it was not read from a file.

        `changed` is called when another config was taken over.
        """
        self.config_problems: list[str] = []
        """Why the changed config was refused; empty when it was not."""
        self.needs_restart: list[str] = []
        """Keys whose change waits for a restart of the daemon."""
        self.loaded_sha256: str | None = None
        """Of the config that was taken over last."""
        self._path = path
        self._crew = crew
        self._entries = entries
        self._changed = changed

    async def reload(self) -> dict[str, Any]:
        """Read the config again and become it.  Raises `ConfigError`: the last good one stays."""
        async with self._crew.changing:
            try:
                new = await self._load(self._path)
            except ConfigError as exc:
                self.config_problems = exc.problems
                for line in exc.problems:
                    log.error("config_refused code=%s %s", codes.CONFIG_REFUSED, line)  # noqa: TRY400
                self._entries.note(
                    codes.CONFIG_REFUSED, f"{len(exc.problems)} problems: {exc.problems[0]}"
                )
                raise
            self.config_problems = []
            return await self._take_over(new)

    async def reload_for_signal(self) -> None:
        """As `reload`; what is wrong with the config is in the log, the ledger and ``status``."""
        try:
            await self.reload()
        except EdgeRuntimeError as exc:
            if not isinstance(exc, ConfigError):
                log.error("reload_failed error=%s", exc)  # noqa: TRY400 - one clear line

    async def diff(self, path: Path | None) -> dict[str, Any]:
        """What a reload of `path` (or the daemon's config) would do.  Raises `ConfigError`."""
        changes = changes_between(self._crew.config, await self._load(path or self._path))
        return {"changes": changes.as_dict(), "lines": changes.lines()}

    async def _take_over(self, new: Config) -> dict[str, Any]:
        changes = changes_between(self._crew.config, new)
        self.needs_restart = list(changes.needs_restart)
        lines = changes.lines()
        for line in lines:
            log.info("config_changes %s", line)
        not_serving: dict[str, str] = {}
        if changes:
            self._entries.note(codes.CONFIG_RELOADED, "; ".join(lines))
            told = await self._crew.apply(changes, effective(self._crew.config, new))
            not_serving = {name: reason for name, reason in told.items() if reason}
        self._crew.retry()
        self.loaded_sha256 = new.sha256()
        self._changed()
        return {"changes": changes.as_dict(), "lines": lines, "not_serving": not_serving}

    async def _load(self, path: Path | None) -> Config:
        if path is None:
            raise UsageError("this daemon was not started with a config file")
        return await in_thread("reload", lambda: _validated(path))


def _validated(path: Path) -> Config:
    """Beside the loop.  Raises `ConfigError` with every problem."""
    config = load_config(path)
    if problems := model_problems(config):
        raise ConfigError(problems)
    return config
