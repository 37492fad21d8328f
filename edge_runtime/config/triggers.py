"""``[lanes.X.trigger]``: what says that a part is there, one table a kind."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.config.base import HOST, Port, Table


class _Trigger(Table, frozen=True, kw_only=True, tag_field="kind"):
    """What all kinds of trigger have."""

    delay_ms: Annotated[
        int,
        Meta(ge=0, le=60_000, description="the part is before the camera so long after its edge"),
    ] = 0
    debounce_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="another edge within this time is the same part")
    ] = 0


class CommandTrigger(_Trigger, frozen=True, kw_only=True, tag="command"):
    """``kind = "command"``: ``edge-runtime trigger LANE``; every triggered lane takes these."""


class ModbusTrigger(_Trigger, frozen=True, kw_only=True, tag="modbus"):
    """``kind = "modbus"``: an edge of a coil or input, or a register that counts.

    An edge shorter than two polls cannot be seen; a counter can be read at any time.
    """

    host: Annotated[str, Meta(pattern=HOST, description="name or address, without the port")]
    port: Port = 502
    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    coil: Annotated[int, Meta(ge=0, le=65535, description="an edge of this coil")] | None = None
    discrete_input: (
        Annotated[int, Meta(ge=0, le=65535, description="an edge of this input")] | None
    ) = None
    counter: (
        Annotated[
            int, Meta(ge=0, le=65535, description="a holding register that the PLC counts up")
        ]
        | None
    ) = None
    edge: Literal["rising", "falling"] = "rising"
    poll_ms: Annotated[int, Meta(ge=2, le=1000, description="how often to ask")] = 10
    part_register: (
        Annotated[int, Meta(ge=0, le=65535, description="holding register with the part's number")]
        | None
    ) = None

    def __post_init__(self) -> None:
        """One place to look at."""
        given = [
            name
            for name in ("coil", "discrete_input", "counter")
            if getattr(self, name) is not None
        ]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            msg = f"found {found}; give one of coil, discrete_input and counter"
            raise ValueError(msg)


Trigger = CommandTrigger | ModbusTrigger
