"""The model manifest: everything needed to run a model the same everywhere (``model.toml``).

A bundle is a folder ``models/<name>/<version>/`` with ``model.onnx`` or ``model.tflite``,
``model.toml``, ``labels.txt``, ``MODEL_CARD.md`` and ``LICENSE``.  This module reads and checks the
text; `inference` loads the model.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_runtime.errors import ModelError
from edge_runtime.toml_table import TableError, convert, read_toml

FORMAT = 1
MANIFEST = "model.toml"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables: frozen, no unknown keys."""


class ImageInput(_Table, frozen=True, kw_only=True):
    """``[image]``: how a BGR picture becomes the input tensor.

    tensor = (pixel - mean) * scale, channel by channel, pixel in 0..255, in the order of `colour`;
    then, where the model's input is quantised, q = round(tensor / q_scale) + q_zero.
    """

    width: Annotated[int, Meta(ge=1, le=8192)]
    height: Annotated[int, Meta(ge=1, le=8192)]
    layout: Literal["NCHW", "NHWC"]
    colour: Literal["RGB", "BGR", "GRAY"] = "RGB"
    resize: Literal["stretch", "letterbox", "crop"] = "stretch"
    interpolation: Literal["nearest", "linear", "area", "cubic"] = "linear"
    pad_value: Annotated[int, Meta(ge=0, le=255, description="letterbox: grey of the bars")] = 114
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0 / 255.0,)


class Tiles(_Table, frozen=True, kw_only=True):
    """``[tiles]``: the picture is cut into tiles, each is classified, the worst decides.

    Tiles are `width` x `height` pixels of the picture after it was resized so that its longer side
    is `longer_side` (never enlarged; 0: not resized), `stride` apart, the last row and column
    moved in to end at the border.

    With `cell`, the model takes the resized picture as a whole, its right and lower border repeated
    up to whole cells, and answers for every cell: [1, rows, columns, labels], or [1, labels, rows,
    columns] where ``image.layout`` is NCHW.  A tile then is so many cells, as bad as its worst
    one, and regions are made of cells.
    """

    width: Annotated[int, Meta(ge=8, le=4096)]
    height: Annotated[int, Meta(ge=8, le=4096)]
    stride: Annotated[int, Meta(ge=4, le=4096)]
    longer_side: Annotated[int, Meta(ge=0, le=16384)] = 0
    batch: Annotated[int, Meta(ge=1, le=1024, description="tiles in one run of the model")] = 1
    cell: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="side in pixels of what a model of whole pictures answers for; 0: tiles",
        ),
    ] = 0
    positive: Annotated[str, Meta(description="the label that a tile is scored by")]


class AudioInput(_Table, frozen=True, kw_only=True):
    """``[audio]``: how sound becomes the input tensor.  See docs/models.md for the formulas."""

    rate_hz: Annotated[int, Meta(ge=8000, le=48000)] = 16000
    window_ms: Annotated[int, Meta(ge=100, le=30000, description="sound in one inference")] = 1000
    hop_ms: Annotated[int, Meta(ge=10, le=30000, description="between windows on a segment")] = 250
    smooth_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60000,
            description="segments longer than a window: windows over so long are averaged, so that "
            "a keyword inside a sentence is none; 0: the best single window decides",
        ),
    ] = 2500
    front_end: Literal["mfcc", "log_mel"]
    normalise: Annotated[
        Literal["pcm", "peak"],
        Meta(description="pcm: sample / 32768; peak: sample / max(sample) of the window"),
    ] = "pcm"
    frame_length: Annotated[int, Meta(ge=64, le=8192, description="samples")] = 480
    frame_step: Annotated[int, Meta(ge=16, le=8192, description="samples")] = 320
    fft_length: Annotated[int, Meta(ge=64, le=16384)] = 512
    frames: Annotated[int, Meta(ge=1, le=4096)] = 49
    power: Annotated[Literal["magnitude", "power"], Meta(description="of the spectrum")] = (
        "magnitude"
    )
    mels: Annotated[int, Meta(ge=4, le=256)] = 40
    low_hz: Annotated[float, Meta(ge=0)] = 20.0
    high_hz: Annotated[float, Meta(gt=0)] = 4000.0
    log_offset: Annotated[float, Meta(ge=0, description="ln(mel + offset)")] = 1e-6
    log_floor: Annotated[float, Meta(ge=0, description="ln(max(mel, floor))")] = 0.0
    coefficients: Annotated[int, Meta(ge=1, le=256, description="mfcc: kept")] = 10
    layout: Annotated[
        Literal["frames_first", "mels_first"], Meta(description="order of the last two axes")
    ] = "frames_first"


