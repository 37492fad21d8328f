"""The unit's sandbox without systemd: its user, no capabilities, and a /proc that shows only tasks.

A mount namespace and a pid namespace of its own, by ``unshare``; root only.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.data import PROJECT

UID = 61_234
GID = 61_235
STRANGER = 61_999
_MOUNTS = "mount --make-rprivate / && mount -t proc -o subset=pid,hidepid=2 proc /proc && exec "
TOOLS = ("unshare", "setpriv", "mount")


def why_not() -> str:
    """Why it cannot be had here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root, to become the service's user"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"needs {', '.join(missing)}"
    tried = subprocess.run(
        ["unshare", "-m", "-p", "--fork", "sh", "-c", _MOUNTS + "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tried.returncode != 0:
        return f"no mount namespace here: {tried.stderr.strip()}"
    needed = (PROJECT / "edge_runtime", Path(sysconfig.get_paths()["purelib"]) / "msgspec")
    if not all(_others_may(each) for path in needed for each in (path, *path.parents)):
        return "another user cannot read this checkout"
    return "" if interpreter() else "no Python here that another user may run"


def interpreter() -> str:
    """This Python, or the system's of the same version where only root may run this one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, shutil.which(version, path="/usr/bin:/usr/local/bin") or ""):
        if path and all(_others_may(each) for each in (Path(path).resolve().parents)):
            return path
    return ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A folder for the state and one for the config, as the unit and its files lay them out."""

    folder: Path
    """Everybody may pass through it."""
    state: Path = field(init=False)
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        """Make both: 0700 and the service's, and 0640 of root and the service's group."""
        self.folder.chmod(0o755)
        object.__setattr__(self, "state", self.folder / "state")
        object.__setattr__(self, "config", self.folder / "config.toml")
        self.state.mkdir(mode=0o700)
        os.chown(self.state, UID, GID)

    def write(self, config: str) -> None:
        self.config.write_text(config)
        self.config.chmod(0o640)
        os.chown(self.config, 0, GID)

    def command(
        self, *arguments: object, uid: int = UID, groups: tuple[int, ...] = (GID,)
    ) -> list[str]:
        """``edge-runtime ARGUMENTS`` by this user, with nothing but what it is told."""
        as_user = [
            "setpriv", f"--reuid={uid}", f"--regid={groups[0]}",
            f"--groups={','.join(map(str, groups))}", "--no-new-privs", "--bounding-set=-all",
            "--inh-caps=-all",
            "env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", f"STATE_DIRECTORY={self.state}",
            f"PYTHONPATH={PROJECT}:{sysconfig.get_paths()['purelib']}",
            interpreter(), "-B", "-m", "edge_runtime", *map(str, arguments),
        ]  # fmt: skip
        return ["unshare", "-m", "-p", "--fork", "--kill-child", "sh", "-c",
                "umask 027; " + _MOUNTS + '"$@"', "sh", *as_user]  # fmt: skip

    def run(
        self, *arguments: object, uid: int = UID, groups: tuple[int, ...] = (GID,)
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, uid=uid, groups=groups),
            capture_output=True, text=True, check=False, timeout=90, cwd="/",
        )  # fmt: skip


def _others_may(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
