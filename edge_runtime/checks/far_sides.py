"""Outputs: a real exchange with each far side, in which nothing is written or told."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime import codes
from edge_runtime.checks import running
from edge_runtime.checks.result import CheckResult, Status
from edge_runtime.config import ModbusOutput, ModbusTrigger, WebhookOutput
from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.checks.running import Daemon
    from edge_runtime.config import Config

ANSWER_S = 2.0
"""More than an output allows its far side: a check tells slow from dead."""
PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


def outputs(config: Config, daemon: Daemon) -> Iterator[CheckResult]:
    """How each output's far side answers; while the daemon runs, as the daemon says."""
    for name, settings in config.outputs.items():
        title = f"output {name}"
        if daemon.holds:
            yield running.told(daemon, title, title, part="outputs", key=name)
        elif isinstance(settings, ModbusOutput):
            yield _plc(title, settings)
        else:
            yield _webhook(title, settings)


def triggers(config: Config, daemon: Daemon) -> Iterator[CheckResult]:
    """Whether the far side of each lane's trigger takes connections; nothing is asked."""
    for name, lane in config.lanes.items():
        if not isinstance(lane.trigger, ModbusTrigger) or daemon.holds:
            continue  # while the daemon runs its lane tells, too
        where, title = f"{lane.trigger.host}:{lane.trigger.port}", f"lane {name} trigger"
        if trouble := connect_trouble(lane.trigger.host, lane.trigger.port):
            hint = "switch it on, or correct host and port"
            yield CheckResult(title, Status.FAIL, f"{where}: {trouble}", hint, codes.SOURCE_AWAY)
        else:
            yield CheckResult(title, Status.OK, f"{where} takes connections; nothing was asked")


def connect_trouble(host: str, port: int) -> str:
    """Why nobody takes connections there; empty when somebody does."""
    try:
        socket.create_connection((host, port), ANSWER_S).close()
    except OSError as exc:
        return _reason(exc)
    return ""


def _plc(title: str, settings: ModbusOutput) -> CheckResult:
    from edge_runtime.field.far_sides.modbus import exchange
    from edge_runtime.field.wire import LineDown, NoAnswer, WriteRefused

    try:
        found = exchange(settings, max(ANSWER_S, settings.ack_timeout_ms / 1000))
    except NoAnswer as exc:
        return _failed(title, str(exc), codes.OUTPUT_UNACKNOWLEDGED)
    except LineDown as exc:
        return _failed(title, str(exc), codes.OUTPUT_AWAY)
    except WriteRefused as exc:
        return _failed(title, str(exc), codes.OUTPUT_REFUSED)
    return CheckResult(title, Status.OK, f"{found} (read; nothing was written)")


def _webhook(title: str, settings: WebhookOutput) -> CheckResult:
    """A connection, with TLS where the address says so; nothing is posted."""
    try:
        parts = urlsplit(settings.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        token = None if settings.token is None else settings.token.read()
        _shake_hands(host, port, settings.ca_file, tls=parts.scheme == "https")
    except ssl.SSLError as exc:
        return _failed(title, f"{host}:{port}: TLS: {exc.reason or exc}", codes.OUTPUT_AWAY)
    except OSError as exc:
        return _failed(title, f"{host}:{port}: {_reason(exc)}", codes.OUTPUT_AWAY)
    except (ConfigError, ValueError) as exc:
        return _failed(title, str(exc), codes.CONFIG_WRONG)
    how = "takes TLS connections" if parts.scheme == "https" else "takes connections"
    with_token = "" if token is None else ", the token can be read"
    told = f"{host}:{port} {how}{with_token}; nothing was posted"
    return CheckResult(title, Status.OK, told)


def _shake_hands(host: str, port: int, ca_file: str | None, *, tls: bool) -> None:
    """Raises `OSError`, of which `ssl.SSLError` is one."""
    with socket.create_connection((host, port), ANSWER_S) as connection:
        if tls:
            context = ssl.create_default_context(cafile=ca_file)
            context.wrap_socket(connection, server_hostname=host).close()


def _failed(title: str, detail: str, code: str) -> CheckResult:
    return CheckResult(title, Status.FAIL, detail, f"edge-runtime explain {code}", code)


def _reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {ANSWER_S:g} s"
    return str(exc.strerror or exc).lower()
