"""A whole lane in this process: real stages, a fake supervisor, a fake far side, fake models."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Config
from edge_runtime.config import Lane as LaneConfig
from edge_runtime.errors import ItemError, SourceEnded
from edge_runtime.lane.lane import Lane
from edge_runtime.lane.wiring import Parts, wire
from edge_runtime.ledger.media import MediaStore
from edge_runtime.link.in_hand import Page, prepare
from edge_runtime.link.messages import (
    NewAddition,
    NewResult,
    NewResults,
    NewTombstone,
)
from edge_runtime.manifest import Manifest
from edge_runtime.progress import Progress
from edge_runtime.types import (
    Actuation,
    Addition,
    Frame,
    Inference,
    Result,
    Score,
    Stamp,
    Tombstone,
    Verdict,
)

Answer = Callable[[NDArray[np.uint8]], Inference]


def manifest(name: str = "parts", version: str = "1.0", **more: Any) -> Manifest:
    table: dict[str, Any] = {
        "format": 1, "name": name, "version": version, "task": "image-classification",
        "file": "model.onnx", "sha256": {}, "labels": ["ok", "defect"], "reject": {"defect": 0.6},
        "review": {"defect": 0.4},
    }  # fmt: skip
    return msgspec.convert(table | more, Manifest)


class FakeModel:
    """Says how bad a picture is by its brightest pixel: 0..255 is a score of 0..1."""

    def __init__(
        self, name: str = "parts", answer: Answer | None = None, expected_ms: float = 1.0
    ) -> None:
        self.manifest = manifest(name)
        self.sha256 = "0" * 64
        self._answer = answer
        self._expected_ms = expected_ms
        self.seen = 0

    def expected_ms(self) -> float:
        return self._expected_ms

    def picture_runner(self) -> FakeModel:
        return self

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        self.seen += 1
        if self._answer is not None:
            return self._answer(pixels)
        return self.score(float(pixels.max()) / 255)

    def score(self, defect: float) -> Inference:
        scores = sorted([Score("ok", 1 - defect), Score("defect", defect)], key=lambda s: -s.score)
        return Inference(
            model=self.manifest.id, model_sha256=self.sha256, scores=tuple(scores), infer_ms=1.0
        )

    def close(self) -> None:
        pass


class Pictures:
    """A source of what is put into it; live or one that waits."""

    def __init__(self, *, live: bool = False) -> None:
        self._live = live
        self._waiting: list[Frame | Exception] = []
        self._changed = threading.Condition()
        self._seq = 0
        self.taken = 0

    @property
    def live(self) -> bool:
        return self._live

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def put(self, level: int, *, item: str | None = None, at: Stamp | None = None) -> None:
        pixels = np.full((4, 4, 3), level, np.uint8)
        with self._changed:
            stamp = at or SYSTEM_CLOCK.stamp()
            self._waiting.append(
                Frame("pictures", self._seq, stamp, pixels, item, is_exposure=True)
            )
            self._seq += 1
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        with self._changed:
            self._waiting.append(error)
            self._changed.notify_all()

    def end(self) -> None:
        self.fail(SourceEnded())

    def read(self) -> Frame | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, 0.05):
                return None
            first = self._waiting.pop(0)
            self.taken += 1
        if isinstance(first, Exception):
            raise first
        return first


class FakeFar:
    """Acknowledges at once, unless told to wait."""

    def __init__(self, on: Sequence[str] = ("reject", "no_read")) -> None:
        self.on = on
        self.drives: list[tuple[str, Verdict]] = []
        self.holds: list[str] = []
        self.frees = 0
        self.handles: list[tuple[bool, bool]] = []
        self.waits = False
        self.waiting: list[Future[Actuation]] = []

    def start(self) -> None:
        pass

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> tuple[Future[Actuation], ...]:
        if verdict.kind.value not in self.on:
            return ()
        self.drives.append((part, verdict))
        return (self._answer("drive"),)

    def hold(self, reason: str) -> tuple[Future[Actuation], ...]:
        self.holds.append(reason)
        return (self._answer("safe"),)

    def free(self) -> tuple[Future[Actuation], ...]:
        self.frees += 1
        return (self._answer("release"),)

    def alive(self, *, decides: bool, sees: bool, detail: str) -> None:
        self.handles.append((decides, sees))

    def close(self, *, orderly: bool) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}

    def _answer(self, action: str) -> Future[Actuation]:
        future: Future[Actuation] = Future()
        if self.waits:
            self.waiting.append(future)
        else:
            future.set_result(
                Actuation(output="gate", action=action, acknowledged=True, latency_ms=1.0)
            )
        return future


class FakeLink:
    """A supervisor that stores at once, unless the ledger is full."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.groups: list[list[Result]] = []
        self.tombstones: list[Tombstone] = []
        self.additions: list[Addition] = []
        self.once: list[str] = []
        self.sent_ns: list[int] = []
        self.full = False
        self.kept: list[tuple[list[int], int]] = []
        self.stored: Callable[[list[int], list[int]], None] = lambda _tokens, _seqs: None
        self.seq = 0
        self.lock = threading.Lock()

    def send(self, message: Any) -> None:
        with self.lock:
            match message:
                case NewResult():
                    self.results.append(message.result)
                    self.sent_ns.append(SYSTEM_CLOCK.boottime_ns())
                    tokens = [message.token]
                case NewResults():
                    self.results += message.results
                    self.groups.append(message.results)
                    tokens = message.tokens
                case NewTombstone():
                    self.tombstones.append(message.tombstone)
                    self.once.append(message.once)
                    tokens = [message.token]
                case NewAddition():
                    self.additions.append(message.addition)
                    tokens = [message.token]
                case _:
                    return
            if self.full:
                self.kept.append((tokens, 0))
                return
        self._store(tokens)

    def _store(self, tokens: list[int]) -> None:
        seqs = []
        for _ in tokens:
            self.seq += 1
            seqs.append(self.seq)
        self.stored(tokens, seqs)

    def has_room(self) -> None:
        with self.lock:
            self.full = False
            kept, self.kept = self.kept, []
        for tokens, _ in kept:
            self._store(tokens)


