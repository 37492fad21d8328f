"""One model looking at one picture or segment, and what it found as a value."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.lane.events import Found
from edge_runtime.types import Finding, Frame, Inference, Role, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.protocols import PictureRunner, SoundRunner

log = logging.getLogger(__name__)

SCORES_KEPT = 5
REGIONS_KEPT = 16
SPANS_KEPT = 64
PATIENCE = 10.0
"""So many times what a run should take is still not a hang: cores are shared."""
PATIENCE_MIN_S = 5.0
"""Nor is this: it costs nothing, as the line is held safe long before (`condition.py`)."""


@dataclass(frozen=True, slots=True)
class Looker:
    """One worker's way into one model (or chain), for one view."""

    model: str
    """``name/version``: what findings are filed under."""
    role: Role
    runner: PictureRunner | SoundRunner
    expected_ms: float
    """What one run should take; 0 when nobody knows."""

    @property
    def patience_s(self) -> float:
        """A run that takes no longer than this is no hang."""
        return max(PATIENCE_MIN_S, PATIENCE * self.expected_ms / 1000)


def look(looker: Looker, subject: Frame | Segment, *, number: int, view: str, frame: int) -> Found:
    """Run the model.  What goes wrong in it is a finding, never an exception."""
    key = (view, frame, looker.model)
    try:
        answer = _run(looker.runner, subject)
    except ItemError as exc:
        return failure(number, key, looker.role, str(exc))
    except Exception as exc:  # a model's library may raise anything, and the part must close
        log.exception("model_failed model=%s", looker.model)
        return failure(number, key, looker.role, f"{looker.model} failed: {exc!r}")
    return Found(number, key, finding_of(answer, view, frame, looker.role), answer)


def failure(number: int, key: tuple[str, int, str], role: Role, why: str) -> Found:
    """A model that gave no answer about one place of a part."""
    view, frame, model = key
    return Found(number, key, Finding(view=view, frame=frame, role=role, model=model, failure=why))


def finding_of(answer: Inference, view: str, frame: int, role: Role) -> Finding:
    """An answer without what only evidence needs; the rules have not seen it yet."""
    return Finding(
        view=view,
        frame=frame,
        role=role,
        model=answer.model,
        model_sha256=answer.model_sha256,
        steps=answer.steps,
        scores=answer.scores[:SCORES_KEPT],
        regions=answer.regions[:REGIONS_KEPT],
        spans=answer.spans[:SPANS_KEPT],
        text=answer.text,
        infer_ms=round(answer.preprocess_ms + answer.infer_ms, 3),
    )


def _run(runner: PictureRunner | SoundRunner, subject: Frame | Segment) -> Inference:
    if isinstance(subject, Frame):
        infer: Callable[..., Inference] = runner.frame  # type: ignore[union-attr]
        return infer(subject.pixels)
    hear: Callable[..., Inference] = runner.segment  # type: ignore[union-attr]
    return hear(subject.samples, subject.rate_hz)