class Decoder(_Table, frozen=True, kw_only=True):
    """``[output]``: how the output tensor becomes scores."""

    decoder: Literal["classification"] = "classification"
    activation: Annotated[
        Literal["none", "softmax", "sigmoid"],
        Meta(description="applied to the (dequantised) output; none: already probabilities"),
    ] = "none"


class Latency(_Table, frozen=True, kw_only=True):
    """``[latency]``."""

    budget_ms: Annotated[float, Meta(gt=0)]


class Provenance(_Table, frozen=True, kw_only=True):
    """``[provenance]``: where the model comes from."""

    trained_by: str = ""
    data: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""


class Manifest(_Table, frozen=True, kw_only=True):
    """``model.toml``."""

    format: int
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    version: Annotated[str, Meta(pattern="^[0-9A-Za-z][0-9A-Za-z.+_-]{0,31}$")]
    task: Literal["image-classification", "tile-classification", "audio-classification"]
    description: str = ""
    file: Annotated[str, Meta(pattern=r"^[^/\\]+\.(onnx|tflite)$")]
    sha256: Annotated[
        dict[str, Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]],
        Meta(description="file name in the bundle = its sha256; the model file must be there"),
    ]
    labels: Annotated[list[str], Meta(min_length=1)]
    image: ImageInput | None = None
    tiles: Tiles | None = None
    audio: AudioInput | None = None
    output: Decoder = Decoder()
    reject: Annotated[dict[str, float], Meta(description="default thresholds by label")] = {}
    review: dict[str, float] = {}
    hear: dict[str, float] = {}
    ignore: Annotated[
        list[str], Meta(description="labels that are no keyword: silence, speech of other words")
    ] = []
    silence: Annotated[
        list[str], Meta(description="those of `ignore` that mean that nobody spoke")
    ] = []
    latency: Latency | None = None
    provenance: Provenance = Provenance()
    metrics: dict[str, float] = {}

    @property
    def id(self) -> str:
        """``name/version``."""
        return f"{self.name}/{self.version}"


def load_manifest(folder: Path) -> Manifest:
    """Read and check ``folder/model.toml``.  Raises `ModelError` with every problem."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelError(f"{folder}: not a model bundle: there is no {MANIFEST}")
    try:
        table = read_toml(path)
        if table.get("format") not in (None, FORMAT):
            raise ModelError(
                f"{path}: format {table['format']!r} is not supported; this version reads {FORMAT}"
            )
        manifest = convert(table, Manifest, str(path))
    except TableError as exc:
        raise ModelError("\n".join(exc.problems)) from exc
    problems = [f"{path}: {line}" for line in _cross_checks(manifest)]
    if problems:
        raise ModelError("\n".join(problems))
    return manifest


def find_bundle(model: str, models_dir: Path | None) -> Path:
    """The folder of a bundle given as ``name``, ``name/version`` or a path.

    Looks into `models_dir`, then ``$EDGE_RUNTIME_MODELS``, then the shipped models.  A name without
    a version takes the highest.  Raises `ModelError` saying where it looked.
    """
    if model.startswith((".", "/")):
        return _bundle_in(Path(model), model)
    name, _, version = model.partition("/")
    looked = search_path(models_dir)
    for folder in looked:
        home = folder / name
        if version and (home / version / MANIFEST).is_file():
            return home / version
        if not version and home.is_dir():
            versions = [v for v in home.iterdir() if (v / MANIFEST).is_file()]
            if versions:
                return max(versions, key=lambda v: version_key(v.name))
    known = sorted({bundle.parent.name for bundle in list_bundles(models_dir)})
    raise ModelError(
        f"model '{model}' is not in {', '.join(map(str, looked))}; "
        f"known: {', '.join(known) or 'none'}"
    )


def list_bundles(models_dir: Path | None) -> list[Path]:
    """Every bundle's folder on the search path, in order."""
    return [
        manifest.parent
        for folder in search_path(models_dir)
        for manifest in sorted(folder.glob(f"*/*/{MANIFEST}"))
    ]


