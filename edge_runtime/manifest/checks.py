"""What no single key of a manifest shows.  Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from edge_runtime.manifest.output import DECODERS
from edge_runtime.manifest.sound_checks import sound_problems

if TYPE_CHECKING:
    from edge_runtime.manifest.image import ImageInput, Tiles
    from edge_runtime.manifest.manifest import InputKind, Manifest, Task


GOLDEN = "golden"
"""The bundle's folder of golden samples."""

INPUTS: dict[Task, tuple[InputKind, ...]] = {
    "image-classification": ("image",),
    "tile-classification": ("image",),
    "detection": ("image",),
    "segmentation": ("image",),
    "anomaly": ("image", "audio", "numbers"),
    "embedding": ("image", "audio", "numbers"),
    "audio-classification": ("audio",),
    "wake-word": ("audio",),
    "speech-detection": ("audio",),
    "numbers": ("numbers",),
}
"""What each task may work on."""


TENSORS = {
    "ssd": ("boxes", "classes", "scores", "count"),
    "scores-boxes": ("scores", "boxes"),
    "yolov8-seg": ("boxes", "prototypes"),
    "end-to-end-seg": ("boxes", "prototypes"),
}
"""What decoders of several tensors read, in the order of ``[output] tensors``."""


_ON_GRIDS = ("yolox", "nanodet", "fastestdet")
"""Their boxes are in cells: pixels by themselves."""
_TAKES_A_FORM = ("yolov8", "yolov5", "end-to-end", "ssd", "scores-boxes")


def cross_checks(manifest: Manifest) -> list[str]:
    """A line ``key: what is wrong`` for each contradiction."""
    problems = []
    problems += [
        f"sha256: has no entry for the model file '{file}'"
        for file in (manifest.file, *manifest.alternatives)
        if file not in manifest.sha256
    ]
    problems += [
        f"sha256: '{name}' is not a plain file name"
        for name in manifest.sha256
        if not _is_plain(name)
    ]
    if len(set(manifest.labels)) != len(manifest.labels):
        problems.append("labels: a label is there twice")
    problems += [
        f"labels: number {at} of {len(manifest.labels)} is {label!r}, which nobody can name"
        for at, label in enumerate(manifest.labels, 1)
        if not label.strip() or any(unicodedata.category(sign) == "Cc" for sign in label)
    ]
    problems += _input_problems(manifest)
    if manifest.task == "tile-classification" and manifest.tiles is None:
        problems.append("[tiles]: missing; task tile-classification needs it")
    if manifest.tiles and manifest.tiles.positive not in manifest.labels:
        problems.append(f"tiles.positive: '{manifest.tiles.positive}' is not in labels")
    if manifest.tiles and manifest.image:
        problems += _tile_problems(manifest.tiles, manifest.image)
    problems += sound_problems(manifest)
    if manifest.image is not None:
        problems += _image_problems(manifest.image)
        problems += _picture_output_problems(manifest)
    elif manifest.task == "anomaly":
        problems += _anomaly_problems(manifest)
    for table in ("reject", "review", "hear", "ignore", "silence"):
        problems += [
            f"{table}.{label}: is not in labels"
            for label in getattr(manifest, table)
            if label not in manifest.labels
        ]
    problems += [
        f"silence: '{label}' is not in ignore"
        for label in manifest.silence
        if label not in manifest.ignore
    ]
    return problems


def _is_plain(name: str) -> bool:
    """A file of the bundle's folder, or of its ``golden`` folder."""
    folder, slash, file = name.rpartition("/")
    return (
        folder in ("", GOLDEN)
        and bool(slash) == bool(folder)
        and "\\" not in file
        and file not in ("", ".", "..")
    )


def _input_problems(manifest: Manifest) -> list[str]:
    """Exactly one input table, and one that the task can work on."""
    possible = INPUTS[manifest.task]
    given = [kind for kind in ("image", "audio", "numbers") if getattr(manifest, kind) is not None]
    problems = [
        f"[{kind}]: task {manifest.task} works on {' or '.join(possible)}"
        for kind in given
        if kind not in possible
    ]
    if not given:
        problems.append(f"[{'] or ['.join(possible)}]: missing; task {manifest.task} needs it")
    elif len(given) > 1:
        problems.append(f"[{given[1]}]: there is [{given[0]}] already; a model has one input table")
    return problems


