"""A child that speaks the real messages over the real link, and does what its script says.

``python -m tests.support.fake_child``, for lanes and the field process alike.  The script is JSON in
``$FAKE_CHILDREN``: name -> what it does in its first life, its second ...; the last one is repeated.
Every message that it hears is a line of JSON in ``DATA/fake/NAME.heard``, each life's pid and
niceness a line of ``DATA/fake/NAME.lives``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from edge_runtime.clock import SYSTEM_CLOCK, boot_id
from edge_runtime.link.child_end import FD_VARIABLE, LISTEN_FD_VARIABLE, Link, connect
from edge_runtime.link.in_hand import Page
from edge_runtime.link.messages import (
    Ask,
    Done,
    Failed,
    Heartbeat,
    Hello,
    NewEvent,
    NewResult,
    NewResults,
    NewTombstone,
    OutputState,
    Reply,
    Serve,
    Start,
    Stop,
    Triggered,
)
from edge_runtime.manifest import load_manifest
from edge_runtime.types import (
    Event,
    Result,
    Stamp,
    Tombstone,
    TombstoneReason,
    Verdict,
    VerdictKind,
)

VARIABLE = "FAKE_CHILDREN"
BEAT_S = 0.1


class FakeChild:
    """One life."""

    def __init__(self, link: Link, start: Start) -> None:
        self.link = link
        self.start = start
        self.folder = start.config.data_dir / "fake"
        self.folder.mkdir(exist_ok=True)
        self.serving = threading.Event()
        self.stopped = threading.Event()
        self.beating = True
        self.does = ""
        self.loops = {"main": 0.0}
        self.heard(start)

    def run(self) -> int:
        what, _, argument = self.act().partition(":")
        self.does = what
        threading.Thread(target=self._listen, daemon=True).start()
        early = getattr(self, f"before_{what}", None)
        if early is not None:
            return int(early(argument))
        self.link.send(Hello(os.getpid(), self.loaded()))
        threading.Thread(target=self._beat, daemon=True).start()
        self.serving.wait()
        getattr(self, f"do_{what}")(argument)
        self.link.send(Done())
        return 0

    def loaded(self) -> dict[str, str]:
        """As if it had loaded its models."""
        manifests = [load_manifest(Path(model.folder)) for model in self.start.models]
        return {manifest.id: manifest.sha256[manifest.file] for manifest in manifests}

    def act(self) -> str:
        """What this life does."""
        lives = self.folder / f"{self.start.name}.lives"
        lived = len(lives.read_text().splitlines()) if lives.exists() else 0
        with lives.open("a") as file:
            file.write(f"{os.getpid()} {os.getpriority(os.PRIO_PROCESS, 0)}\n")
        script = json.loads(os.environ[VARIABLE]).get(self.start.name, ["serve"])
        return str(script[min(lived, len(script) - 1)])

    # Before Hello.

    def before_crash(self, _: str) -> int:
        return 3

    def before_refuse(self, why: str) -> int:
        self.link.send(Failed(78, why or "the model is refused", "EDGE-M501"))
        return 78

    def before_missing(self, _: str) -> int:
        self.link.send(Failed(66, "there is no such recording"))
        return 66

    def before_mute(self, _: str) -> int:
        """Never says Hello."""
        self.stopped.wait()
        return 0

    def before_slow(self, seconds: str) -> int:
        time.sleep(float(seconds))
        self.link.send(Hello(os.getpid(), self.loaded()))
        threading.Thread(target=self._beat, daemon=True).start()
        self.stopped.wait()
        self.link.send(Done())
        return 0

    def before_nonsense(self, _: str) -> int:
        self.link._connection.sendall(b"\x00\x00\x00\x04junk")
        time.sleep(60)
        return 0

    # While serving.

    def do_serve(self, _: str) -> None:
        self.stopped.wait()

    def do_die_when_asked(self, _: str) -> None:
        """Serves until somebody asks it something."""
        self.stopped.wait()

    def do_done(self, _: str) -> None:
        """A replay that ends at once."""

    def do_silent(self, _: str) -> None:
        """Serves, and then says nothing any more."""
        self.beating = False
        time.sleep(60)

    def do_stuck(self, _: str) -> None:
        """One loop stops turning."""
        self.loops["infer-0"] = 99.0
        time.sleep(60)

    def do_deaf(self, _: str) -> None:
        """Never drains."""
        time.sleep(60)

    def do_abort(self, _: str) -> None:
        os.abort()

    def do_vanish(self, _: str) -> None:
        """The recording goes away in mid-run."""
        self.link.send(Failed(66, "the recording is gone"))
        sys.stdout.flush()
        os._exit(66)

    def do_results(self, count: str) -> None:
        for number in range(int(count)):
            self.link.send(NewResult(number, self.result(number)))
        self.stopped.wait()

    def do_replay(self, count: str) -> None:
        """Parts behind the one it is told, then the end."""
        behind = self.start.resume_after
        first = 0 if behind is None else int(behind.partition(":")[2]) + 1
        for number in range(first, int(count)):
            self.link.send(NewResult(number, self.result(number, item=f"frame:{number}")))

    def do_words(self, count: str) -> None:
        results = [self.result(n) for n in range(int(count))]
        self.link.send(NewResults(list(range(int(count))), results))
        self.stopped.wait()

    def do_item(self, item: str) -> None:
        """Dies with this item in hand, unless it is told to leave it out."""
        page = Page(Path(self.start.page_path))
        if item in self.start.skip:
            self.stopped.wait()
            return
        page.put("capture", item)
        os.abort()

    def do_two_items(self, items: str) -> None:
        ahead, _, inferred = items.partition(",")
        page = Page(Path(self.start.page_path))
        if inferred in self.start.skip:
            self.stopped.wait()
            return
        page.put("capture", ahead)
        page.put("infer", inferred)
        os.abort()

    def do_acted(self, counts: str) -> None:
        """Dies after it acted upon so many parts, and handed over so many; with so many open."""
        acted, handed, begun = (int(count) for count in f"{counts},0".split(",")[:3])
        page = Page(Path(self.start.page_path))
        for _ in range(begun):
            page.begun()
        for _ in range(acted):
            page.acted(time.time_ns(), SYSTEM_CLOCK.boottime_ns())
        for number in range(handed):
            self.link.send(NewResult(number, self.result(number)))
        os.kill(os.getpid(), signal.SIGKILL)

    def do_unstorable(self, _: str) -> None:
        """One row that no ledger takes, and one behind it that every ledger takes."""
        never = replace(self.stamp(), wall_ns=2**63)  # beyond any column
        self.link.send(NewResult(1, replace(self.result(0), captured=never)))
        self.link.send(NewResult(2, self.result(1)))
        self.stopped.wait()

    def do_once(self, key: str) -> None:
        """The same tombstone twice, under one key."""
        for token in (1, 2):
            stamp = self.stamp()
            tombstone = Tombstone(
                lane=self.start.name, reason=TombstoneReason.STORE_FULL, first=stamp, last=stamp,
                count=7,
            )  # fmt: skip
            self.link.send(NewTombstone(token, tombstone, key))
        self.stopped.wait()

    def do_event(self, text: str) -> None:
        event = Event(code="EDGE-O204", at=self.stamp(), text=text, output="gate")
        self.link.send(NewEvent(1, event))
        self.stopped.wait()

    def result(self, number: int, item: str | None = None) -> Result:
        return Result(
            lane=self.start.name,
            source=self.start.config.lanes[self.start.name].source,
            source_seq=number,
            captured=self.stamp(),
            verdict=Verdict(VerdictKind.PASS, "good", 0.9),
            item=item,
        )

    def stamp(self) -> Stamp:
        return Stamp(time.time_ns(), SYSTEM_CLOCK.boottime_ns(), boot_id())

    def heard(self, message: Any) -> None:
        with (self.folder / f"{self.start.name}.heard").open("ab") as file:
            file.write(msgspec.json.encode(message) + b"\n")

    def _listen(self) -> None:
        while (message := self.link.receive()) is not None:
            self.heard(message)
            if isinstance(message, Serve):
                self.serving.set()
            elif isinstance(message, Stop):
                self.stopped.set()
                self.serving.set()
            elif isinstance(message, Ask):
                if self.does == "die_when_asked":
                    os.kill(os.getpid(), signal.SIGKILL)
                if message.what == "silence":
                    continue
                error = "no" if message.what == "refuse" else ""
                self.link.send(Reply(message.token, {"asked": message.what}, error))
            elif isinstance(message, Triggered):
                self.link.send(NewResult(message.trigger.id, self._of(message)))
        os._exit(70)

    def _of(self, message: Triggered) -> Result:
        trigger = message.trigger
        return replace(self.result(trigger.id), part=trigger.part_name, trigger=trigger.origin)

    def _beat(self) -> None:
        while self.beating:
            outputs = [OutputState(name, "connected") for name in self.start.config.outputs]
            self.link.send(
                Heartbeat(
                    "running", dict(self.loops), {"beats": 1},
                    outputs=outputs if self.start.name == "field" else [],
                )
            )  # fmt: skip
            time.sleep(BEAT_S)


def main() -> int:
    listens = os.environ.get(LISTEN_FD_VARIABLE)
    link, start = connect(outlives=listens is not None)
    assert FD_VARIABLE not in os.environ
    return FakeChild(link, start).run()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