@dataclass
class LaneBench:
    """A lane under test.  A context manager: what it started has ended behind it."""

    folder: Path
    lane_table: dict[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Pictures] = field(default_factory=dict)
    models: Sequence[FakeModel] = ()
    ledger_table: dict[str, Any] = field(default_factory=dict)
    dead_man_s: float = 1.0

    def __post_init__(self) -> None:
        self.models = list(self.models) or [FakeModel()]
        self.sources = self.sources or {"": Pictures()}
        names = [model.manifest.name for model in self.models]
        shadow = self.lane_table.get("shadow", [])
        table = {
            "models": [name for name in names if name not in shadow],
            "media": {"keep": ["reject", "no_read"]},
            "outputs": ["gate"],
            **self.lane_table,
        }
        if "" in self.sources:
            table.setdefault("source", "v4l2:/dev/fake")
        else:
            table["views"] = {view: {"source": "v4l2:/dev/" + view} for view in self.sources}
        whole = {
            "device": {"id": "bench"},
            "outputs": {"gate": {"kind": "modbus", "host": "127.0.0.1", "coil": 1}},
            "lanes": {"top": table}, "ledger": self.ledger_table,
            "supervisor": {"dead_man_s": self.dead_man_s},
        }  # fmt: skip
        self.whole = msgspec.convert(whole, Config)
        config: LaneConfig = self.whole.lanes["top"]
        self.link, self.far = FakeLink(), FakeFar()
        self.progress = Progress(SYSTEM_CLOCK)
        self.page_path = prepare(self.folder, "top")
        self.page = Page(self.page_path)
        self.stop = threading.Event()
        models: Any = {model.manifest.name: model for model in self.models}
        link: Any = self.link
        self.parts = Parts(
            name="top", config=config, whole=self.whole, sources=self.sources,
            addresses={view: f"v4l2:{view}" for view in self.sources}, models=models, vad=None,
            media=MediaStore(self.folder), link=link, page=self.page, is_careful=False,
            progress=self.progress, clock=SYSTEM_CLOCK, wanted=lambda _: True,
        )  # fmt: skip
        self.stages = wire(self.parts)
        far: Any = self.far
        self.stages.far = far
        self.stages.deciding._far = far
        self.stages.deciding._condition._far = far
        self.link.stored = self.stages.recording.stored
        self.lane = Lane(self.parts, self.stages, self.stop)

    def __enter__(self) -> LaneBench:
        self.lane.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.link.has_room()
        deadline = time.monotonic() + 20
        while self.lane._failure is None and time.monotonic() < deadline:
            if not self.lane.advance(0.05):
                break
        self._let_go()
        self.lane.close()
        for thread in self.lane._threads:
            thread.join(25)  # what is late has its time
            assert not thread.is_alive(), thread

    def _let_go(self) -> None:
        """Of a lane that failed: its process would end here, its threads with it."""
        self.stages.close_front()
        self.stages.deciding.close()
        self.stages.keeping.close()
        self.stages.window.settled(list(range(1 << 16)))
        self.stages.recording.finish()

    def run_to_end(self, seconds: float = 20.0) -> None:
        """Until every stage has drained; raises what a stage raised."""
        deadline = time.monotonic() + seconds
        while self.lane.advance(0.05):
            assert time.monotonic() < deadline, "the lane does not end"

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError(f"waited for: {what}")

    def kinds(self) -> list[str]:
        return [result.verdict.kind.value for result in self.link.results]


def bad(text: str, item: str | None = None) -> ItemError:
    error = ItemError(text)
    error.item = item
    return error
