"""What ``doctor`` looks at.  Each check stands alone, prints nothing and changes nothing.

Libraries are tried in processes of their own: one that crashes on import is found, not suffered.
One thread; a whole run takes a few seconds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from edge_runtime.checks.result import CheckResult, Status, guarded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CheckResult", "Status", "run_checks"]


def run_checks(config_path: Path | None) -> Iterator[CheckResult]:
    """Every check in order, each result as it comes; never raises.

    Without a config the checks that need one are one `skip`.
    """
    from edge_runtime.checks import box, devices, disk, packages, station

    for check in (box.python, box.machine, box.sqlite, box.clock, box.systemd):
        yield from guarded(check.__name__, check)
    yield from guarded("packages", packages.packages)
    for check in (devices.cameras, devices.microphones, devices.groups):
        yield from guarded(check.__name__, check)
    config, found = station.read_config(config_path)
    yield found
    folder = disk.data_folder(config)
    yield from guarded("disk", partial(disk.space, folder))
    yield from guarded("fsync", partial(disk.fsync, folder))
    if config is None:
        return
    yield from guarded("daemon", partial(station.daemon, config))
    for name, lane in config.lanes.items():
        yield from guarded(f"lane {name}", partial(station.lane, name, lane, config))
    yield from guarded("models", partial(station.models, config))
    yield from guarded("outputs", partial(station.outputs, config))
    yield from guarded("sync", partial(station.sync, config))
