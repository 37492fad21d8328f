"""The model manifest: everything needed to run a model the same everywhere (``model.toml``).

A bundle is a folder ``models/<name>/<version>/`` with ``model.onnx`` or ``model.tflite``,
``model.toml``, ``labels.txt``, ``golden/``, ``MODEL_CARD.md`` and ``LICENSE``.  This package reads
and checks the text; `inference` loads the model.
"""

from edge_runtime.manifest.audio import AudioInput
from edge_runtime.manifest.image import ImageInput, Tiles
from edge_runtime.manifest.manifest import (
    DEFAULT_HEAR,
    FORMAT,
    InputKind,
    Manifest,
    Task,
    json_schema,
    load_manifest,
)
from edge_runtime.manifest.numbers import NumbersInput
from edge_runtime.manifest.output import DECODERS, Decoder, DecoderName
from edge_runtime.manifest.places import (
    MANIFEST,
    find_bundle,
    list_bundles,
    search_path,
    shipped_models,
    version_key,
)
from edge_runtime.manifest.sound_checks import STREAMING
from edge_runtime.manifest.speech import find_speech_bundle
from edge_runtime.manifest.stream import Stream

__all__ = [
    "DECODERS",
    "DEFAULT_HEAR",
    "FORMAT",
    "MANIFEST",
    "STREAMING",
    "AudioInput",
    "Decoder",
    "DecoderName",
    "ImageInput",
    "InputKind",
    "Manifest",
    "NumbersInput",
    "Stream",
    "Task",
    "Tiles",
    "find_bundle",
    "find_speech_bundle",
    "json_schema",
    "list_bundles",
    "load_manifest",
    "search_path",
    "shipped_models",
    "version_key",
]
