"""Lists of labels as programs and people write them.  Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.importers.given import Given
    from edge_runtime.inference.engines.tensors import Tensor

MAX_LABELS = 100_000
_NUMBERED = re.compile(r"^(\d+)[\s:,]+(\S.*)$")


def labels_of(data: bytes, name: str) -> list[str]:
    """The labels in a text or JSON file.  Raises `ModelError`.

    One a line, or a JSON list, or a JSON map of class numbers to names.  Numbers in front of all
    lines that count from 0, as Teachable Machine writes them, are left out.
    """
    text = data.decode("utf-8-sig", "replace").strip()
    if text.startswith(("[", "{")):
        try:
            found = named(json.loads(text))
        except (ValueError, RecursionError) as exc:
            raise ModelError(f"{name}: neither JSON nor one label a line: {exc}") from exc
    else:
        found = unnumbered([line.strip() for line in text.splitlines() if line.strip()])
    if not found or len(found) > MAX_LABELS:
        raise ModelError(f"{name}: holds {len(found)} labels")
    return distinct(found)


def named(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    """A list of names, or a map of class numbers to names, in the order of classes."""
    if isinstance(value, dict):
        inner = value.get("labels", value.get("names"))
        if inner is not None:
            return named(inner)
        numbers = {int(key): str(name) for key, name in value.items()}
        if sorted(numbers) != list(range(len(numbers))):
            raise ValueError("class numbers have gaps")
        return [numbers[at] for at in range(len(numbers))]
    if isinstance(value, (list, tuple)):
        return [str(name) for name in value]
    raise ValueError("no list of labels")


def listed(text: str) -> list[str]:
    """``a,b`` as a person writes it; a label left out stays a gap, which is refused later."""
    words = [word.strip() for word in text.split(",")]
    return distinct(words[:-1] if len(words) > 1 and not words[-1] else words)


def unnumbered(lines: Sequence[str]) -> list[str]:
    """Lines without their numbers, if all of them count from 0."""
    parts = [_NUMBERED.match(line) for line in lines]
    if all(part and int(part[1]) == at for at, part in enumerate(parts)):
        return [part[2].strip() for part in parts if part]
    return list(lines)


def distinct(labels: Sequence[str]) -> list[str]:
    """The second ``crane`` of a list becomes ``crane (2)``: a label stands for one class."""
    seen: dict[str, int] = {}
    found = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def beside(given: Given, count: int | None) -> tuple[list[str], str] | None:
    """(labels, the file's name) of a list beside the model, if it has the right length."""
    for name in ("labels.txt", "labels.json", f"{given.stem}.txt", f"{given.stem}.json"):
        if name in given.beside:
            found = labels_of(given.beside[name], name)
            if count is None or len(found) == count:
                return found, name
    return None


def classes(outputs: Sequence[Tensor]) -> int | None:
    """How many classes the only output scores; None where shapes do not say."""
    if len(outputs) != 1:
        return None
    sizes = [size for size in outputs[0].shape if size not in (1, None)]
    if len(sizes) == 1:
        return sizes[0]
    return 1 if outputs[0].shape and all(size == 1 for size in outputs[0].shape) else None


def slug(text: str) -> str:
    """A bundle's name made of any text."""
    word = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")
    return word or "model"
