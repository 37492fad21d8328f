"""What can be said of a TFLite file without running any native code on it.

TFLite is a flatbuffer.  Only the list of operators is read here, with every offset checked; the
runtime's own verifier does the rest.  Field indices are those of the schema, version 3.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.inference.files.flatbuffer import Table, root

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
    codes = root(model).tables(_MODEL_OPERATOR_CODES)
    if not codes:
        raise ValueError("it has no operators")
    if len(codes) > _MAX_OPERATOR_CODES:
        raise ValueError(f"it claims {len(codes)} operators")
    for code in codes:
        if builtin_operator(code) == _CUSTOM:
            yield code.text(_CODE_CUSTOM_NAME) or "(without a name)"


def builtin_operator(code: Table) -> int:
    """The operator's number: a byte in old files, an int32 since there are more than 127."""
    return max(code.integer(_CODE_OLD_BUILTIN, "<b"), code.integer(_CODE_BUILTIN, "<i"))