def _image_problems(image: ImageInput) -> list[str]:
    channels = 1 if image.colour == "GRAY" else 3
    problems = [
        f"image.{key}: {len(values)} numbers; give 1 or {channels}"
        for key, values in (("mean", image.mean), ("scale", image.scale))
        if len(values) not in (1, channels)
    ]
    if image.pad_colour and (image.colour == "GRAY" or len(image.pad_colour) != 3):
        problems.append(
            f"image.pad_colour: {len(image.pad_colour)} numbers; give 3, or pad_value for grey"
        )
    if image.crop_from and image.resize != "crop":
        problems.append(f'image.crop_from: has no effect with resize = "{image.resize}"')
    elif 0 < image.crop_from < max(image.width, image.height):
        problems.append(
            f"image.crop_from: {image.crop_from} is less than the input's longer side, "
            f"{max(image.width, image.height)}: there would be nothing to cut out of"
        )
    return problems


def _picture_output_problems(manifest: Manifest) -> list[str]:
    """``[output]`` against the task, the labels and the thresholds."""
    output, possible = manifest.output, DECODERS.get(manifest.task, ())
    problems = []
    if possible and manifest.decoder not in possible:
        problems.append(
            f"output.decoder: '{manifest.decoder}' is none of task {manifest.task}; "
            f"possible: {', '.join(possible)}"
        )
    if (wanted := TENSORS.get(manifest.decoder)) and output.tensors:
        fewest = len(wanted) - (manifest.decoder == "ssd")
        if not fewest <= len(output.tensors) <= len(wanted):
            problems.append(
                f"output.tensors: {len(output.tensors)} named; decoder '{manifest.decoder}' "
                f"reads {', '.join(wanted)}"
            )
    if output.box_form and manifest.decoder not in _TAKES_A_FORM:
        problems.append(f"output.box_form: has no effect on decoder '{manifest.decoder}'")
    if output.coordinates and manifest.decoder in _ON_GRIDS:
        problems.append(f"output.coordinates: has no effect on decoder '{manifest.decoder}'")
    if output.strides and manifest.decoder not in ("yolox", "nanodet"):
        problems.append(f"output.strides: has no effect on decoder '{manifest.decoder}'")
    problems += [
        f"{table}.{label}: {value} is below output.score_min, {output.score_min}: what lies "
        "between is never seen"
        for table in ("reject", "review")
        for label, value in getattr(manifest, table).items()
        if value < manifest.lowest_score
    ]
    if manifest.task == "anomaly":
        problems += _anomaly_problems(manifest)
    return problems


def _anomaly_problems(manifest: Manifest) -> list[str]:
    output = manifest.output
    problems = []
    if len(manifest.labels) > 2:
        problems.append(
            "labels: an anomaly model has one, or two: what is good, then what is not; there are "
            f"{len(manifest.labels)}"
        )
    if not output.minimum < output.maximum:
        problems.append(
            f"output.maximum: {output.maximum:g} is not above output.minimum, {output.minimum:g}"
        )
    low, high = output.map_minimum, output.map_maximum
    if (low is None) != (high is None):
        problems.append("output.map_minimum and output.map_maximum: give both, or none")
    elif low is not None and high is not None and not low < high:
        problems.append(f"output.map_maximum: {high:g} is not above output.map_minimum, {low:g}")
    if output.pixel_threshold is not None and output.image_threshold is None:
        problems.append("output.image_threshold: missing; output.pixel_threshold is there")
    return problems


def _tile_problems(tiles: Tiles, image: ImageInput) -> list[str]:
    problems = []
    if tiles.cell:
        sizes = {
            "tiles.width": tiles.width,
            "tiles.height": tiles.height,
            "tiles.stride": tiles.stride,
            "image.width": image.width,
            "image.height": image.height,
        }
        problems += [
            f"{key}: {size} is not a multiple of tiles.cell, {tiles.cell}"
            for key, size in sizes.items()
            if size % tiles.cell
        ]
        if tiles.batch != 1:
            problems.append(f"tiles.batch: {tiles.batch}, but with tiles.cell a run is one picture")
    elif (tiles.width, tiles.height) != (image.width, image.height):
        problems.append(
            f"tiles: {tiles.width} x {tiles.height} pixels, but [image] is {image.width} x "
            f"{image.height}: a tile goes into the model as it is"
        )
    if tiles.stride > min(tiles.width, tiles.height):
        problems.append(f"tiles.stride: {tiles.stride} leaves gaps between the tiles")
    return problems
