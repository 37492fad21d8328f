"""How a lane's next process is started: with which models, behind which item.  Loop only."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.config import ModbusTrigger
from edge_runtime.ledger import ops
from edge_runtime.link import in_hand
from edge_runtime.link.messages import Start
from edge_runtime.supervisor.checking import check_lane
from edge_runtime.supervisor.devices import Devices
from edge_runtime.supervisor.memory import identity_of, is_folder, is_replay
from edge_runtime.supervisor.pinning import Pinned, Pins, is_open, resolve
from edge_runtime.supervisor.remains import (
    blind_until_now,
    left_by_a_daemon,
    never_came,
    undecided_tombstone,
)
from edge_runtime.supervisor.stopping import Deadline, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config, Lane
    from edge_runtime.link.messages import Hello, ResolvedModel
    from edge_runtime.supervisor.bridge import Bridge
    from edge_runtime.supervisor.entries import Entries
    from edge_runtime.supervisor.fielding import FieldKeeper
    from edge_runtime.supervisor.memory import Memory

log = logging.getLogger(__name__)

COUNT_AGAIN = 8
SETTLE_S = 2.0
"""The ledger commits within milliseconds, or has no room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What all lanes share."""

    entries: Entries
    bridge: Bridge
    memory: Memory
    field: Callable[[], FieldKeeper | None]
    clock: Clock
    module: str
    """``python -m`` this."""
    anew: bool
    """Replays begin at their beginning."""
    refuses_whole: Callable[[], bool]
    """A lane that is refused now ends the run, whose last lines say why."""
    changed: Callable[[], None]
    """A lane's state is another one now."""


