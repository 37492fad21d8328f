"""Damages a model, and, as a child, tries damaged copies of one bundle.

``python -m tools.proofs.mutants BUNDLE MEDIA...`` reads a seed a line and answers a line of JSON:
`fate` is ``static`` or ``runtime`` (refused there) or ``answers``; then `changed` (the truth),
`tolerance` and `exact` (what the golden samples say).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.inference.engines.threads import limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.inference.trust.bundle import Bundle
    from edge_runtime.inference.trust.golden.index import Sample

TRUTH_SEEDS = (9001, 9002, 9003, 9004, 9005, 9006)
MEMORY_BYTES = 4 << 30
HEADER_BYTES = 256


def _flips(count: int) -> Callable[[bytearray, random.Random], None]:
    def flip(data: bytearray, rng: random.Random) -> None:
        for _ in range(count):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)

    return flip


def _zeros(count: int) -> Callable[[bytearray, random.Random], None]:
    def zero(data: bytearray, rng: random.Random) -> None:
        at = rng.randrange(len(data))
        part = len(data[at : at + count])
        data[at : at + count] = bytes(part)

    return zero


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _header(data: bytearray, rng: random.Random) -> None:
    for _ in range(4):
        data[rng.randrange(min(HEADER_BYTES, len(data)))] = rng.randrange(256)


KINDS: dict[str, Callable[[bytearray, random.Random], None]] = {
    "1 bit": _flips(1),
    "8 bits": _flips(8),
    "64 bits": _flips(64),
    "512 bytes of zeros": _zeros(512),
    "4096 bytes of zeros": _zeros(4096),
    "cut short": _cut,
    "4 bytes of the header": _header,
}


def mutant(model: bytes, seed: int) -> tuple[str, bytes]:
    """(kind of damage, the damaged copy), which is never the model itself."""
    rng = random.Random(seed)
    kind = rng.choice(list(KINDS))
    while True:
        data = bytearray(model)
        KINDS[kind](data, rng)
        if data != model:
            return kind, bytes(data)


class Trial:
    """One bundle: its golden samples, the truth, and copies against both."""

    def __init__(self, folder: Path, media: list[Path]) -> None:
        from edge_runtime.inference.trust.bundle import read_bundle
        from edge_runtime.inference.trust.environment import recorded_here
        from edge_runtime.inference.trust.golden.checking import Golden

        self._bundle: Bundle = read_bundle(folder)
        self._golden = Golden(self._bundle)
        self._here = recorded_here(self._bundle.runtime, self._bundle.file)
        self._media = {path.name: path.read_bytes() for path in media}
        sound, exact, refused = self._play(self._bundle)
        if refused:
            raise SystemExit(f"{folder}: the sound model is refused: {refused}")
        self._sound, self._exact = sound, exact

    def ask(self, seed: int) -> dict[str, Any]:
        import dataclasses

        from edge_runtime.errors import ModelError
        from edge_runtime.inference.engines.opening import check_static

        kind, data = mutant(self._bundle.model, seed)
        try:
            check_static(data, self._bundle.file)
        except ModelError as exc:
            return {"fate": "static", "told": str(exc)[:200]}
        copy = dataclasses.replace(self._bundle, model=data)
        try:
            truth, exact, refused = self._play(copy)
        except ModelError as exc:
            return {"fate": "runtime", "told": str(exc)[:200]}
        return {
            "fate": "answers",
            "changed": truth != self._sound,
            "tolerance": bool(refused),
            "exact": exact != self._exact,
            "told": refused[:200],
            "damage": kind,
        }

    def _play(self, bundle: Bundle) -> tuple[str, str, str]:
        """(digest of the truth, digest of the golden answers, why the golden samples refuse).

        Raises `ModelError` when the copy cannot be loaded or not even be tried out.
        """
        from edge_runtime.errors import ModelError
        from edge_runtime.inference.trust.golden.agreement import disagreements
        from edge_runtime.inference.trust.golden.index import Sample
        from edge_runtime.inference.trust.golden.playing import Player
        from edge_runtime.inference.trust.loading import open_checked

        engine = open_checked(bundle)
        player = Player(bundle.manifest, bundle.sha256, engine)
        exact, refused = hashlib.sha256(), ""
        for sample in self._golden.samples(player):
            try:
                compared = self._golden.compare(player, sample, self._here)
            except ModelError as exc:  # an answer of NaN, an operator that fails on real numbers
                exact.update(b"none")
                refused = refused or str(exc)
                continue
            exact.update("".join(compared.played.digests).encode())
            wrong = disagreements(compared.differences)
            refused = refused or (str(wrong[0]) if wrong else "")
        items = [*self._truth_noise(player)]
        items += [
            Sample(name=f"truth-{at}", kind="media", file=name)
            for at, name in enumerate(self._media)
        ]
        truth = hashlib.sha256()
        for item in items:
            try:
                truth.update("".join(player.play(item, self._media).digests).encode())
            except ModelError:
                truth.update(b"none")
        return truth.hexdigest(), exact.hexdigest(), refused

    def _truth_noise(self, player: Any) -> list[Sample]:
        """Plain white noise of the whole span."""
        import msgspec

        golden = [s for s in self._golden.samples(player) if s.kind == "noise"]
        low, high = golden[0].low, golden[0].high
        made: list[Sample] = player.noise(TRUTH_SEEDS, (low, high))
        replace = msgspec.structs.replace
        return [replace(sample, low=low, high=high, grain=1) for sample in made]


def main() -> int:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    limit_threads()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    trial = Trial(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    for line in sys.stdin:
        print(json.dumps(trial.ask(int(line))), file=out, flush=True)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
