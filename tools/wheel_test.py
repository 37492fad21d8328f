"""Build the wheel, install it into a fresh environment away from the tree, and use it.

Proves that the wheel carries the shipped models, the default config, the unit file and the demo,
and that nothing is imported from the source tree.  Installs from the same locked versions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MUST_CARRY = (
    "edge_runtime/models/surface-defect/",
    "edge_runtime/models/keywords/",
    "edge_runtime/models/speech-gate/",
    "edge_runtime/configs/default.toml",
    "edge_runtime/systemd/edge-runtime.service",
    "edge_runtime/systemd/sysusers.d/edge-runtime.conf",
    "edge_runtime/systemd/tmpfiles.d/edge-runtime.conf",
    "edge_runtime/ledger/schema/0001_initial.sql",
    "edge_runtime/sample_station/voice.flac",
    "edge_runtime/py.typed",
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edge-runtime-wheel-") as folder:
        root = Path(folder)
        wheel = build(root)
        inspect(wheel)
        python = install(wheel, root)
        use(python, root)
    print("wheel: ok")


def run(*command: str | Path, cwd: Path, home: Path | None = None) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("EDGE_RUNTIME", "PYTHON"))}
    if home is not None:
        environ["HOME"] = str(home)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        print(done.stdout)
        raise SystemExit(f"wheel: {' '.join(map(str, command))} exited {done.returncode}")
    return done.stdout


def build(root: Path) -> Path:
    # The build backend is in the development environment already: no network is needed here.
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", root, cwd=PROJECT)
    (wheel,) = root.glob("*.whl")
    print(f"wheel: {wheel.name}, {wheel.stat().st_size / 1e6:.2f} MB")
    return wheel


def inspect(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    missing = [part for part in MUST_CARRY if not any(name.startswith(part) for name in names)]
    if missing:
        raise SystemExit(f"wheel: does not carry {', '.join(missing)}")
    stray = [name for name in names if name.startswith(("tests/", "tools/"))]
    if stray:
        raise SystemExit(f"wheel: carries what it should not: {stray[:3]}")


def install(wheel: Path, root: Path) -> Path:
    run(sys.executable, "-m", "venv", root / "venv", cwd=root)
    python = root / "venv" / "bin" / "python"
    lock = PROJECT / "requirements.lock"
    run(python, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock, cwd=root)
    run(python, "-m", "pip", "install", "-q", "--no-deps", wheel, cwd=root)
    return python


def use(python: Path, root: Path) -> None:
    home = root / "home"
    home.mkdir()
    command = python.with_name("edge-runtime")
    where = run(python, "-c", "import edge_runtime; print(edge_runtime.__file__)", cwd=home)
    if not where.startswith(str(root)):
        raise SystemExit(f"wheel: imported from {where}")
    print(run(command, "--version", cwd=home, home=home).strip())
    run(command, "config", "schema", cwd=home, home=home)
    told = run(command, "demo", "--json", "--dir", root / "demo", cwd=home, home=home)
    answer = json.loads(told.strip().splitlines()[-1])
    print(f"wheel: demo: {json.dumps(answer)[:400]}")
    if answer["lost"] != 0 or answer["twice"] != 0:
        raise SystemExit("wheel: the demo lost or doubled results")
    shutil.rmtree(root / "demo", ignore_errors=True)


if __name__ == "__main__":
    main()
