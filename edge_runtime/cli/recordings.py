"""A recording's frames as a lane reads them, for commands.  One thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def lane_frames(
    path: Path, tell: Callable[[str], None]
) -> Iterator[tuple[int | None, NDArray[np.uint8] | str]]:
    """(frame number, (height, width, 3) BGR or why a lane would file it as `no_read`), in order.

    The number is None where it is not one frame that is missing.  `tell` hears, for each recording,
    where its decoder says nothing of damage.  Raises `ItemError` for what cannot be opened.
    """
    from edge_runtime.capture import open_source
    from edge_runtime.clock import SYSTEM_CLOCK
    from edge_runtime.config import Capture

    settings = Capture(realtime=False)
    source = open_source(f"file:{path}", settings, is_camera=True, clock=SYSTEM_CLOCK)
    try:
        source.open()
        if unheard := source.notes()["unheard"]:  # type: ignore[attr-defined]
            tell(unheard)
        while True:
            try:
                frame = source.read()
            except ItemError as exc:
                yield _number(exc.item), str(exc)
                continue
            if frame is not None:
                yield _number(frame.item), frame.pixels
    except SourceEnded:
        return
    except SourceUnavailable as exc:
        raise ItemError(str(exc)) from exc
    finally:
        source.close()


def _number(item: str | None) -> int | None:
    """Of ``frame:N``."""
    number = (item or "").partition(":")[2]
    return int(number) if number.isdecimal() else None
