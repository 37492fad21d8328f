"""What can be said of a TFLite file without running any native code on it.

TFLite is a flatbuffer.  Only the list of operators is read here, with every offset checked; the
runtime's own verifier does the rest.  Field indices are those of the schema, version 3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTIFIER = b"TFL3"
_MODEL_OPERATOR_CODES = 1
_CODE_OLD_BUILTIN, _CODE_CUSTOM_NAME, _CODE_BUILTIN = 0, 1, 3
_CUSTOM = 32
_BUILT_IN_CUSTOM = frozenset({"TFLite_Detection_PostProcess", "AudioSpectrogram", "Mfcc"})
"""Registered by the interpreter itself, although the schema calls them custom."""
_MAX_OPERATOR_CODES = 10_000


def check_tflite(model: bytes, name: str) -> None:
    """Refuse what is no TFLite model, and operators that the interpreter does not bring.

    Raises `ModelError` naming them; `name` is for messages.
    """
    if model[4:8] != IDENTIFIER:
        raise ModelError(f"{name}: not a TFLite model: it has no TFL3 mark")
    try:
        custom = sorted(set(_custom_operators(model)) - _BUILT_IN_CUSTOM)
    except struct.error as exc:
        raise ModelError(f"{name}: a damaged TFLite model: it is cut short") from exc
    except ValueError as exc:
        raise ModelError(f"{name}: a damaged TFLite model: {exc}") from exc
    if custom:
        several = len(custom) > 1
        raise ModelError(
            f"{name}: needs the custom operator{'s' if several else ''} {', '.join(custom)}, which "
            "LiteRT does not have: convert the model with built-in operators only"
        )


def _custom_operators(model: bytes) -> Iterator[str]:
    root = _u32(model, 0)
    at = field_at(model, root, _MODEL_OPERATOR_CODES)
    if at is None:
        raise ValueError("it has no operators")
    vector = at + _u32(model, at)
    count = _u32(model, vector)
    if count > _MAX_OPERATOR_CODES:
        raise ValueError(f"it claims {count} operators")
    for index in range(count):
        slot = vector + 4 + 4 * index
        code = slot + _u32(model, slot)
        if _builtin(model, code) == _CUSTOM:
            yield text_at(model, field_at(model, code, _CODE_CUSTOM_NAME))


def _builtin(model: bytes, code: int) -> int:
    """The operator's number: a byte in old files, an int32 since there are more than 127."""
    old, new = field_at(model, code, _CODE_OLD_BUILTIN), field_at(model, code, _CODE_BUILTIN)
    numbers = [0]
    if old is not None:
        numbers.append(int(struct.unpack_from("<b", model, old)[0]))
    if new is not None:
        numbers.append(int(struct.unpack_from("<i", model, new)[0]))
    return max(numbers)


def field_at(model: bytes, table: int, index: int) -> int | None:
    """Where a table's field lies; None when it has the default value."""
    vtable = table - int(struct.unpack_from("<i", model, table)[0])
    if vtable < 0:
        raise ValueError(f"broken offset at byte {table}")
    (size,) = struct.unpack_from("<H", model, vtable)
    entry = 4 + 2 * index
    if entry + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", model, vtable + entry)
    return table + int(offset) if offset else None


def text_at(model: bytes, at: int | None) -> str:
    """The text that a field holds, at most 200 bytes of it."""
    if at is None:
        return "(without a name)"
    start = at + _u32(model, at)
    length = min(_u32(model, start), 200)
    return model[start + 4 : start + 4 + length].decode("utf-8", "replace")


def _u32(model: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", model, at)[0])
