"""What people ask of the daemon at its control socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError, UsageError
from edge_runtime.supervisor import seen
from edge_runtime.supervisor.stopping import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_runtime.supervisor.control import Command
    from edge_runtime.supervisor.crew import Crew
    from edge_runtime.supervisor.lanes import LaneKeeper
    from edge_runtime.supervisor.reloading import Reloading
    from edge_runtime.supervisor.switching import Switching
    from edge_runtime.supervisor.syncing import SyncKeeper

FIELD_VERBS = ("bypass", "unbypass", "outputs")
"""Passed on to the field process as they are."""


class Commands:
    """Loop only.  An `EdgeRuntimeError` is answered as ``{"error", "exit_code"}``."""

    def __init__(
        self,
        *,
        crew: Crew,
        reloading: Reloading,
        switching: Switching,
        status: Callable[[], Awaitable[dict[str, Any]]],
        stop: Callable[[], None],
    ) -> None:
        """Whom they are passed on to."""
        self._crew = crew
        self._reloading = reloading
        self._switching = switching
        self._status = status
        self._stop = stop

    def by_name(self) -> dict[str, Command]:
        """For the control server."""
        return {
            "status": self._tell_status,
            "acknowledge": self._acknowledge,
            "stop": self._begin_stop,
            "reload": self._reload,
            "diff": self._diff,
            "trigger": self._trigger,
            "ask": self._ask,
            "use": self._use,
            "back": self._back,
            "sync_now": self._sync_now,
            "sync_retry": self._sync_retry,
            **{verb: self._field_verb(verb) for verb in FIELD_VERBS},
        }

    async def _tell_status(self, _: dict[str, Any]) -> dict[str, Any]:
        return await self._status()

    async def _acknowledge(self, _: dict[str, Any]) -> dict[str, Any]:
        findings = (await self._status())["findings"]
        data_dir = self._crew.config.data_dir
        return {
            "acknowledged": await in_thread(
                "acknowledge", lambda: seen.acknowledge(data_dir, findings)
            )
        }

    async def _begin_stop(self, _: dict[str, Any]) -> dict[str, Any]:
        self._stop()
        return {"stopping": True}

    async def _reload(self, _: dict[str, Any]) -> dict[str, Any]:
        return await _with_problems(self._reloading.reload())

    async def _diff(self, request: dict[str, Any]) -> dict[str, Any]:
        path = request.get("path")
        return await _with_problems(self._reloading.diff(Path(path) if path else None))

    async def _trigger(self, request: dict[str, Any]) -> dict[str, Any]:
        keeper = self._lane(request)
        part = request.get("part")
        trigger = keeper.trigger(None if part is None else str(part))
        return {"lane": keeper.name, "trigger": trigger.id, "part": trigger.part_name}

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        arguments = request.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise UsageError("arguments: write them by name")
        answer = await self._lane(request).questions.ask(str(request["what"]), arguments)
        return {"answer": answer}

    async def _use(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._switching.use(str(request["model"]), request.get("lane"))

    async def _back(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._switching.back(request.get("lane"))

    async def _sync_now(self, _: dict[str, Any]) -> dict[str, Any]:
        if not self._syncs().now():
            raise UsageError("sync does not run just now; see edge-runtime status")
        return {"asked": True}

    async def _sync_retry(self, request: dict[str, Any]) -> dict[str, Any]:
        seqs = request.get("seqs")
        return {"released": await self._syncs().retry(None if seqs is None else _numbers(seqs))}

    def _syncs(self) -> SyncKeeper:
        if self._crew.sync is None:
            raise UsageError("there is no [sync] in the config")
        return self._crew.sync

    def _field_verb(self, verb: str) -> Command:
        async def passed_on(request: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
            field = self._crew.field
            if field is None:
                raise UsageError("there are no outputs in the config")
            arguments = {key: value for key, value in request.items() if key != "command"}
            return await field.questions.ask(verb, arguments)

        return passed_on

    def _lane(self, request: dict[str, Any]) -> LaneKeeper:
        name = str(request.get("lane"))
        keeper = self._crew.lane(name)
        if keeper is None:
            known = ", ".join(k.name for k in self._crew.lanes)
            raise UsageError(f"there is no lane '{name}'; known: {known}")
        return keeper


def _numbers(given: object) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(type(seq) is int for seq in given):
        raise UsageError("seqs: a list of numbers")
    if not all(1 <= seq < 1 << 63 for seq in given):
        raise UsageError("seqs: a number that no entry can have")
    return tuple(given)


async def _with_problems(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """A refused config is told line by line."""
    try:
        return await work
    except ConfigError as exc:
        return {"error": str(exc), "exit_code": int(exc.exit_code), "problems": exc.problems}
