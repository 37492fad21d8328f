"""``[output]``: how output tensors become an answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.manifest.table import Table


class Decoder(Table, frozen=True, kw_only=True):
    """``[output]``: how the output tensor becomes scores."""

    decoder: Literal["classification"] = "classification"
    activation: Annotated[
        Literal["none", "softmax", "sigmoid"],
        Meta(description="applied to the (dequantised) output; none: already probabilities"),
    ] = "none"
    tensors: Annotated[
        tuple[str, ...],
        Meta(description="the output tensors that are read, in the decoder's order; none: all"),
    ] = ()
