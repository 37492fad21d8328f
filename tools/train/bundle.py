"""A bundle's text: model.toml, labels.txt, and the figures in MODEL_CARD.md."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LABELS = "labels.txt"

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def hashes(*files: Path) -> dict[str, str]:
    """File name = sha256."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def write_labels(folder: Path, labels: list[str]) -> None:
    """labels.txt, one a line, in the order of the model's output."""
    folder.joinpath(LABELS).write_text("".join(f"{label}\n" for label in labels))


def write(folder: Path, manifest: dict[str, Any]) -> None:
    """model.toml."""
    tables = {key: value for key, value in manifest.items() if isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in manifest.items() if key not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items()]
    folder.joinpath("model.toml").write_text("\n".join(lines) + "\n")


def add_metrics(folder: Path, metrics: dict[str, float]) -> None:
    """More figures into model.toml's [metrics]; ones of the same name are replaced."""
    manifest = tomllib.loads(folder.joinpath("model.toml").read_text())
    manifest["metrics"] = {**manifest.get("metrics", {}), **metrics}
    write(folder, manifest)


def put_figures(folder: Path, text: str) -> None:
    """`text` between the marks in MODEL_CARD.md."""
    card = folder / "MODEL_CARD.md"
    before, _, rest = card.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    card.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}")


def _key(key: str) -> str:
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isascii() and bare.isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
