"""Some Python, or a program of the system, in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 60.0

_IMPORTS = """\
import importlib, json, os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # libraries print what they like
for name in sys.argv[1:]:
    print(json.dumps([name, None]), file=out, flush=True)
    try:
        importlib.import_module(name)
        error = ""
    except BaseException as exc:
        error = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
    print(json.dumps([name, error]), file=out, flush=True)
"""


def run_python(
    code: str, *arguments: str, told: str = "", timeout_s: float = TIMEOUT_S
) -> tuple[str, str]:
    """(error, what it printed); the error is empty when it ended well.

    `told`: what it reads from stdin; a secret goes there, for arguments are seen by everybody.
    """
    command = [sys.executable, "-c", code, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and text
            command, input=told, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as exc:
        printed = exc.stdout.decode() if isinstance(exc.stdout, bytes) else ""
        return f"did not end within {timeout_s:g} s", printed
    if done.returncode == 0:
        return "", done.stdout
    if done.returncode < 0:
        return f"crashed ({signal.Signals(-done.returncode).name})", done.stdout
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit code {done.returncode}"), done.stdout


def import_errors(modules: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """Module -> why it cannot be imported; empty when it can.

    One process tries them all; where one takes it down, another goes on behind that.
    """
    errors: dict[str, str] = {}
    left = list(modules)
    while left:
        crash, told = run_python(_IMPORTS, *left, timeout_s=timeout_s)
        trying = left[0]
        for line in told.splitlines():
            trying, error = json.loads(line)
            if error is not None:
                errors[trying] = error
        if crash:
            errors.setdefault(trying, crash)
        left = [module for module in left if module not in errors]
        if not crash:
            break
    return errors


def run_program(*command: str, timeout_s: float = 10.0) -> str:
    """What a program prints; empty when it is not there or does not end in time."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            [program, *command[1:]],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
