"""The base of all tables of a manifest."""

from __future__ import annotations

import msgspec


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frozen, no unknown keys."""
