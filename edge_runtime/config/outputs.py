"""``[outputs.X]``: what verdicts drive, one table a kind."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_runtime.config.base import HOST, Address16, Port, Table
from edge_runtime.config.secret import Secret


class _Output(Table, frozen=True, kw_only=True, tag_field="kind"):
    """What all kinds of output have."""

    on: Annotated[
        list[Literal["pass", "reject", "review", "heard", "no_read"]],
        Meta(description="verdicts that it acts on"),
    ] = msgspec.field(default_factory=lambda: ["reject", "no_read"])
    ack_timeout_ms: Annotated[
        int, Meta(ge=10, le=10000, description="how long the far side has to confirm")
    ] = 500
    on_unacknowledged: Annotated[
        Literal["go on", "hold", "stop the lane"],
        Meta(
            description="the far side does not confirm: go on judging, told; hold the safe state "
            "of all the lane's outputs until it does; or take no more parts until it does"
        ),
    ] = "go on"
    on_stop: Annotated[
        Literal["safe", "release"],
        Meta(description="what it is left as when the daemon stops in order"),
    ] = "safe"


class ModbusOutput(_Output, frozen=True, kw_only=True, tag="modbus"):
    """``kind = "modbus"``: a coil of a PLC that is pulsed, by Modbus TCP."""

    host: Annotated[str, Meta(pattern=HOST, description="name or address, without the port")]
    port: Port = 502
    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    coil: Annotated[Address16, Meta(description="pulsed on a verdict in `on`")]
    pulse_ms: Annotated[int, Meta(ge=1, le=60000)] = 80
    delay_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=600_000,
            description="pulse so long after the part's picture or trigger: the way to the gate",
        ),
    ] = 0
    safe_coil: (
        Annotated[int, Meta(ge=0, le=65535, description="held while faulted; default: `coil`")]
        | None
    ) = None
    heartbeat_register: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=65535,
                description="holding register that counts while the lanes that use it can decide",
            ),
        ]
        | None
    ) = None
    heartbeat_s: Annotated[float, Meta(gt=0, le=60)] = 1.0
    bypass_register: (
        Annotated[int, Meta(ge=0, le=65535, description="1 while the output is bypassed")] | None
    ) = None


class WebhookOutput(_Output, frozen=True, kw_only=True, tag="webhook"):
    """``kind = "webhook"``: an HTTP service of the line that is told of verdicts, by POST."""

    url: Annotated[str, Meta(pattern="^https?://[^\\s]+$", description="told by POST, as JSON")]
    token: Secret | None = None
    ca_file: Annotated[str | None, Meta(description="PEM of a private CA")] = None


Output = ModbusOutput | WebhookOutput
