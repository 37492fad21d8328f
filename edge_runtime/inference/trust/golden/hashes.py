"""The lines of ``[sha256]`` in a ``model.toml`` that are about golden files.  Pure.

A text edit: comments, order and everything else stay as they were written.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

from edge_runtime.errors import ModelError
from edge_runtime.manifest.checks import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(r"^\s*\[\s*sha256\s*\]\s*(#.*)?$")
_TABLE = re.compile(r"^\s*\[")
_OURS = re.compile(rf"""^\s*["']{GOLDEN}/""")


def with_golden_hashes(text: str, hashes: Mapping[str, str]) -> str:
    """`text` with exactly these files of ``golden/`` in its table ``[sha256]``.

    Raises `ModelError` where the table is not written as lines under a header.
    """
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if _HEADER.match(line)]
    if len(starts) != 1:
        raise ModelError("model.toml: write the hashes under a header [sha256], one on each line")
    start = starts[0] + 1
    end = next((at for at in range(start, len(lines)) if _TABLE.match(lines[at])), len(lines))
    kept = [line for line in lines[start:end] if not _OURS.match(line)]
    body = _without_last_blanks(kept)
    ours = [f'{json.dumps(f"{GOLDEN}/{name}")} = "{hashes[name]}"' for name in sorted(hashes)]
    made = "\n".join([*lines[:start], *body, *ours, *kept[len(body) :], *lines[end:]]) + "\n"
    _check(text, made, hashes)
    return made


def _without_last_blanks(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def _check(before: str, after: str, hashes: Mapping[str, str]) -> None:
    """Nothing else may have changed."""
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError as exc:
        raise ModelError(f"model.toml: not valid TOML: {exc}") from exc
    others = {k: v for k, v in old["sha256"].items() if not k.startswith(f"{GOLDEN}/")}
    wanted = {**others, **{f"{GOLDEN}/{name}": value for name, value in hashes.items()}}
    if new != {**old, "sha256": wanted}:
        raise ModelError("model.toml: write the hashes under a header [sha256], one on each line")
