"""Files of numbers into rows: ``.npy``, ``.csv``, and raw float32 (``.f32``, ``.bin``).

Features that were made elsewhere, or readings of a sensor; for models with ``[numbers]``.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError, NoInput

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = frozenset({".npy", ".csv", ".f32", ".bin"})
MAX_FILE_BYTES = 256 << 20
_NPY = b"\x93NUMPY"


def read_numbers(path: Path, columns: int) -> NDArray[np.float32]:
    """(n, columns) float32, n at least 1.

    ``.npy``: an array whose last axis is `columns` long, or one long row; ``.csv``: a row a line,
    separated by commas, a first line that holds no numbers is left out; ``.f32`` and ``.bin``:
    float32, least significant byte first.  Raises `NoInput` or `ItemError`.
    """
    if not path.is_file():
        raise NoInput(f"{path}: there is no such file")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ItemError(f"{path}: is larger than {MAX_FILE_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as exc:
        raise NoInput(f"{path}: cannot be read: {exc.strerror}") from exc
    suffix = path.suffix.lower()
    if suffix == ".npy":
        found = _npy(data, path)
    elif suffix == ".csv":
        found = _csv(data, path)
    elif suffix in SUFFIXES:
        found = _raw(data, path)
    else:
        raise ItemError(f"{path}: not a file of numbers; {', '.join(sorted(SUFFIXES))} are read")
    if found.size == 0:
        raise ItemError(f"{path}: it holds no numbers")
    if found.ndim > 1 and found.shape[-1] != columns:
        raise ItemError(f"{path}: rows of {found.shape[-1]} numbers; the model takes {columns}")
    if found.size % columns:
        raise ItemError(f"{path}: {found.size} numbers are no whole rows of {columns}")
    return np.ascontiguousarray(found.reshape(-1, columns), np.float32)


def _npy(data: bytes, path: Path) -> NDArray[np.generic]:
    if not data.startswith(_NPY):
        raise ItemError(f"{path}: not a .npy file")
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as exc:
        raise ItemError(f"{path}: a damaged .npy file: {str(exc).splitlines()[0]}") from exc
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise ItemError(f"{path}: holds no numbers, but {found.dtype}")
    return found


def _csv(data: bytes, path: Path) -> NDArray[np.generic]:
    rows: list[list[float]] = []
    for line, cells in enumerate(csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"))), 1):
        if not cells:
            continue
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as exc:
            if line > 1:
                raise ItemError(f"{path}: line {line}: {exc}") from exc
    if len({len(row) for row in rows}) > 1:
        raise ItemError(f"{path}: lines of different lengths")
    return np.array(rows, np.float32)


def _raw(data: bytes, path: Path) -> NDArray[np.generic]:
    if len(data) % 4:
        raise ItemError(f"{path}: {len(data)} bytes are no float32 numbers")
    return np.frombuffer(data, "<f4")
