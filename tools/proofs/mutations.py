"""Damaged copies of models: what refuses them, and what would have got through.

(a) Everything on: every copy is put into a bundle and loaded as a lane loads it.  All must be
    refused by their hash, in a process into which no runtime was ever loaded.
(b) Hashes off: every copy is loaded and asked in worker processes.  Which of the other checks
    refuses it: the static checks, the runtime, a crash or hang of the worker, the golden samples
    within their tolerance, or the exact record of this box?  The truth is another set of items,
    never used as golden samples: dense random tensors, and real media where there are any.  Counted
    are the copies that load and answer something else than the sound model, and how many of those
    the golden samples catch.

    python -m tools.proofs.mutations [--mutations 500] [--seed 11] [--data DIR] [--json FILE]

`--mutations` is for each format, ONNX and TFLite, shared by the models of that format.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.errors import ModelError
from edge_runtime.manifest import load_manifest, shipped_models
from tools.proofs.mutants import KINDS, mutant

WORKERS = 2
COPY_TIMEOUT_S = 60.0
GOAL = 0.99
NATIVE = ("onnxruntime", "ai_edge_litert", "tflite_runtime", "openvino")
SHIPPED_MEDIA = {"surface-defect": "picture", "keywords": "sound"}


@dataclass(frozen=True)
class Subject:
    """A sound bundle with golden samples, and media that are none of them."""

    name: str
    folder: Path
    media: tuple[Path, ...]

    @property
    def file(self) -> str:
        return load_manifest(self.folder).file

    @property
    def format(self) -> str:
        return "ONNX" if self.file.endswith(".onnx") else "TFLite"


class Worker:
    """A child that tries copies of one subject, started again when a copy kills it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._child: subprocess.Popen[str] | None = None

    def ask(self, seed: int) -> dict[str, Any]:
        """How the copy of this seed fares."""
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        timer = threading.Timer(COPY_TIMEOUT_S, child.kill)
        timer.start()
        try:
            child.stdin.write(f"{seed}\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except OSError:
            line = ""
        finally:
            hung = not timer.is_alive()
            timer.cancel()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = child.wait()
        self._child = None
        return {"fate": "hang" if hung else "crash", "told": f"exit code {code}"}

    def close(self) -> None:
        if self._child is not None:
            assert self._child.stdin is not None
            self._child.stdin.close()
            self._child.wait()

    def _start(self) -> subprocess.Popen[str]:
        media = [str(path) for path in self._subject.media]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tools.proofs.mutants", str(self._subject.folder), *media],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self._child


def everything_on(subject: Subject, seeds: list[int], folder: Path) -> Counter[str]:
    """Load each copy as a lane does; how it was refused."""
    from edge_runtime.inference import load_model

    found: Counter[str] = Counter()
    copy = folder / f"{subject.name}-on"
    shutil.copytree(subject.folder, copy)
    model = (subject.folder / subject.file).read_bytes()
    for seed in seeds:
        (copy / subject.file).write_bytes(mutant(model, seed)[1])
        try:
            load_model(copy, verified=folder / "verified")
        except ModelError as exc:
            found["hash" if "the manifest says" in str(exc) else "otherwise"] += 1
        else:
            found["loaded"] += 1
    return found


def hashes_off(subject: Subject, seeds: list[int]) -> list[dict[str, Any]]:
    """Ask `WORKERS` children about the copies."""
    answers: list[dict[str, Any]] = []

    def part(number: int) -> list[dict[str, Any]]:
        worker = Worker(subject)
        mine = [{"seed": seed, **worker.ask(seed)} for seed in seeds[number::WORKERS]]
        worker.close()
        return mine

    with ThreadPoolExecutor(WORKERS) as pool:
        for mine in pool.map(part, range(WORKERS)):
            answers += mine
    kind_of = {seed: mutant_kind(subject, seed) for seed in seeds}
    return [{"kind": kind_of[each["seed"]], **each} for each in answers]


def mutant_kind(subject: Subject, seed: int) -> str:
    return mutant((subject.folder / subject.file).read_bytes(), seed)[0]


COLUMNS = ("copies", "static", "runtime", "crash", "hang", "harmless", "changed", "tolerance")


def row(answers: list[dict[str, Any]]) -> dict[str, int]:
    """One line of the table."""
    fates = Counter(each["fate"] for each in answers)
    loaded = [each for each in answers if each["fate"] == "answers"]
    changed = [each for each in loaded if each["changed"]]
    return {
        "copies": len(answers),
        "static": fates["static"],
        "runtime": fates["runtime"],
        "crash": fates["crash"],
        "hang": fates["hang"],
        "harmless": len(loaded) - len(changed),
        "changed": len(changed),
        "tolerance": sum(each["tolerance"] for each in changed),
        "exact": sum(each["exact"] for each in changed),
        "caught": sum(each["tolerance"] or each["exact"] for each in changed),
        "harmless_refused": sum(
            (each["tolerance"] or each["exact"]) and not each["changed"] for each in loaded
        ),
    }


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def print_table(title: str, rows: dict[str, dict[str, int]]) -> None:
    heads = ("static", "runtime", "crash", "hang", "harmless", "CHANGED")
    print(f"\n{title}")
    print(f"  {'':30}{'copies':>7}" + "".join(f"{head:>9}" for head in heads), end="")
    print(f"{'tolerance':>18}{'exact':>16}{'caught':>16}")
    for name, found in rows.items():
        print(f"  {name:30}{found['copies']:7}", end="")
        for head in heads:
            print(f"{found[head.lower()]:9}", end="")
        for key, width in (("tolerance", 18), ("exact", 16), ("caught", 16)):
            told = f"{found[key]} = {share(found[key], found['changed'])}"
            print(f"{told:>{width}}", end="")
        print()


def prepared(data: Path, folder: Path) -> list[Subject]:
    """The shipped bundles, and third-party models from `data` with golden samples made now."""
    from tools.proofs.mutation_subjects import shipped, third_party

    subjects = [Subject(*each) for each in shipped(shipped_models(), data, folder)]
    return subjects + [Subject(*each) for each in third_party(data, folder)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mutations", type=int, default=500, help="copies for each format")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edge-runtime-mutations-") as scratch:
        return _run(given, Path(scratch), begin)


def _run(given: argparse.Namespace, scratch: Path, begin: float) -> int:
    # Golden samples of third-party models are recorded in a child: here no runtime is loaded.
    subjects = prepared(given.data, scratch)
    plan: list[tuple[Subject, list[int]]] = []
    for form in ("ONNX", "TFLite"):
        chosen = [subject for subject in subjects if subject.format == form]
        seeds = random.Random(f"{given.seed} {form}").sample(range(1 << 40), given.mutations)
        for number, subject in enumerate(chosen):
            plan.append((subject, seeds[number :: len(chosen)]))
    on: Counter[str] = Counter()
    for subject, seeds in plan:
        on += everything_on(subject, seeds, scratch)
    loaded = [name for name in NATIVE if name in sys.modules]
    total = sum(on.values())
    print(f"(a) everything on: {on['hash']} of {total} copies refused by their hash", end="")
    print(
        f", {on['otherwise']} otherwise, {on['loaded']} loaded; runtimes in this process: ", end=""
    )
    print(", ".join(loaded) or "none")
    answers = {subject: hashes_off(subject, seeds) for subject, seeds in plan}
    by_model = {
        f"{subject.name} ({subject.format})": row(found) for subject, found in answers.items()
    }
    every = [each for found in answers.values() for each in found]
    by_kind = {kind: row([each for each in every if each["kind"] == kind]) for kind in KINDS}
    by_format = {
        form: row([a for s, found in answers.items() if s.format == form for a in found])
        for form in ("ONNX", "TFLite")
    }
    whole = {"all": row(every)}
    print_table("(b) hashes off, by model", {**by_model, **by_format, **whole})
    print_table("by kind of damage", by_kind)
    missed = [
        (subject.name, each)
        for subject, found in answers.items()
        for each in found
        if each["fate"] == "answers" and each["changed"] and not each["tolerance"] + each["exact"]
    ]
    for name, each in missed:
        print(f"  missed: {name} seed {each['seed']} ({each['kind']}): {each['told']}")
    print(f"\n{time.monotonic() - begin:.0f} s, seed {given.seed}")
    if given.json:
        report = {"on": on, "models": by_model, "formats": by_format, "kinds": by_kind, **whole}
        given.json.write_text(json.dumps(report, indent=2))
    good = on["hash"] == total and not loaded
    for form, found in by_format.items():
        reached = found["changed"] == 0 or found["caught"] >= GOAL * found["changed"]
        good = good and reached and found["changed"] > 0
        print(f"{form}: caught {found['caught']} of {found['changed']} that answered otherwise")
    print("good" if good else "NOT GOOD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
