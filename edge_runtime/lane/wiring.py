"""What a lane is made of, and its stages wired together from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime import rules
from edge_runtime.lane.condition import ALIVE_SHARE, Condition, ConditionSettings
from edge_runtime.lane.deciding import Deciding, Front, Settings
from edge_runtime.lane.events import OutputIs
from edge_runtime.lane.far import Far, NoFarSide
from edge_runtime.lane.handing import Store
from edge_runtime.lane.intake import FirstQueue, Shelf, Wanted
from edge_runtime.lane.judging import Rulebook
from edge_runtime.lane.keeping import Keeping
from edge_runtime.lane.listening import Segments
from edge_runtime.lane.models import asked_of, expected_ms, judged_manifests, keys_of
from edge_runtime.lane.recording import IDLE_ROW_LEAVES_S, ROW_LEAVES_S, EvidenceIs, Recording
from edge_runtime.lane.safety import Safety
from edge_runtime.lane.sinks import BlockSink
from edge_runtime.lane.window import Window
from edge_runtime.parts import Policy
from edge_runtime.types import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.clock import Clock
    from edge_runtime.config import Config
    from edge_runtime.config import Lane as LaneConfig
    from edge_runtime.inference.runner import LoadedModel
    from edge_runtime.lane.drops import Burst
    from edge_runtime.lane.intake import Intake
    from edge_runtime.ledger.media import MediaStore
    from edge_runtime.link.child_end import Link
    from edge_runtime.link.in_hand import Page
    from edge_runtime.link.messages import OutputState
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Source
    from edge_runtime.types import Media, Trigger

PATIENCE = 4.0
"""A part that waits longer than so many times what its models should take, and the time that the
dead man's handle has, is one that the lane does not decide."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a lane is made of, each finished and not yet started."""

    name: str
    config: LaneConfig
    whole: Config
    sources: Mapping[str, Source[Any]]
    """By view."""
    addresses: Mapping[str, str]
    """By view: the source without secrets."""
    models: Mapping[str, LoadedModel]
    """As the config names them."""
    vad: LoadedModel | None
    """The microphone gate's, where it is a model."""
    media: MediaStore
    link: Link
    page: Page
    is_careful: bool
    """The lane died with an item in hand before."""
    progress: Progress
    clock: Clock
    wanted: Callable[[Any], bool]
    """The frame gate."""
    field_path: str = ""
    field_token: str = ""

    @property
    def is_live(self) -> bool:
        """What nobody takes is dropped; else the sources wait."""
        return any(source.live for source in self.sources.values())

    @property
    def loaded(self) -> list[LoadedModel]:
        """All models."""
        return [*self.models.values(), *([self.vad] if self.vad else [])]

    @property
    def wants(self) -> Wanted:
        """What each part waits for."""
        return Wanted(
            serving=keys_of(self.config, self.models, Role.SERVING),
            shadow=keys_of(self.config, self.models, Role.SHADOW),
            deadline_ms=self.config.part.deadline_ms,
        )


@dataclass(slots=True)
class Stages:
    """The stages behind the sources, wired."""

    deciding: Deciding
    recording: Recording
    keeping: Keeping
    far: Far | NoFarSide
    window: Window
    intake: Intake | None
    """A camera lane's."""
    blocks: BlockSink | None
    """A microphone lane's first queue, and its segment channel."""
    segments: Segments | None
    trigger: Callable[[Trigger], str]
    """A trigger came; why not, when this lane does not take it."""

    def counters(self) -> dict[str, int]:
        """Counters that are kept in the stages."""
        counters = {"on_the_way": len(self.window), **self.far.counters()}
        if self.intake is not None:
            counters |= self.intake.stats()
        if self.blocks is not None and self.segments is not None:
            stats = self.blocks.channel.stats()
            behind = self.segments.channel.stats()
            counters["dropped"] = stats.dropped + behind.dropped
            counters["waiting"] = behind.depth
        return counters

    def close_front(self) -> None:
        """No source gives any more.  Idempotent."""
        if self.intake is not None:
            self.intake.close()
        if self.blocks is not None:
            self.blocks.channel.close()

    def drain_front(self) -> list[Burst]:
        """What the front still has to tell."""
        if self.intake is not None:
            return self.intake.drain()
        assert self.blocks is not None
        assert self.segments is not None
        return [*self.blocks.bursts(at_once=True), *self.segments.bursts(at_once=True)]


def wire(parts: Parts) -> Stages:
    """The stages of a lane.  Raises `ConfigError` for rules that cannot be."""
    return _Wiring(parts).stages()


