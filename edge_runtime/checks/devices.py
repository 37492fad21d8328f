"""Cameras, microphones, and the right to use them.  Listed in a process of its own."""

from __future__ import annotations

import grp
import json
import os
from typing import Any

from edge_runtime.access import user_name
from edge_runtime.checks.probe import run_python
from edge_runtime.checks.result import CheckResult, Status

_CAMERAS = """\
import json
from dataclasses import asdict
from edge_runtime.capture import listing
print(json.dumps([asdict(camera) for camera in listing.cameras()]))
"""
_MICROPHONES = """\
import json
from dataclasses import asdict
from edge_runtime.capture import listing
found, why = listing.microphones()
print(json.dumps([[asdict(microphone) for microphone in found], why]))
"""


def cameras() -> CheckResult:
    """The cameras that V4L2 has."""
    error, told = run_python(_CAMERAS)
    if error:
        return CheckResult("cameras", Status.FAIL, f"listing them: {error}")
    found: list[dict[str, Any]] = json.loads(told.splitlines()[-1])
    if not found:
        return CheckResult("cameras", Status.SKIP, "no V4L2 camera")
    names = ", ".join(f"{each['name']} ({each['path']})" for each in found)
    problems = [f"{each['path']}: {each['problem']}" for each in found if each["problem"]]
    if problems:
        return CheckResult("cameras", Status.WARN, names, "; ".join(problems))
    return CheckResult("cameras", Status.OK, names)


def microphones() -> CheckResult:
    """The microphones that PortAudio has."""
    error, told = run_python(_MICROPHONES)
    if error:
        return CheckResult("microphones", Status.FAIL, f"listing them: {error}")
    found, why = json.loads(told.splitlines()[-1])
    if found:
        return CheckResult("microphones", Status.OK, ", ".join(each["name"] for each in found))
    if "install" in why:
        return CheckResult("microphones", Status.WARN, "cannot be listed", why)
    return CheckResult("microphones", Status.SKIP, why)


def groups(used: frozenset[str] | None = None) -> CheckResult:
    """Membership of the groups that own the device nodes; `used` as `packages.uses`, None: all."""
    if os.geteuid() == 0:
        return CheckResult("groups", Status.OK, "root may use every device")
    known = {group.gr_name: group.gr_gid for group in grp.getgrall()}
    mine = {*os.getgroups(), os.getegid()}
    wanted = [
        name
        for name, use in (("video", "pictures"), ("audio", "microphone"))
        if used is None or use in used
    ]
    missing = [name for name in wanted if name in known and known[name] not in mine]
    if not missing:
        return CheckResult("groups", Status.OK, ", ".join(wanted) or "none is needed")
    hint = f"usermod -aG {','.join(missing)} {user_name(os.geteuid())}, and log in again"
    return CheckResult("groups", Status.WARN, f"not in {' and '.join(missing)}", hint)
