"""``[stream]``: a model that hears sound as it comes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_runtime.manifest.table import Table


class Stream(Table, frozen=True, kw_only=True):
    """``[stream]``: how a model hears sound as it comes, one inference a step.

    A frame is the front end's; for ``waveform`` it is one sample.  Where features need more sound
    than there has been, digital silence stands for what came before the stream.
    """

    step: Annotated[
        int, Meta(ge=1, le=65536, description="new frames (waveform: samples) an inference")
    ] = 1
    context: Annotated[
        int, Meta(ge=0, le=65536, description="waveform: samples before the new ones, once more")
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
