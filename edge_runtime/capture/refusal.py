"""Device nodes that are there and are not given to this process.

A sandbox's device rules answer EPERM, a node's mode EACCES; libraries read both as "no such
device".  Any thread; opens a node and closes it at once.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

SANDBOX = (
    "the service's device rules refuse it (EPERM): its kernel module was not loaded when the "
    "service started; 'systemctl restart edge-runtime', and keep Wants=modprobe@… in its unit"
)


def refusal(device: Path, group: str) -> str:
    """Why `device` cannot be opened though it is there; empty when it can, or is not there.

    `group`: the group that owns such nodes.
    """
    try:
        os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as exc:
        return said(exc.errno, group)
    return ""


def said(number: int | None, group: str) -> str:
    """An open's `errno` in words; empty where it is no refusal."""
    if number == errno.EPERM:
        return SANDBOX
    if number == errno.EACCES:
        return f"no permission to open it; add this user to the group '{group}'"
    return ""


def refused_cards(dev: Path = Path("/dev/snd")) -> str:
    """``/dev/snd/controlC1: why`` of sound cards that are there and refused; empty for none."""
    found = [(node, refusal(node, "audio")) for node in sorted(dev.glob("controlC*"))]
    return "; ".join(f"{node}: {why}" for node, why in found if why)
