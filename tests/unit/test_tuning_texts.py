"""The manifest of a taught bundle is TOML again."""

from __future__ import annotations

import tomllib

from edge_runtime.tuning.texts import toml


def test_values_tables_and_lists_come_back_as_they_were() -> None:
    table = {
        "name": 'part "A"\n',
        "labels": ["ok", "ü"],
        "format": 1,
        "image": {"mean": [0.0], "colour": "GRAY", "is": True},
        "sha256": {"model.onnx": "ab"},
    }
    assert tomllib.loads(toml(table)) == table
