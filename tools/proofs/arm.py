"""The same answer on 64-bit Arm: the shipped models under emulation, beside this box.

A small Arm root file system (Debian, made once and kept in --folder) gets the pinned Arm wheels of
requirements.lock and this tree; the same pictures and sounds go through ``edge-runtime infer`` here
and there, and ``edge-runtime models verify`` proves the golden samples there.  Needs root,
debootstrap and qemu-user-static (installed when missing), and once a network.

    python -m tools.proofs.arm --data DATA [--folder out/arm]

Emulated times say nothing about an Arm board; answers do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("debootstrap", "qemu-user-static", "binfmt-support")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
PLATFORMS = [
    f"manylinux_2_{minor}_aarch64" for minor in (34, 28, 27, 26, 24, 17)
] + ["manylinux2014_aarch64"]  # fmt: skip
DEBIAN, PYTHON = "bookworm", "3.11"
WHEELS, TREE, MEDIA = "opt/wheels", "opt/tree", "opt/media"
TREE_PARTS = ("edge_runtime", "models", "configs", "systemd")
SAMPLES = {
    "surface-defect": [
        "ballscrew_BSData_CC-BY-SA/images/*.jpg:40",
        "phone_screen_MSD_GPL3/images/Scr_*.jpg:8",
    ],
    "keywords": ["speech_commands/*/*.flac:60"],
    "speech-gate": ["vad_streams*/*.wav:4"],
}
"""Model -> patterns below DATA, each with how many files are taken, evenly spread."""
LARGEST_DIFFERENCE = 0.05
"""Of a score: kernels round differently, and a recurrent or deep network adds up a few steps."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One model's answers here and there."""

    model: str
    answers: int
    same_label: int
    same_verdict: int
    largest: float


def prepare(folder: Path) -> Path:
    """The Arm root file system with the wheels and this tree; kept for the next time."""
    _install_packages()
    root = folder.resolve() / "root"
    if not (root / ".ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _run("debootstrap", "--arch=arm64", "--variant=minbase", "--include=python3", DEBIAN, root)
        (root / ".ready").touch()
    _install_wheels(root / WHEELS)
    tree = root / TREE
    shutil.rmtree(tree, ignore_errors=True)
    for part in TREE_PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / part, tree / part, ignore=ignored)
    return root


def _install_packages() -> None:
    if os.geteuid() != 0:
        sys.exit("tools/proofs/arm.py: a foreign root file system needs root")
    missing = [name for name in PACKAGES if not shutil.which(_program(name))]
    if missing:
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", *missing, env={"DEBIAN_FRONTEND": "noninteractive"})
    if not (BINFMT / "register").exists():
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT)
    if not (BINFMT / "qemu-aarch64").exists():
        _run("update-binfmts", "--enable", "qemu-aarch64")


def _program(package: str) -> str:
    return {"qemu-user-static": "qemu-aarch64-static", "binfmt-support": "update-binfmts"}.get(
        package, package
    )


def _install_wheels(folder: Path) -> None:
    lock = PROJECT / "requirements.lock"
    stamp = folder / ".lock"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    _run(
        *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"),
        *("--target", folder, "--only-binary=:all:", "--implementation", "cp"),
        *("--python-version", PYTHON, "--require-hashes", *platforms, "-r", lock),
    )
    shutil.copyfile(lock, stamp)


def _run(*command: object, env: dict[str, str] | None = None) -> None:
    subprocess.run([str(word) for word in command], check=True, env={**os.environ, **(env or {})})


def arm(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``edge-runtime ARGUMENTS`` in the Arm root file system."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"/{TREE}:/{WHEELS}",
        "HOME": "/root",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # /proc in a mount namespace of its own: gone with the process.  Not /sys: what it says of this
    # box's processor makes the emulated one believe in instructions that it does not have.
    inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    words = ["unshare", "--mount", "sh", "-c", inside, str(root)]
    words += ["/usr/bin/python3", "-m", "edge_runtime", *arguments]
    return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)


def here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same on this box."""
    words = [sys.executable, "-m", "edge_runtime", *arguments]
    return subprocess.run(words, capture_output=True, text=True, cwd=PROJECT, check=False)


def samples(data: Path, patterns: list[str]) -> list[Path]:
    """The files of the patterns, so many of each, evenly spread over the sorted names."""
    found: list[Path] = []
    for pattern in patterns:
        glob, _, count = pattern.rpartition(":")
        files = sorted(data.glob(glob))
        step = max(1, len(files) // int(count))
        found += files[::step][: int(count)]
    return found


def compare(root: Path, model: str, files: list[Path]) -> Compared:
    """Run `model` over `files` here and there.  Raises SystemExit where either side fails."""
    media = root / MEDIA
    shutil.rmtree(media, ignore_errors=True)
    media.mkdir(parents=True)
    for index, file in enumerate(files):
        shutil.copyfile(file, media / f"{index:04d}{file.suffix}")
    pairs = list(
        zip(
            _answers(here("infer", model, str(media), "--json")),
            _answers(arm(root, "infer", model, f"/{MEDIA}", "--json")),
            strict=True,
        )
    )
    assert all(Path(a["file"]).name == Path(b["file"]).name for a, b in pairs)
    return Compared(
        model,
        answers=len(pairs),
        same_label=sum(a["label"] == b["label"] for a, b in pairs),
        same_verdict=sum(a.get("verdict") == b.get("verdict") for a, b in pairs),
        largest=max(
            abs(score - b["scores"][label])
            for a, b in pairs
            for label, score in a["scores"].items()
        ),
    )


def _answers(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    if done.returncode:
        sys.exit(f"{' '.join(map(str, done.args[:6]))}: exit {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> int:
    """Print a line a model, and one for the golden samples; exit 1 where answers differ."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=PROJECT / "out" / "arm")
    options = parser.parse_args()
    root = prepare(options.folder)
    known = {path.name for path in (PROJECT / "models").iterdir() if path.is_dir()}
    good = True
    for model, patterns in SAMPLES.items():
        if model not in known:
            continue
        told = compare(root, model, samples(options.data, patterns))
        print(
            f"{told.model}: {told.answers} answers on Arm and here: label the same "
            f"{told.same_label}, verdict the same {told.same_verdict}, "
            f"largest difference of a score {told.largest:.4f}",
            flush=True,
        )
        good &= told.largest <= LARGEST_DIFFERENCE and told.same_label == told.answers
    for told in json.loads(arm(root, "models", "verify", "--all", "--json").stdout):
        wrong = [each for each in told["agreement"] if each["judged"] and not each["agrees"]]
        apart = f"{len(wrong)} of {len(told['agreement'])} golden outputs disagree"
        print(f"{told['model']} {told['file']} by {told['package']} on Arm: {apart}", flush=True)
        # Emulation is slow beyond every budget: agreement counts here, times do not.
        good &= bool(told["agreement"]) and not wrong
    print("the same answers on Arm" if good else "answers differ on Arm")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