def search_path(models_dir: Path | None) -> list[Path]:
    """Folders of bundles, the most specific first."""
    folders = [models_dir] if models_dir else []
    if extra := os.environ.get("EDGE_RUNTIME_MODELS"):
        folders.append(Path(extra))
    return [*folders, shipped_models()]


def shipped_models() -> Path:
    """The bundles that came with the program: in the wheel, or beside the source tree."""
    package = Path(str(resources.files("edge_runtime")))
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def version_key(version: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts 0.10.0 behind 0.9.0."""
    parts = version.replace("-", ".").replace("+", ".").split(".")
    return tuple((1, int(part)) if part.isdecimal() else (0, part) for part in parts)


def _bundle_in(folder: Path, model: str) -> Path:
    if (folder / MANIFEST).is_file():
        return folder
    raise ModelError(f"model '{model}': {folder} holds no {MANIFEST}")


def _cross_checks(manifest: Manifest) -> list[str]:
    problems = []
    if manifest.file not in manifest.sha256:
        problems.append(f"sha256: has no entry for the model file '{manifest.file}'")
    problems += [
        f"sha256: '{name}' is not a plain file name"
        for name in manifest.sha256
        if "/" in name or "\\" in name or name in (".", "..")
    ]
    if len(set(manifest.labels)) != len(manifest.labels):
        problems.append("labels: a label is there twice")
    wanted = "audio" if manifest.task == "audio-classification" else "image"
    if getattr(manifest, wanted) is None:
        problems.append(f"[{wanted}]: missing; task {manifest.task} needs it")
    if manifest.task == "tile-classification" and manifest.tiles is None:
        problems.append("[tiles]: missing; task tile-classification needs it")
    if manifest.tiles and manifest.tiles.positive not in manifest.labels:
        problems.append(f"tiles.positive: '{manifest.tiles.positive}' is not in labels")
    if manifest.tiles and manifest.image:
        problems += _tile_problems(manifest.tiles, manifest.image)
    if manifest.audio is not None:
        problems += _audio_problems(manifest.audio)
    if manifest.image is not None:
        channels = 1 if manifest.image.colour == "GRAY" else 3
        problems += [
            f"image.{key}: {len(values)} numbers; give 1 or {channels}"
            for key, values in (("mean", manifest.image.mean), ("scale", manifest.image.scale))
            if len(values) not in (1, channels)
        ]
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


def _audio_problems(audio: AudioInput) -> list[str]:
    """What no single number of ``[audio]`` shows."""
    problems = []
    window = audio.rate_hz * audio.window_ms // 1000
    needed = (audio.frames - 1) * audio.frame_step + audio.frame_length
    if needed > window:
        problems.append(f"audio.frames: need {needed} samples, window_ms has {window}")
    if audio.fft_length < audio.frame_length:
        problems.append(f"audio.fft_length: is less than frame_length, {audio.frame_length}")
    if not audio.low_hz < audio.high_hz <= audio.rate_hz / 2:
        problems.append(
            f"audio.high_hz: {audio.high_hz:g} is not between low_hz, {audio.low_hz:g}, and half "
            f"the rate, {audio.rate_hz / 2:g}"
        )
    if audio.front_end == "mfcc" and audio.coefficients > audio.mels:
        problems.append(f"audio.coefficients: are more than mels, {audio.mels}")
    if audio.log_offset == 0 and audio.log_floor == 0:
        problems.append("audio.log_floor: give it or log_offset; silence has no logarithm")
    return problems
