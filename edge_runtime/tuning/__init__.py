"""A shipped model taught on a user's own pictures, on the device itself: numpy and a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_runtime.tuning.tune import TuneReport


def tune(
    base: Path,
    ok: list[Path],
    ng: list[Path],
    out: Path,
    *,
    name: str,
    progress: Callable[[str], None] = lambda _: None,
) -> TuneReport:
    """Teach the last layer of the bundle `base` with good and bad pictures; a new bundle in `out`.

    Every third picture is held out: it takes part in nothing but the figures and thresholds.
    Raises `ModelError` where the bundle cannot be taught or there are too few pictures,
    `ItemError` for a picture that cannot be read, `FileExistsError` when `out` is there.
    """
    from edge_runtime.tuning.tune import tune_bundle

    return tune_bundle(base, ok, ng, out, name=name, progress=progress)
