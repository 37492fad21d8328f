"""Edge Impulse's TFLite downloads (``ei-….lite``), whose labels come from elsewhere.

Its picture block gives 0..1, RGB or grey, to models of every precision; a classifier ends in a
softmax, FOMO in a coarse grid of softmaxes whose first channel is the background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.importers.draft import Draft
    from edge_runtime.importers.given import Given

ORIGIN = "Edge Impulse"
BACKGROUND = "background"


def is_edge_impulse(given: Given) -> bool:
    """By the name that its downloads have."""
    return given.suffix == ".lite" or given.file.lower().startswith("ei-")


def with_practice(draft: Draft) -> Draft:
    """What Edge Impulse does with pictures."""
    draft = draft.with_facts(ORIGIN, provenance={"source": ORIGIN})
    if not draft.inputs or len(draft.inputs[0].shape) != 4:
        return draft
    channels = draft.inputs[0].shape[-1]
    image = {"mean": [0.0], "scale": [1 / 255], "layout": "NHWC"}
    draft = draft.with_facts(ORIGIN, image=image)
    if channels == 3:
        draft = draft.with_facts(ORIGIN, image={"colour": "RGB"})
    draft = draft.suggesting(image={"resize": "crop"})
    if len(draft.outputs) != 1:
        return draft
    shape = draft.outputs[0].shape
    if len(shape) == 4:
        return draft.with_facts(
            f"{ORIGIN}: a grid is FOMO",
            task="segmentation",
            output={"decoder": "semantic", "activation": "none"},
        )
    return draft.with_facts(ORIGIN, task="image-classification", output={"activation": "none"})
