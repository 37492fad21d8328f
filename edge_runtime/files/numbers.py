"""Files of numbers into rows: ``.npy``, ``.csv``, and raw float32 (``.f32``, ``.bin``).

Features that were made elsewhere, or readings of a sensor; for models with ``[numbers]``.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError, NoInput
from edge_runtime.files.naming import printable
from edge_runtime.files.regular import read_regular

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
    name = printable(path)
    if not path.exists():
        raise NoInput(f"{name}: there is no such file")
    data = read_regular(path, MAX_FILE_BYTES)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        found = _npy(data, name)
    elif suffix == ".csv":
        found = _csv(data, name)
    elif suffix in SUFFIXES:
        found = _raw(data, name)
    else:
        raise ItemError(f"{name}: not a file of numbers; {', '.join(sorted(SUFFIXES))} are read")
    if found.size == 0:
        raise ItemError(f"{name}: it holds no numbers")
    if found.ndim > 1 and found.shape[-1] != columns:
        raise ItemError(f"{name}: rows of {found.shape[-1]} numbers; the model takes {columns}")
    if found.size % columns:
        raise ItemError(f"{name}: {found.size} numbers are no whole rows of {columns}")
    return np.ascontiguousarray(found.reshape(-1, columns), np.float32)


def _npy(data: bytes, name: str) -> NDArray[np.generic]:
    if not data.startswith(_NPY):
        raise ItemError(f"{name}: not a .npy file")
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as exc:
        raise ItemError(f"{name}: a damaged .npy file: {str(exc).splitlines()[0]}") from exc
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise ItemError(f"{name}: holds no numbers, but {found.dtype}")
    return found


def _csv(data: bytes, name: str) -> NDArray[np.generic]:
    rows: list[list[float]] = []
    for line, cells in enumerate(csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"))), 1):
        if not cells:
            continue
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as exc:
            if line > 1:
                raise ItemError(f"{name}: line {line}: {exc}") from exc
    if len({len(row) for row in rows}) > 1:
        raise ItemError(f"{name}: lines of different lengths")
    return np.array(rows, np.float32)


def _raw(data: bytes, name: str) -> NDArray[np.generic]:
    if len(data) % 4:
        raise ItemError(f"{name}: {len(data)} bytes are no float32 numbers")
    return np.frombuffer(data, "<f4")
