"""Edge Impulse's TFLite downloads (``ei-….lite``), whose labels come from elsewhere.

Its picture block gives 0..1, RGB or grey, to models of every precision; a classifier ends in a
softmax, FOMO in a coarse grid of softmaxes whose first channel is the background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.importers.shapes import range_facts

if TYPE_CHECKING:
    from edge_runtime.importers.draft import Draft
    from edge_runtime.importers.given import Given
    from edge_runtime.inference.files.tflite import TfliteFile

ORIGIN = "Edge Impulse"
BACKGROUND = "background"
_UNIT_RANGE: dict[str, Any] = {"mean": [0.0], "scale": [1 / 255]}


def is_edge_impulse(given: Given, file: TfliteFile) -> bool:
    """By the whole name that its downloads have, and by an input that takes 0..1."""
    name = given.file.lower()
    if not name.startswith("ei-") or given.suffix != ".lite" or len(file.inputs) != 1:
        return False
    return range_facts(file.inputs[0]) == _UNIT_RANGE or "float32" in name


def may_be_edge_impulse(given: Given) -> bool:
    """Whether a part of the name is like theirs; anybody's file may be called so."""
    return given.suffix == ".lite" or given.file.lower().startswith("ei-")


def with_suggestions(draft: Draft) -> Draft:
    """What is likely of something that is named a little like one of its downloads."""
    if not draft.inputs or len(draft.inputs[0].shape) != 4:
        return draft
    draft = draft.suggesting(image={**_UNIT_RANGE, "resize": "crop"})
    return draft.with_note(
        "Its name is a little like those of Edge Impulse's downloads (which take 0..1), but could "
        "be another's: look at what it sees of a --sample."
    )


def with_practice(draft: Draft) -> Draft:
    """What Edge Impulse does with pictures."""
    draft = draft.with_facts(ORIGIN, provenance={"source": ORIGIN})
    if not draft.inputs or len(draft.inputs[0].shape) != 4:
        return draft
    channels = draft.inputs[0].shape[-1]
    image = {**_UNIT_RANGE, "layout": "NHWC"}
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
