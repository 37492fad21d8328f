"""What a model sees of a picture, beside the picture: to see at a glance that it is fed rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edge_runtime.inference.engines.tensors import to_real
from edge_runtime.inference.pictures.preprocess import Preprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor
    from edge_runtime.manifest import ImageInput, Manifest
    from edge_runtime.types import Inference

    Pixels = NDArray[np.uint8]

_SIDE_PX = 480
_LINE_PX = 22
_LABELS = 5
_REGIONS = 50
_INPUT_COLOUR, _BOX_COLOUR, _INK = (60, 200, 60), (40, 40, 230), (235, 235, 235)
_GROUND = 32


def picture_view(pixels: Pixels, found: Inference, manifest: Manifest, given: Tensor) -> Pixels:
    """(h, w, 3) BGR: the original with the input's border and the answer; the input as pixels.

    `given` is the model's input tensor.  Of a tile classifier the worst tile is shown.
    """
    assert manifest.image is not None
    preprocess = Preprocess(manifest.image, given)
    if found.tiles:
        x0, y0, x1, y1, _ = max(found.tiles, key=lambda tile: tile[4])
        corners: tuple[float, ...] = (x0, y0, x1, y1)
        size = (manifest.image.width, manifest.image.height)
        tensor = preprocess.values(preprocess.scaled(pixels[y0:y1, x0:x1], *size))
    else:
        corners = _input_corners(preprocess, manifest.image, pixels)
        tensor = preprocess.image(pixels)[0]
    left = _original(pixels, found, corners)
    right = _fitted(seen_pixels(tensor, manifest.image, given), enlarge=True)
    height = max(left.shape[0], right.shape[0])
    panels = [_padded(panel, height) for panel in (left, right)]
    return np.vstack([np.hstack([panels[0], _gap(height), panels[1]]), _text(panels, found)])


def seen_pixels(tensor: NDArray[np.generic], image: ImageInput, given: Tensor) -> Pixels:
    """One picture's tensor values, (C, H, W) or (H, W, C), back into (H, W, 3) BGR pixels."""
    real = to_real(tensor, given)
    if image.layout == "NCHW":
        real = np.moveaxis(real, 0, -1)
    mean, scale = np.asarray(image.mean, np.float32), np.asarray(image.scale, np.float32)
    levels = np.clip(np.rint(real / scale + mean), 0, 255).astype(np.uint8)
    if image.colour == "GRAY":
        return np.ascontiguousarray(np.repeat(levels, 3, axis=-1))
    return np.ascontiguousarray(levels[..., ::-1] if image.colour == "RGB" else levels)


def _input_corners(
    preprocess: Preprocess, image: ImageInput, pixels: Pixels
) -> tuple[float, float, float, float]:
    """Where the input's borders lie in the original, also outside it."""
    at = preprocess.placement(pixels.shape[1], pixels.shape[0])
    return (
        -at.offset_x / at.scale_x,
        -at.offset_y / at.scale_y,
        (image.width - at.offset_x) / at.scale_x,
        (image.height - at.offset_y) / at.scale_y,
    )


def _original(pixels: Pixels, found: Inference, corners: tuple[float, ...]) -> Pixels:
    cv2 = _cv2()
    shown = _fitted(pixels)
    factor = shown.shape[1] / pixels.shape[1]
    if found.heat is not None:
        levels = np.asarray(np.clip(found.heat, 0, 1) * 255, np.uint8)
        warm = cv2.applyColorMap(cv2.resize(levels, shown.shape[1::-1]), cv2.COLORMAP_JET)
        shown = cv2.addWeighted(shown, 0.6, warm, 0.4, 0)
    # A margin, so that borders outside the picture are seen too.
    margin = 8
    shown = cv2.copyMakeBorder(
        shown, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=[_GROUND] * 3
    )
    x0, y0, x1, y1 = (round(corner * factor) + margin for corner in corners)
    height, width = shown.shape[:2]
    a, b = (max(x0, 1), max(y0, 1)), (min(x1, width - 2), min(y1, height - 2))
    cv2.rectangle(shown, a, b, _INPUT_COLOUR, 2)
    for region in found.regions[:_REGIONS]:
        a = (round(region.x0 * factor) + margin, round(region.y0 * factor) + margin)
        b = (round(region.x1 * factor) + margin, round(region.y1 * factor) + margin)
        cv2.rectangle(shown, a, b, _BOX_COLOUR, 2)
        _write(shown, f"{region.label} {region.score:.2f}", (a[0], max(a[1] - 5, 12)), _BOX_COLOUR)
    return cast("Pixels", shown)


def _fitted(pixels: Pixels, *, enlarge: bool = False) -> Pixels:
    """The longer side at `_SIDE_PX`; small inputs are enlarged with visible pixels."""
    cv2 = _cv2()
    height, width = pixels.shape[:2]
    factor = _SIDE_PX / max(height, width)
    if factor > 1 and not enlarge:
        return pixels
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cast("Pixels", cv2.resize(pixels, size, interpolation=how))


def _padded(panel: Pixels, height: int) -> Pixels:
    out = np.full((height, panel.shape[1], 3), _GROUND, np.uint8)
    out[: panel.shape[0]] = panel
    return out


def _gap(height: int) -> Pixels:
    return np.full((height, 8, 3), _GROUND, np.uint8)


def _text(panels: list[Pixels], found: Inference) -> Pixels:
    """The best labels, below."""
    width = panels[0].shape[1] + panels[1].shape[1] + 8
    rows = [f"{score.score:6.3f}  {score.label}" for score in found.scores[:_LABELS]]
    rows += ["green: where the model's input lies; right: what the model sees"]
    ground = np.full((_LINE_PX * len(rows) + 8, width, 3), _GROUND, np.uint8)
    for at, row in enumerate(rows):
        _write(ground, row, (8, _LINE_PX * (at + 1) - 4), _INK)
    return ground


def _write(ground: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2 = _cv2()
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(ground, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


def _cv2() -> Any:  # noqa: ANN401 - a library without types
    import cv2

    return cv2
