"""The daemon that runs: what it holds is asked of it, and never opened beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime import codes
from edge_runtime.checks.result import CheckResult, Status
from edge_runtime.errors import NoInput, NotAllowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.config import Config

_STATUS = {"fault": Status.FAIL, "warning": Status.WARN, "note": Status.OK}
_HINT = "edge-runtime explain {}"


@dataclass(frozen=True, slots=True)
class Daemon:
    """What is known of it."""

    holds: bool
    """It runs: cameras, microphones and far sides are its own."""
    result: CheckResult
    picture: dict[str, Any] | None = None
    """As ``status --json``; None where it runs and does not say."""


def ask(config: Config) -> Daemon:
    """Whether one answers on the data folder's control socket, and its picture."""
    from edge_runtime.supervisor.control import ControlClient

    where = config.data_dir
    try:
        client = ControlClient(where)
    except NotAllowed as exc:
        detail, _, hint = str(exc).rpartition("; ")
        return Daemon(holds=True, result=CheckResult("daemon", Status.FAIL, detail, hint))
    except NoInput:
        return Daemon(holds=False, result=CheckResult("daemon", Status.SKIP, f"not on {where}"))
    with client:
        try:
            picture: dict[str, Any] = client.ask("status")
        except NoInput as exc:
            code = codes.DAEMON_SILENT
            silent = CheckResult("daemon", Status.FAIL, f"{where}: {exc}", _HINT.format(code), code)
            return Daemon(holds=True, result=silent)
    if "findings" not in picture:
        other = CheckResult("daemon", Status.WARN, "it is of another version", "restart it")
        return Daemon(holds=True, result=other)
    told = f"running on {where}; what it holds is asked of it, not opened"
    return Daemon(holds=True, result=CheckResult("daemon", Status.OK, told), picture=picture)


def told(daemon: Daemon, name: str, where: str, *, part: str, key: str) -> CheckResult:
    """What a daemon that runs says of one of its parts: ``picture[part]``'s row called `key`."""
    if daemon.picture is None:
        return CheckResult(name, Status.SKIP, "the daemon holds it and does not say how it is")
    rows = [row for row in daemon.picture[part] if row["name"] == key]
    if not rows:
        hint = "edge-runtime config diff shows it; edge-runtime reload"
        return CheckResult(name, Status.SKIP, "not in the config that the daemon runs", hint)
    return _judged(daemon.picture, name, where, f"{rows[0]['state']}, by the daemon")


def rest(daemon: Daemon) -> Iterator[CheckResult]:
    """What it says of what is no lane, output or collector: field, ledger, its config."""
    if daemon.picture is None:
        return
    for where in ("field", "ledger", "config"):
        if any(each["where"] == where for each in daemon.picture["findings"]):
            yield _judged(daemon.picture, f"daemon's {where}", where, "")


def collector(daemon: Daemon) -> CheckResult:
    """What it says of its way to the collector."""
    if daemon.picture is None or daemon.picture["sync"] is None:
        return CheckResult("collector", Status.SKIP, "the daemon does not say how it is")
    state = daemon.picture["sync"]["state"]
    return _judged(daemon.picture, "collector", "sync", f"{state}, by the daemon")


def _judged(picture: dict[str, Any], name: str, where: str, well: str) -> CheckResult:
    """All findings about one place, as the worst of them; `picture` has the worst first."""
    found = [each for each in picture["findings"] if each["where"] == where]
    if not found:
        return CheckResult(name, Status.OK, well)
    detail = "\n".join(f"{each['code']} {each['text']}" for each in found)
    status, code = _STATUS[found[0]["severity"]], found[0]["code"]
    return CheckResult(name, status, detail, _HINT.format(code), code)
