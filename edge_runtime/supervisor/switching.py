"""``models use`` and ``models back``: a lane is given another model, the others are not touched."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime import codes
from edge_runtime.errors import ConfigError, ModelError, UsageError
from edge_runtime.supervisor.checking import lane_problems
from edge_runtime.supervisor.pinning import Pinned, chosen_by, find_pinned, is_open, one_before
from edge_runtime.supervisor.states import ChildState
from edge_runtime.supervisor.stopping import in_thread

if TYPE_CHECKING:
    from edge_runtime.supervisor.crew import Crew
    from edge_runtime.supervisor.entries import Entries
    from edge_runtime.supervisor.lanes import LaneKeeper
    from edge_runtime.supervisor.memory import Memory


class Switching:
    """Loop only."""

    def __init__(self, crew: Crew, entries: Entries, memory: Memory) -> None:
        """Nothing is switched yet."""
        self._crew = crew
        self._entries = entries
        self._memory = memory

    async def use(self, model: str, lane: str | None) -> dict[str, Any]:
        """Pin ``name`` (its highest version) or ``name/version`` in a lane, or in all that ask.

        Raises `UsageError`, `ModelError`; a lane that cannot serve it has its old model again.
        """
        if model.startswith((".", "/")):
            raise UsageError(f"found '{model}'; write NAME or NAME/VERSION")
        chosen = [
            (keeper, chosen_by(keeper.settings, model)) for keeper in self._wanted(lane, model)
        ]
        models_dir = self._models_dir
        found = await in_thread("find-model", lambda: find_pinned(model, models_dir))
        async with self._crew.changing:
            return {"used": [await self._switch(keeper, asked, found) for keeper, asked in chosen]}

    async def back(self, lane: str | None) -> dict[str, Any]:
        """What a lane served before.  Raises `UsageError`, `ModelError`."""
        used, models_dir = [], self._models_dir
        for keeper in self._wanted(lane, None):
            open_names = [asked for asked in keeper.settings.all_models if is_open(asked)]
            if len(open_names) != 1:
                raise UsageError(
                    f"lane '{keeper.name}' asks for {len(open_names)} models without a version: "
                    "say which with models use NAME/VERSION"
                )
            serving = keeper.starting.pins.get(open_names[0])
            if serving is None:
                raise UsageError(f"lane '{keeper.name}' has served no model yet")
            look = functools.partial(self._one_before, keeper.name, serving, models_dir)
            before = await in_thread("find-model", look)
            async with self._crew.changing:
                used.append(await self._switch(keeper, open_names[0], before))
        return {"used": used}

    def _one_before(self, lane: str, serving: Pinned, models_dir: Path | None) -> Pinned:
        return one_before(self._memory.history(lane), serving, models_dir)

    @property
    def _models_dir(self) -> Path | None:
        models_dir = self._crew.config.device.models_dir
        return Path(models_dir) if models_dir else None

    def _wanted(self, lane: str | None, model: str | None) -> list[LaneKeeper]:
        """The lane of that name; without one all that ask for the model, or the only one."""
        if lane is not None:
            keeper = self._crew.lane(lane)
            if keeper is None:
                known = ", ".join(k.name for k in self._crew.lanes)
                raise UsageError(f"there is no lane '{lane}'; known: {known}")
            return [keeper]
        if model is None:
            if len(self._crew.lanes) != 1:
                raise UsageError("there are several lanes: say which with --lane")
            return list(self._crew.lanes)
        name = model.partition("/")[0]
        found = [k for k in self._crew.lanes if name in k.settings.all_models]
        if not found:
            raise UsageError(f"no lane's config asks for '{name}' without a version")
        return found

    async def _switch(self, keeper: LaneKeeper, asked: str, new: Pinned) -> dict[str, str]:
        old = dict(keeper.starting.pins)
        config, name = self._crew.config, keeper.name
        folders = {key: pin.folder for key, pin in old.items()} | {asked: new.folder}
        if problems := await in_thread("check-model", lambda: lane_problems(name, config, folders)):
            raise ConfigError(problems)
        before = old[asked].model if asked in old else "none"
        serves = keeper.child.health.state is ChildState.RUNNING
        there = old.get(asked)
        if serves and there is not None and (there.model, there.folder) == (new.model, new.folder):
            return {"lane": keeper.name, "model": new.model, "before": before}
        within_s = config.supervisor.stop_timeout_s
        keeper.starting.pins = {**old, asked: new}
        ended = await keeper.restart(f"it is given {new.model}", within_s)
        if ended is None:
            self._entries.note(
                codes.MODEL_USED, f"{new.model} in place of {before}", lane=keeper.name
            )
            return {"lane": keeper.name, "model": new.model, "before": before}
        keeper.starting.pins = old
        again = await keeper.restart(f"{new.model} does not serve", within_s)
        told = f"{before} serves again" if again is None else f"nor does {before}: {again.reason}"
        raise ModelError(
            f"lane '{keeper.name}': {new.model} does not serve: {ended.reason}; {told}"
        )
