"""Pictures and sounds that prove a verdict: JPEG, an overlay beside the clean one, FLAC.  Pure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError
from edge_runtime.types import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.types import Region, Verdict

_BLUE_GREEN_RED = {
    VerdictKind.REJECT: (40, 40, 230),
    VerdictKind.REVIEW: (0, 170, 255),
    VerdictKind.PASS: (80, 180, 60),
}
_GREY = (160, 160, 160)
_WHITE = (255, 255, 255)


def encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A (height, width, 3) BGR picture as JPEG.  Raises `ItemError`."""
    import cv2

    ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ItemError(f"a picture of {pixels.shape} cannot be encoded as JPEG")
    return data.tobytes()


def draw_overlay(
    pixels: NDArray[np.uint8], regions: Sequence[Region], verdict: Verdict
) -> NDArray[np.uint8]:
    """A copy with each region's box, label and score drawn, and the verdict in the corner.

    Lines and letters grow with the picture, so that they can be read on a phone and on a wall.
    """
    import cv2

    drawn = pixels.copy()
    colour = _BLUE_GREEN_RED.get(verdict.kind, _GREY)
    scale = max(0.4, pixels.shape[1] / 1600)
    line = max(1, round(scale * 2.5))
    for region in reversed(regions):  # the best is drawn last, on top
        cv2.rectangle(drawn, (region.x0, region.y0), (region.x1 - 1, region.y1 - 1), colour, line)
        _tag(drawn, f"{region.label} {region.score:.2f}", (region.x0, region.y0), colour, scale)
    _tag(drawn, verdict.kind.value.upper(), (0, 0), colour, scale * 1.4)
    return drawn


def encode_flac(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """(n,) int16 mono as FLAC, lossless."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _tag(
    drawn: NDArray[np.uint8],
    text: str,
    corner: tuple[int, int],
    colour: tuple[int, int, int],
    scale: float,
) -> None:
    """Text on a plate, above `corner` where there is room, inside the picture anyway."""
    import cv2

    weight = max(1, round(scale * 1.6))
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    tall = height + below + 4
    x = min(max(0, corner[0]), max(0, drawn.shape[1] - width - 4))
    y = corner[1] - tall if corner[1] >= tall else corner[1]
    cv2.rectangle(drawn, (x, y), (x + width + 4, y + tall), colour, -1)
    at = (x + 2, y + height + 2)
    cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, weight, cv2.LINE_AA)
