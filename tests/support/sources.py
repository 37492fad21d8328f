"""Opens a source as the lane of a config has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.capture import open_source

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import Lane
    from edge_runtime.protocols import Source


def lane_source(lane: Lane, *, clock: Clock, **more: Any) -> Source[Any]:
    """Of a lane with one source."""
    return open_source(lane.source, lane.capture, is_camera=lane.is_camera, clock=clock, **more)
