"""Pictures and sounds that prove a verdict: JPEG, an overlay beside the clean picture, FLAC.

Pure functions, called by the lane's ``evidence`` thread: encoding a 1280x720 picture costs as much
as decoding it, and must not be in the way of the next frame.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ItemError
from edge_runtime.types import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.types import Region, Verdict

    Colour = tuple[int, int, int]

_COLOURS: dict[VerdictKind, Colour] = {  # BGR
    VerdictKind.REJECT: (40, 40, 230),
    VerdictKind.REVIEW: (0, 170, 255),
    VerdictKind.PASS: (80, 180, 60),
}
_GREY = (160, 160, 160)
_YELLOW, _RED = (0, 220, 255), (30, 0, 220)
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)
SMALLEST_PX = 480
"""A picture whose longer side is less is enlarged for its overlay: letters need pixels."""
JPEG_LONGEST_PX = 65500


def encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A (height, width, 3) BGR picture as JPEG, `quality` 0..100.  Raises `ItemError`."""
    import cv2

    if pixels.size == 0 or max(pixels.shape[:2]) > JPEG_LONGEST_PX:
        raise ItemError(f"a picture of {pixels.shape} cannot be a JPEG")
    ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ItemError(f"a picture of {pixels.shape} could not be encoded as JPEG")
    return data.tobytes()


def encode_flac(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """(n,) int16 mono samples as FLAC, lossless.  Raises `ItemError`."""
    import soundfile

    if len(samples) == 0:
        raise ItemError("no samples: there is no FLAC of nothing")
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, samples, rate_hz, format="FLAC", subtype="PCM_16")
    except soundfile.LibsndfileError as exc:
        raise ItemError(f"{len(samples)} samples at {rate_hz} Hz cannot be a FLAC: {exc}") from exc
    return buffer.getvalue()


def draw_overlay(
    pixels: NDArray[np.uint8],
    regions: Sequence[Region],
    verdict: Verdict | None,
    *,
    heat: NDArray[np.float32] | None = None,
    limits: Mapping[str, float] | None = None,
) -> NDArray[np.uint8]:
    """A copy with each region's box, label and score, and the verdict in the corner.

    Only what counts has a box: where something is wrong, no region below its label's score in
    `limits`; where the part passes, none whose label has one (without `limits`: none but the
    verdict's own label, if that has no threshold).  The corner tells what decided.

    `heat`, (h, w) 0..1 in any resolution, is laid over the picture first, see `blend_heat`.

    Lines and letters grow with the picture, so that they can be read on a phone and on a wall.
    `pixels`: (height, width, 3) BGR, left as it is; the copy may be an enlargement by a whole
    factor.
    """
    import numpy as np

    factor = -(-SMALLEST_PX // max(pixels.shape[:2]))
    drawn = pixels.copy()
    if factor > 1:
        drawn = np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
    if heat is not None:
        drawn = blend_heat(drawn, heat)
    colour = _COLOURS.get(verdict.kind, _GREY) if verdict else _GREY
    scale = max(0.4, max(drawn.shape[:2]) / 1600)
    for region in reversed(_counting(regions, verdict, limits)):  # the best is drawn last, on top
        box = (region.x0 * factor, region.y0 * factor, region.x1 * factor, region.y1 * factor)
        _box(drawn, box, colour, scale)
        _plate(drawn, f"{region.label} {region.score:.2f}", box[:2], colour, scale)
    if verdict is not None:
        _plate(drawn, _words(verdict), (0, 0), colour, scale * 1.4)
    return drawn


def _counting(
    regions: Sequence[Region], verdict: Verdict | None, limits: Mapping[str, float] | None
) -> Sequence[Region]:
    if verdict is None or (verdict.kind is not VerdictKind.PASS and limits is None):
        return regions
    if verdict.kind is VerdictKind.PASS and limits is not None:
        return [region for region in regions if region.label not in limits]
    if verdict.kind is VerdictKind.PASS:
        is_good = verdict.label is None or verdict.threshold is None
        return [r for r in regions if is_good and verdict.label in (None, r.label)]
    over = [r for r in regions if limits is None or r.score >= limits.get(r.label, 0.0)]
    # A map's own score may decide where none of its regions reaches the threshold.
    return over or [region for region in regions if region.label == verdict.label]


def _words(verdict: Verdict) -> str:
    """``PASS  dent 0.870 < 0.93``."""
    word = verdict.kind.value.upper()
    if verdict.label is None or verdict.score is None or verdict.threshold is None:
        return word
    return f"{word}  {verdict.label} {against(verdict.score, verdict.threshold)}"


def against(score: float, threshold: float) -> str:
    """``0.870 < 0.93``; with more digits where three would not show which is larger."""
    sign = "<" if score < threshold else ">="
    shown = f"{score:.3f}"
    if score < threshold <= float(shown) or float(shown) < threshold <= score:
        shown = f"{score:.6f}"
    return f"{shown} {sign} {threshold:g}"


def blend_heat(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A copy of a (height, width, 3) BGR picture with `heat`, (h, w) 0..1, glowing through.

    The map is stretched over the picture; its colours run from yellow to red, and cover the more
    the hotter: opacity = 0.75 heat^2, so that what is half suspicious stays half to be seen.
    """
    import cv2
    import numpy as np

    height, width = pixels.shape[:2]
    limited = np.clip(heat, 0.0, 1.0, dtype=np.float32)
    stretched: Any = cv2.resize(limited, (width, height), interpolation=cv2.INTER_LINEAR)
    opacity = np.float32(0.75) * stretched * stretched
    blended = np.empty_like(pixels)
    for channel, (cold, hot) in enumerate(zip(_YELLOW, _RED, strict=True)):
        glow = cold + (hot - cold) * stretched
        plane = pixels[:, :, channel]
        blended[:, :, channel] = np.rint(plane + (glow - plane) * opacity)
    return blended


def _box(
    drawn: NDArray[np.uint8], box: tuple[int, int, int, int], colour: Colour, scale: float
) -> None:
    """A line between two dark ones: seen on a picture of its own colour, too."""
    import cv2

    line = max(2, round(scale * 2.5))
    first, last = (box[0], box[1]), (box[2] - 1, box[3] - 1)
    cv2.rectangle(drawn, first, last, _BLACK, line + 2)
    cv2.rectangle(drawn, first, last, colour, line)


def _plate(
    drawn: NDArray[np.uint8], text: str, corner: tuple[int, int], colour: Colour, scale: float
) -> None:
    """Text on a plate, above `corner` where there is room, inside the picture anyway."""
    import cv2

    font = cv2.FONT_HERSHEY_SIMPLEX
    text = text.encode("ascii", "replace").decode("ascii")  # the font has no other letters
    weight = max(1, round(scale * 1.6))
    (width, height), below = cv2.getTextSize(text, font, scale, weight)
    tall = height + below + 4
    x = min(max(0, corner[0]), max(0, drawn.shape[1] - width - 4))
    y = corner[1] - tall if corner[1] >= tall else corner[1]
    y = min(max(0, y), max(0, drawn.shape[0] - tall))
    cv2.rectangle(drawn, (x, y), (x + width + 4, y + tall), colour, -1)
    ink = _BLACK if _luminance(colour) > 127 else _WHITE
    cv2.putText(drawn, text, (x + 2, y + height + 2), font, scale, ink, weight, cv2.LINE_AA)


def _luminance(colour: Colour) -> float:
    """0..255, the weights of ITU-R BT.601."""
    blue, green, red = colour
    return 0.114 * blue + 0.587 * green + 0.299 * red
