"""``[numbers]``: rows of numbers into the input tensor."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_runtime.manifest.table import Table


class NumbersInput(Table, frozen=True, kw_only=True):
    """``[numbers]``: features that were made elsewhere, or readings of a sensor.

    The input tensor holds `rows` rows of `columns` numbers, one after the other; the next inference
    starts `hop` rows later.
    """

    columns: Annotated[int, Meta(ge=1, le=65536)]
    rows: Annotated[int, Meta(ge=1, le=65536)] = 1
    hop: Annotated[int, Meta(ge=1, le=65536)] = 1
