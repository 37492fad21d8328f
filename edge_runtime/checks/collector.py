"""The collector: a real hello with the token over the configured TLS, and what it refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from edge_runtime import codes
from edge_runtime.checks import running
from edge_runtime.checks.probe import run_python
from edge_runtime.checks.result import CheckResult, Status
from edge_runtime.errors import ConfigError, EdgeRuntimeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.checks.running import Daemon
    from edge_runtime.config import Config, Sync

_GREET = "from edge_runtime.checks.greeting import main; main()"
_NOTHING = "nothing, when it is meant to be away: results wait here until it is back"
_KINDS = {
    # kind: (status, what to do, code)
    "ok": (Status.OK, "", ""),
    "busy": (Status.WARN, "nothing: it asks to wait, and is asked again", codes.SYNC_OFFLINE),
    "away": (Status.WARN, _NOTHING, codes.SYNC_OFFLINE),
    "auth": (
        Status.FAIL,
        "put the collector's token where [sync] token points; edge-runtime explain EDGE-S402",
        codes.SYNC_AUTH_FAILED,
    ),
    "tls": (
        Status.FAIL,
        "give the PEM of its certificate's CA as ca_file in [sync]; see to the clock and the name",
        codes.SYNC_OFFLINE,
    ),
    "config": (Status.FAIL, "correct [sync]", codes.CONFIG_WRONG),
    "stranger": (
        Status.FAIL,
        "correct url in [sync]: host, port and /v1 at its end; who answers there is no collector",
        codes.SYNC_STRANGER,
    ),
}


def greeted(settings: Sync, config: Config, told: str) -> CheckResult:
    """How it takes a hello; `told` is its address as it may be shown."""
    error, answer = run_python(
        _GREET,
        msgspec.json.encode(settings).decode(),
        str(config.data_dir),
        config.device.id,
    )
    if error:
        return CheckResult("collector", Status.FAIL, f"{told}: cannot be asked: {error}")
    kind, text = json.loads(answer.splitlines()[-1])
    status, hint, code = _KINDS[kind]
    return CheckResult("collector", status, f"{told}: {text}", hint, code)


def can_read(settings: Sync) -> CheckResult:
    """Whether the token is there."""
    assert settings.token is not None
    try:
        settings.token.read()
    except ConfigError as exc:
        hint = "run doctor as the service's user"
        return CheckResult("collector token", Status.WARN, str(exc), hint)
    return CheckResult("collector token", Status.OK, "can be read")


def refused(config: Config, daemon: Daemon) -> Iterator[CheckResult]:
    """Results that it refused for good, by the ledger; a daemon that runs tells them itself."""
    from edge_runtime.ledger.queries import LedgerReader

    if daemon.holds:
        return
    try:
        with LedgerReader(config.data_dir) as ledger:
            rows = ledger.quarantined(limit=3)
            count = ledger.counts().quarantined
    except EdgeRuntimeError:
        return  # no ledger yet, or one that its own check tells of
    if count:
        first = "; ".join(f"seq {seq}: {code} {detail}".rstrip() for seq, code, detail in rows)
        code = codes.SYNC_QUARANTINE
        hint = f"edge-runtime explain {code}"
        detail = f"{count} entries were refused for good: {first}"
        yield CheckResult("collector refused", Status.FAIL, detail, hint, code)


def by_daemon(daemon: Daemon, settings: Sync, config: Config, told: str) -> CheckResult:
    """What the daemon says; where it only knows that nobody answers, a hello says why."""
    found = running.collector(daemon)
    if found.code != codes.SYNC_OFFLINE:
        return found
    why = greeted(settings, config, told)
    return why if why.status is Status.FAIL else found
