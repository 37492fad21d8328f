"""What all tables of the config are, and the values that several of them have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
NonNegative = Annotated[float, Meta(ge=0.0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Address16 = Annotated[int, Meta(ge=0, le=65535)]
HOST = r"^[^\s:/@]+$"
"""A name or an IPv4 address: what has a colon holds a port too, which has a key of its own."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables: frozen, no unknown keys."""
