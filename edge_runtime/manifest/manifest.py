"""``model.toml`` as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, field
from msgspec.structs import replace

from edge_runtime.errors import ModelError
from edge_runtime.manifest.audio import AudioInput
from edge_runtime.manifest.checks import cross_checks
from edge_runtime.manifest.image import ImageInput, Tiles
from edge_runtime.manifest.numbers import NumbersInput
from edge_runtime.manifest.output import DECODERS, Decoder, DecoderName
from edge_runtime.manifest.places import MANIFEST
from edge_runtime.manifest.stream import Stream
from edge_runtime.manifest.table import Table
from edge_runtime.toml.table import TableError, convert, read_toml

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
DEFAULT_HEAR = 0.6
"""For what is to be heard and neither the lane nor the model gives a threshold."""

Task = Literal[
    "image-classification",
    "tile-classification",
    "detection",
    "segmentation",
    "anomaly",
    "embedding",
    "audio-classification",
    "wake-word",
    "speech-detection",
    "numbers",
]
InputKind = Literal["image", "audio", "numbers"]
_KINDS: dict[InputKind, str] = {"image": "pictures", "audio": "sounds", "numbers": "numbers"}
_WANTED: dict[InputKind, str] = {
    "image": "this lane sees",
    "audio": "this lane hears",
    "numbers": "here it is rows of numbers that are judged",
}


class Latency(Table, frozen=True, kw_only=True):
    """``[latency]``."""

    budget_ms: Annotated[float, Meta(gt=0)]


class Provenance(Table, frozen=True, kw_only=True):
    """``[provenance]``: where the model comes from."""

    trained_by: str = ""
    data: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""


ModelFile = Annotated[str, Meta(pattern=r"^[^/\\]+\.(onnx|tflite|xml)$")]
Thresholds = dict[str, float]


class Manifest(Table, frozen=True, kw_only=True):
    """``model.toml``."""

    format: int
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    version: Annotated[str, Meta(pattern="^[0-9A-Za-z][0-9A-Za-z.+_-]{0,31}$")]
    task: Task
    description: str = ""
    file: ModelFile
    alternatives: Annotated[
        list[ModelFile], Meta(description="the same network for other runtimes, by preference")
    ] = field(default_factory=list)
    sha256: Annotated[
        dict[str, Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]],
        Meta(description="file name in the bundle = its sha256; the model file must be there"),
    ]
    labels: Annotated[list[str], Meta(min_length=1)]
    image: ImageInput | None = None
    tiles: Tiles | None = None
    audio: AudioInput | None = None
    stream: Stream | None = None
    numbers: NumbersInput | None = None
    states: Annotated[
        dict[str, str],
        Meta(description="input tensor = output tensor that feeds it next time; zeros at first"),
    ] = field(default_factory=dict)
    constants: Annotated[
        dict[str, float], Meta(description="input tensor = the number that always fills it")
    ] = field(default_factory=dict)
    output: Decoder = Decoder()
    reject: Annotated[Thresholds, Meta(description="default thresholds by label")] = field(
        default_factory=dict
    )
    review: Thresholds = field(default_factory=dict)
    hear: Thresholds = field(default_factory=dict)
    ignore: Annotated[
        list[str], Meta(description="labels that are no keyword: silence, speech of other words")
    ] = field(default_factory=list)
    silence: Annotated[
        list[str], Meta(description="those of `ignore` that mean that nobody spoke")
    ] = field(default_factory=list)
    latency: Latency | None = None
    provenance: Provenance = Provenance()
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """``name/version``."""
        return f"{self.name}/{self.version}"

    @property
    def decoder(self) -> DecoderName:
        """The decoder that ``[output]`` names, else the task's own."""
        return self.output.decoder or DECODERS.get(self.task, ("classification",))[0]

    @property
    def steps(self) -> Stream:
        """``[stream]``, and where it does not say so what ``[audio]`` makes a step."""
        stream, audio = self.stream or Stream(), self.audio
        if stream.step or audio is None:
            return stream
        hop, window = (audio.rate_hz * ms // 1000 for ms in (audio.hop_ms, audio.window_ms))
        if audio.front_end == "waveform":
            return replace(stream, step=hop, context=max(0, window - hop))
        return replace(stream, step=hop // audio.frame_step)

    @property
    def speech_label(self) -> str:
        """Task speech-detection: ``speech``, or the last label that is not ignored."""
        wanted = [label for label in self.labels if label not in self.ignore]
        return "speech" if "speech" in wanted else (wanted or self.labels)[-1]

    def threshold(self, label: str) -> float:
        """From which score `label` counts as heard, as far as the model tells."""
        return self.hear.get(label, DEFAULT_HEAR)

    @property
    def lowest_score(self) -> float:
        """Detectors drop what is below; no threshold may lie there."""
        finds_boxes = self.task == "detection" or self.decoder in ("yolov8-seg", "end-to-end-seg")
        return self.output.score_min if finds_boxes else 0.0

    @property
    def input_kind(self) -> InputKind:
        """What one item is."""
        if self.audio is not None:
            return "audio"
        return "numbers" if self.numbers is not None else "image"

    def kind_problem(self, wanted: InputKind) -> str:
        """Why this model is none for what is given to it, in one clause; empty when it is one."""
        if self.input_kind == wanted:
            return ""
        kind = _KINDS[self.input_kind]
        return f"{self.name} {self.version} is a model of {kind}; {_WANTED[wanted]}"


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
    problems = [f"{path}: {line}" for line in cross_checks(manifest)]
    if problems:
        raise ModelError("\n".join(problems))
    return manifest


def json_schema() -> dict[str, Any]:
    """The manifest's JSON schema, for editors and for other programs that write one."""
    return msgspec.json.schema(Manifest)