class _Wiring:
    """The circle of callbacks: each stage is made before those that call it are started."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        config = parts.config
        self._window = Window(config.unstored_max)
        self._recording = Recording(
            lane=parts.name,
            link=parts.link,
            window=self._window,
            page=parts.page,
            progress=parts.progress,
            clock=parts.clock,
        )
        self._keeping = Keeping(
            parts.media,
            config.media,
            done=self._evidence_is,
            progress=parts.progress,
            waits=not parts.is_live,
        )
        self._far = self._far_side()
        self._intake: Intake | None = None
        self._blocks: BlockSink | None = None
        self._segments: Segments | None = None
        self._deciding = self._make_deciding()
        if config.is_camera:
            self._intake = self._make_intake()
        else:
            (source,) = parts.sources.values()
            self._blocks = BlockSink(
                config.capture,
                address=parts.addresses[""],
                takes=self._takes_parts,
                live=source.live,
                tell=self._deciding.tell,
                progress=parts.progress,
                clock=parts.clock,
            )
            self._segments = Segments(live=source.live, clock=parts.clock)

    def stages(self) -> Stages:
        return Stages(
            deciding=self._deciding,
            recording=self._recording,
            keeping=self._keeping,
            far=self._far,
            window=self._window,
            intake=self._intake,
            blocks=self._blocks,
            segments=self._segments,
            trigger=self._triggered,
        )

    def _make_deciding(self) -> Deciding:
        parts, config = self._parts, self._parts.config
        manifests = judged_manifests(config, parts.models)
        judges = {
            manifest.id: rules.Judge(
                config.rules,
                manifest,
                is_camera=config.is_camera,
                siblings=[other for other in manifests if other is not manifest],
            )
            for manifest in manifests
        }
        acts = parts.is_live or bool(config.outputs)
        return Deciding(
            Settings(
                lane=parts.name,
                config=config,
                source=next(iter(parts.addresses.values())),
                is_live=parts.is_live,
                turn_s=parts.whole.supervisor.dead_man_s / (2 * ALIVE_SHARE),
                row_leaves_s=ROW_LEAVES_S if acts else IDLE_ROW_LEAVES_S,
            ),
            rulebook=Rulebook(judges, self._policy(), self._words()),
            far=self._far,
            condition=self._condition(),
            store=Store(self._recording, self._keeping, self._window, parts.page),
            front=Front(self._passed, self._tick_front),
            progress=parts.progress,
            clock=parts.clock,
        )

    def _condition(self) -> Condition:
        parts, config = self._parts, self._parts.config
        outputs = {name: parts.whole.outputs[name] for name in config.outputs}
        dead_man_s = parts.whole.supervisor.dead_man_s
        settings = ConditionSettings(
            views=parts.addresses,
            dead_man_s=dead_man_s,
            patience_s=dead_man_s + PATIENCE * expected_ms(config, parts.models) / 1000,
            stops_when_full=parts.is_live and parts.whole.ledger.when_full == "stop",
            stopping_outputs=_with(outputs, "stop the lane"),
            holding_outputs=_with(outputs, "hold"),
        )
        return Condition(
            settings, far=self._far, safety=Safety(config.rules), progress=parts.progress
        )

    def _policy(self) -> Policy:
        parts, config = self._parts, self._parts.config
        return Policy.of(config.part, keys_of(config, parts.models, Role.SERVING))

    def _words(self) -> Any:  # noqa: ANN401 - imported lazily
        """In a keyword lane a word is a part."""
        config = self._parts.config
        if config.is_camera:
            return None
        serving = [asked for asked in asked_of(config, "") if asked.role is Role.SERVING]
        if len(serving) != 1:
            return None
        from edge_runtime.inference.sounds.words import words

        return words

    def _far_side(self) -> Far | NoFarSide:
        parts, config = self._parts, self._parts.config
        if not parts.field_path:
            return NoFarSide()
        return Far(
            parts.name,
            parts.field_path,
            parts.field_token,
            {name: parts.whole.outputs[name] for name in config.outputs},
            drives_safe_state=config.rules.on_fault == "reject",
            on_trigger=self._triggered,
            on_output=self._output_is,
            clock=parts.clock,
        )

    def _make_intake(self) -> Intake:
        parts, config = self._parts, self._parts.config
        wanted = parts.wants
        if config.trigger is None and len(parts.sources) == 1:
            return FirstQueue(live=parts.is_live, wanted=wanted, clock=parts.clock)
        delays = {
            view: (settings.capture or config.capture).delay_ms
            for view, settings in config.all_views.items()
        }
        return Shelf(
            config, wanted=wanted, begins=self._deciding, clock=parts.clock, delays_ms=delays
        )

    def _triggered(self, trigger: Trigger) -> str:
        if self._intake is None:
            return "a microphone lane has no triggers"
        return self._intake.trigger(trigger)

    def _output_is(self, state: OutputState) -> None:
        self._deciding.tell(OutputIs(state))

    def _evidence_is(self, row: int, media: tuple[Media, ...]) -> None:
        self._recording.tell(EvidenceIs(row, media))

    def _takes_parts(self) -> bool:
        return self._deciding.takes_parts

    def _passed(self) -> tuple[int, int, int]:
        if self._intake is not None:
            return self._intake.passed()
        assert self._segments is not None
        # Sound before an absence is whole: what is begun by now comes first.
        return 0, 0, self._segments.channel.stats().delivered

    def _tick_front(self) -> Sequence[Burst]:
        if self._intake is not None:
            return self._intake.tick()
        if self._blocks is None or self._segments is None:
            return ()
        return [*self._blocks.bursts(), *self._segments.bursts()]


def _with(outputs: Mapping[str, Any], policy: str) -> frozenset[str]:
    return frozenset(name for name, output in outputs.items() if output.on_unacknowledged == policy)