class Starting:
    """Of one lane."""

    def __init__(self, name: str, config: Config, around: Around, pins: Pins) -> None:
        """`pins`: what the ledger says this lane is to load."""
        self.config = config
        """The next process is started with it."""
        self.models: list[ResolvedModel] = []
        """Those of the last start."""
        self.last_item: str | None = None
        """Of a replay: handed over last."""
        self.pins = dict(pins)
        """What the next process loads; written down once it serves."""
        self._name = name
        self._around = around
        self._stored_pins = dict(pins)
        self.devices = Devices()
        """Which device answers as its microphone."""
        self._identity: str | None = None
        self._page_is_told = False

    @property
    def settings(self) -> Lane:
        """The lane's, as the config has it now."""
        return self.config.lanes[self._name]

    async def make(
        self, buried: list[str], outstanding: Callable[[], int], *, one_at_a_time: bool
    ) -> Start:
        """The message; `outstanding`: rows of earlier lives that are on their way.

        `one_at_a_time`: some item is suspected of having ended the lane.

        Raises `ModelError`, `ConfigError`, `LedgerError`, `OSError`.
        """
        config, settings, name = self.config, self.settings, self._name
        if is_folder(settings):  # it asks the ledger what is done: let that know
            await self._around.bridge.settled(name)
        await self._tell_unfinished()
        await self._find_place(settings)
        if settings.source.startswith("microphone:") and not self.devices.is_known:
            memory = self._around.memory
            self.devices.before(await in_thread(f"device-{name}", lambda: memory.identity(name)))
        pins = dict(self.pins)
        self.models = await in_thread(f"resolve-{name}", lambda: _resolve(name, config, pins))
        field = self._around.field()
        driven = field if settings.outputs or needs_far_side(settings) else None
        looks_up = is_folder(settings) and (settings.capture.watch or not self._around.anew)
        return Start(
            name=name,
            config=config,
            resume_after=None if looks_up else self.last_item,
            done_before=looks_up,
            skip=list(buried),
            one_at_a_time=one_at_a_time,
            models=self.models,
            recipe=settings.recipe,
            field_path=str(driven.path) if driven is not None else "",
            field_token=driven.admit(name) if driven is not None else "",
            page_path=str(await self._page(settings, outstanding)),
        )

    def forget_page(self) -> None:
        """What the dead lane left was told: its successor is not to be taken for it."""
        self._page_is_told = True
        try:
            in_hand.prepare(self.config.data_dir, self._name)
        except OSError as exc:
            log.warning("page_not_cleared lane=%s error=%s", self._name, exc)

    async def _tell_unfinished(self) -> None:
        """What was still to come of parts when the process before died will never come now."""
        bridge, memory, name = self._around.bridge, self._around.memory, self._name
        left = await bridge.settled(name, Deadline(self._around.clock, SETTLE_S))
        if left or bridge.is_full:
            return  # what is on its way may be just that; the next start looks again
        for unfinished in await in_thread(f"unfinished-{name}", lambda: memory.unfinished(name)):
            tombstone = never_came(name, unfinished)
            self._around.entries.put(name, tombstone, lambda _: None, once=unfinished.key)
        blindness = await in_thread(f"blind-{name}", lambda: memory.blindness(name))
        if blindness is not None:
            tombstone = blind_until_now(name, blindness, self._around.clock.stamp())
            self._around.entries.put(name, tombstone, lambda _: None, once=blindness.key)

    async def _page(self, settings: Lane, outstanding: Callable[[], int]) -> Path:
        """A page for the next life, behind what the last daemon's lane left on it."""
        data_dir, name = self.config.data_dir, self._name
        memory = self._around.memory
        for _ in range(COUNT_AGAIN):
            carried = outstanding()
            rows = await in_thread(f"rows-{name}", lambda: memory.rows(name))
            if carried == outstanding():  # else some came in between, and would count twice
                break
        page = None if self._page_is_told else in_hand.read(data_dir / in_hand.FOLDER / name)
        self._page_is_told = True
        if page is not None and not is_replay(settings):
            now = self._around.clock.stamp()
            if (tombstone := left_by_a_daemon(name, page, rows, now)) is not None:
                once = f"page:{name}:{page.base}:{page.acted}"
                self._around.entries.put(name, tombstone, lambda _: None, once=once)
            undecided = undecided_tombstone(name, page, now, now, is_replay=False)
            if undecided is not None:
                once = f"open:{name}:{page.base}:{page.acted}"
                self._around.entries.put(name, undecided, lambda _: None, once=once)
        return in_hand.prepare(data_dir, name, rows, carried)

    def loaded(self, hello: Hello) -> None:
        """Warm: what it has loaded is told, and pinned where the config leaves that to us."""
        for model in self.models:
            sha256 = hello.models.get(model.id, model.sha256)
            log.info("model_serves lane=%s model=%s sha256=%s", self._name, model.id, sha256)
            pin = self.pins[model.asked] = Pinned(model.id, model.folder, sha256)
            if sha256 is not None:
                self._submit(ops.RecordModel(self._name, model.id, sha256))
            if is_open(model.asked) and self._stored_pins.get(model.asked) != pin:
                self._stored_pins[model.asked] = pin
                self._submit(ops.Pin(self._name, model.asked, pin.model, pin.folder, pin.sha256))

    def reconfigure(self, config: Config) -> None:
        """The next process is started with this; a folder or version that it names is read anew."""
        self.config = config
        self.pins = {asked: pin for asked, pin in self.pins.items() if is_open(asked)}

    async def _find_place(self, settings: Lane) -> None:
        """Once for each recording: where the ledger has it."""
        identity = identity_of(settings)
        if identity is None or identity == self._identity:
            return
        is_first, self._identity = self._identity is None, identity
        memory, name, source = self._around.memory, self._name, settings.source
        self.last_item = None
        if not (self._around.anew and is_first):
            self.last_item = await in_thread(
                f"place-{name}", lambda: memory.last_item(name, source, identity)
            )
        if self.last_item is None:
            self._submit(ops.NoteSource(name, identity))
        else:
            log.info("replay_goes_on lane=%s behind=%s", name, self.last_item)

    def _submit(self, op: ops.Op) -> None:
        self._around.bridge.submit(self._name, op, lambda _: None, rows=0)


def needs_far_side(lane: Lane) -> bool:
    """Whether its triggers come from the field process."""
    return isinstance(lane.trigger, ModbusTrigger)


def _resolve(name: str, config: Config, pins: Pins) -> list[ResolvedModel]:
    """Beside the loop.  Raises `ModelError`, `ConfigError`."""
    models_dir = Path(config.device.models_dir) if config.device.models_dir else None
    found = resolve(name, config.lanes[name], models_dir, pins)
    check_lane(name, config, {model.asked: model.folder for model in found})
    return found
