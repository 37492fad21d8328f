"""``[stream]``: a model that hears sound as it comes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_runtime.manifest.table import Table


class Stream(Table, frozen=True, kw_only=True):
    """``[stream]``: how a model hears sound as it comes, one inference a step.

    Where features need more sound than there has been, digital silence stands for what came before
    the stream.  Without this table there is a step every ``hop_ms``.
    """

    step: Annotated[
        int,
        Meta(
            ge=0,
            le=480000,
            description="new frames (waveform: samples) an inference; 0: those of hop_ms",
        ),
    ] = 0
    context: Annotated[
        int,
        Meta(
            ge=0,
            le=480000,
            description="waveform: samples before the new ones, once more; without `step` the rest "
            "of window_ms",
        ),
    ] = 0
    smooth: Annotated[
        int, Meta(ge=1, le=1000, description="a score is the mean of the last so many steps'")
    ] = 1
    refractory_ms: Annotated[
        int,
        Meta(
            ge=0, le=60000, description="detections of a label no further apart than this are one"
        ),
    ] = 0
