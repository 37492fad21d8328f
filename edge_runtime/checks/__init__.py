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

    from edge_runtime.checks.running import Daemon
    from edge_runtime.config import Config

__all__ = ["CheckResult", "Status", "run_checks"]


def run_checks(config_path: Path | None) -> Iterator[CheckResult]:
    """Every check in order, each result as it comes; never raises.

    Without a config the checks that need one are one `skip`.  While a daemon runs, what it holds
    is asked of it and not opened.
    """
    from edge_runtime.checks import box, devices, packages, station

    for check in (box.python, box.machine, box.sqlite, box.clock, box.systemd):
        yield from guarded(check.__name__, check)
    config, found = station.read_config(config_path)
    used = None if config is None else packages.uses(config)
    yield from guarded("packages", partial(packages.packages, config))
    daemon = _daemon(config)
    for check, use in ((devices.cameras, "pictures"), (devices.microphones, "microphone")):
        name = check.__name__
        if daemon.holds:
            yield _held(name)
        elif used is not None and use not in used:
            yield CheckResult(name, Status.SKIP, "not listed: no lane of this config needs one")
        else:
            yield from guarded(name, check)
    yield from guarded("groups", partial(devices.groups, used))
    yield found
    yield from _disk(config)
    if config is not None:
        yield from _station(config, daemon)


def _daemon(config: Config | None) -> Daemon:
    from edge_runtime.checks.running import Daemon, ask

    if config is None:
        return Daemon(holds=False, result=CheckResult("daemon", Status.SKIP, "no config"))
    try:
        return ask(config)
    except Exception as exc:  # noqa: BLE001 - told as its result; nothing is opened beside it
        told = CheckResult("daemon", Status.FAIL, f"{type(exc).__name__}: {exc}")
        return Daemon(holds=True, result=told)


def _held(name: str) -> CheckResult:
    return CheckResult(name, Status.SKIP, "not listed: the daemon has them; see its lanes")


def _disk(config: Config | None) -> Iterator[CheckResult]:
    from edge_runtime.checks import disk

    folder = disk.data_folder(config)
    ballast_mib = config.ledger.ballast_mib if config else disk.BALLAST_MIB
    yield from guarded("disk", partial(disk.space, folder, ballast_mib))
    yield from guarded("fsync", partial(disk.fsync, folder))


def _station(config: Config, daemon: Daemon) -> Iterator[CheckResult]:
    from edge_runtime.checks import far_sides, running, station

    yield daemon.result
    yield from guarded("daemon", partial(running.rest, daemon))
    for name, lane in config.lanes.items():
        yield from guarded(f"lane {name}", partial(station.lane, name, lane, config, daemon))
    yield from guarded("models fit", partial(station.fit, config))
    yield from guarded("models", partial(station.models, config))
    yield from guarded("outputs", partial(far_sides.outputs, config, daemon))
    yield from guarded("triggers", partial(far_sides.triggers, config, daemon))
    yield from guarded("sync", partial(station.sync, config, daemon))
