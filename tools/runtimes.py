"""The older TFLite runtime: golden samples recorded here must agree in a Python of its own.

tflite_runtime 2.14 works with numpy 1 only, which the other libraries do not.  So a virtual
environment is made in a temporary folder, with tflite_runtime, numpy 1 and what the way from a file
to a tensor needs, and ``models verify`` is run there over TFLite bundles: the shipped ones, and
third-party models whose golden samples are recorded here by LiteRT.  Then ``models bench`` runs all
runtimes side by side.  Needs Python 3.11 (there are no later wheels) and a package index.

    python -m tools.runtimes [--data DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from edge_runtime.manifest import load_manifest, shipped_models
from tools.proofs.mutation_subjects import shipped, third_party

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "tflite-runtime==2.14.0",
    "numpy<2",
    "opencv-python-headless<4.11",
    "soundfile",
    "soxr",
    "msgspec",
    "click",
    "rich",
)


def make_python(folder: Path) -> Path:
    """A Python with just enough to verify a bundle."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True)
    return python


def verified(python: Path, bundle: Path) -> dict[str, Any]:
    """What ``models verify`` says there."""
    command = [str(python), "-m", "edge_runtime", "models", "verify", str(bundle), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [*command, "--runtime", "litert"],
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows[0]


def told(row: dict[str, Any], *, judged: bool) -> str:
    """The largest differences of media (judged) or of noise (shown), by unit."""
    found: dict[str, float] = {}
    for each in row["agreement"]:
        if each["judged"] == judged and each["largest"] is not None:
            found[each["unit"]] = max(found.get(each["unit"], 0.0), each["largest"])
    return ", ".join(f"{largest:.2g} {unit}" for unit, largest in sorted(found.items())) or "-"


def main() -> int:
    parser = argparse.ArgumentParser(description="The older TFLite runtime against the newer")
    parser.add_argument("--data", type=Path, default=PROJECT.parent / "shared" / "data")
    given = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="edge-runtime-") as scratch:
        python = make_python(Path(scratch) / "python")
        subjects = [*shipped(shipped_models(), given.data, Path(scratch))]
        subjects += third_party(given.data, Path(scratch))
        bundles = [f for _, f, _ in subjects if load_manifest(f).file.endswith(".tflite")]
        for bundle in bundles:
            row = verified(python, bundle)
            bad += bool(row["trouble"])
            print(f"{load_manifest(bundle).file} ({bundle.name}) by {row['package']}: ", end="")
            print("refused" if row["trouble"] else "good", end="")
            print(f"; media {told(row, judged=True)}; noise {told(row, judged=False)}", flush=True)
            if row["trouble"]:
                print(f"  {row['trouble']}", flush=True)
        print(flush=True)
        bench = [sys.executable, "-m", "edge_runtime", "models", "bench", *map(str, bundles)]
        subprocess.run([*bench, "--also", str(python)], check=False, cwd=PROJECT)
    print(f"{len(bundles) - bad} of {len(bundles)} agree")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
