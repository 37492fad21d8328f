"""``golden/golden.json`` and ``golden/expected.npz``: the file format, version 1.  Pure.

``expected.npz`` has an array ``SAMPLE.N`` for each sample and output N: float32, real numbers, at
most `KEPT_VALUES` of all that the sample made the model answer, evenly strided.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FORMAT = 1
INDEX = "golden.json"
EXPECTED = "expected.npz"
KEPT_VALUES = 2048
"""Of one output of one sample; 32 samples of three outputs are then less than 1 MB."""
MAX_SAMPLES = 256
_MAX_ARRAY_BYTES = 4 * KEPT_VALUES + 4096
"""With numpy's header."""

Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]


class _Table(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Frozen, no unknown keys."""


class Recorded(_Table, frozen=True, kw_only=True):
    """Where the answers were recorded."""

    file: str
    """The model file that answered."""
    runtime: str
    """Such as ``onnxruntime``."""
    package: str
    """Such as ``onnxruntime 1.32.0``."""
    kernels: str
    """What kind of processor, as far as arithmetic goes, such as ``x86_64 avx2 vnni``."""


class Limit(_Table, frozen=True, kw_only=True):
    """How far one output may be from what was recorded.

    Quantised (`step` > 0 here or in the engine): ``steps * step``; else
    ``absolute + relative * |recorded|``.
    """

    name: str
    step: Annotated[float, Meta(ge=0)] = 0.0
    """Of the output when it was recorded; 0 for floats."""
    steps: Annotated[float, Meta(ge=0, le=64)] = 2.0
    absolute: Annotated[float, Meta(ge=0)] = 0.0
    relative: Annotated[float, Meta(ge=0, le=0.5)] = 0.0


class Sample(_Table, frozen=True, kw_only=True):
    """One item.  ``media``: a file, the whole path; ``noise``: numbers straight into the engine."""

    name: Name
    kind: Literal["media", "noise"]
    file: Annotated[str, Meta(pattern=r"^[^/\\]*$")] = ""
    """media: the file in ``golden/``."""
    seed: Annotated[int, Meta(ge=0, le=1 << 62)] = 0
    low: float = 0.0
    """noise: the smallest real number."""
    high: float = 0.0
    grain: Annotated[int, Meta(ge=1, le=1 << 20)] = 1
    """noise: so many neighbours are equal."""
    runs: Annotated[int, Meta(ge=1, le=64)] = 1
    """noise: runs one after the other, states and variables kept."""
    sizes: list[int] = []
    """Numbers in each output, of which `KEPT_VALUES` are kept at most."""
    best: list[tuple[str, float]] = []
    """media: the best labels with their scores."""


class Index(_Table, frozen=True, kw_only=True):
    """``golden.json``."""

    format: int
    recorded: Recorded
    outputs: list[Limit]
    """In the decoder's order."""
    score: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """How far a score may be from what was recorded, and how close two labels are a tie."""
    samples: Annotated[list[Sample], Meta(max_length=MAX_SAMPLES)]


def read_index(files: Mapping[str, bytes], name: str) -> Index | None:
    """The index among the bundle's golden files; None where there is none.

    Raises `ModelError`; `name` is for messages.
    """
    if INDEX not in files:
        return None
    try:
        index = msgspec.json.decode(files[INDEX], type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(f"{name}/{INDEX}: {exc}") from exc
    if index.format != FORMAT:
        raise ModelError(f"{name}/{INDEX}: format {index.format}; this version reads {FORMAT}")
    missing = [s.file for s in index.samples if s.kind == "media" and s.file not in files]
    if missing:
        raise ModelError(f"{name}/{INDEX}: '{missing[0]}' is not in the manifest's sha256")
    return index


def read_expected(
    files: Mapping[str, bytes], index: Index, name: str
) -> dict[str, list[NDArray[np.float32]]]:
    """Sample -> what was kept of each output.  Raises `ModelError`."""
    try:
        _check_sizes(files[EXPECTED])
        with np.load(io.BytesIO(files[EXPECTED]), allow_pickle=False) as arrays:
            return {
                sample.name: [
                    _kept(arrays, f"{sample.name}.{at}", size)
                    for at, size in enumerate(sample.sizes)
                ]
                for sample in index.samples
            }
    except (KeyError, ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as exc:
        raise ModelError(f"{name}/{EXPECTED}: does not hold what {INDEX} says: {exc}") from exc


def _check_sizes(packed: bytes) -> None:
    """Before anything is unpacked: no array may be larger than what is ever kept of an output."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for member in archive.infolist():
            if member.file_size > _MAX_ARRAY_BYTES:
                raise ValueError(f"{member.filename} says that it has {member.file_size} bytes")


def _kept(arrays: Any, key: str, size: int) -> NDArray[np.float32]:  # noqa: ANN401 - an open npz
    values: NDArray[np.float32] = arrays[key]
    if values.dtype != np.float32 or values.shape != (min(size, KEPT_VALUES),):
        raise ValueError(f"{key} is {list(values.shape)} {values.dtype}")
    return values


def strided(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """(n,) into (min(n, KEPT_VALUES),): evenly, the first always."""
    count = len(values)
    if count <= KEPT_VALUES:
        return values
    return values[np.arange(KEPT_VALUES) * count // KEPT_VALUES]


def encode(index: Index, expected: Mapping[str, list[NDArray[np.float32]]]) -> dict[str, bytes]:
    """The two files; the same bytes for the same content."""
    arrays = {
        f"{name}.{at}": kept for name, each in expected.items() for at, kept in enumerate(each)
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # names are no keywords of it
    text = msgspec.json.format(msgspec.json.encode(index), indent=1)
    return {INDEX: text + b"\n", EXPECTED: packed.getvalue()}
