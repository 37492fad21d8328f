"""``--set KEY=VALUE`` on a lane of a config.  Pure."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from edge_runtime.config import Config
from edge_runtime.errors import UsageError
from edge_runtime.toml.table import convert_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.config import Lane


def changed_lane(
    name: str, lane: Lane, changes: Sequence[str], looks: Sequence[str]
) -> tuple[Lane, bool]:
    """The lane with `changes`, and whether one of them is of the keys `looks`.

    Raises `UsageError` for what is no key or value of this lane.
    """
    plain: dict[str, Any] = msgspec.to_builtins(lane)
    again = False
    for change in changes:
        key, is_given, text = change.partition("=")
        prefix = f"lanes.{name}."
        if not is_given or not key.startswith(prefix):
            raise UsageError(f"--set: found '{change}'; write {prefix}KEY=VALUE: the part is of it")
        path = key.removeprefix(prefix)
        again = again or any(path == look or path.startswith(look + ".") for look in looks)
        _put(plain, path.split("."), _value(text), change)
    tables = {"device": {"id": "x"}, "lanes": {name: _given(plain)}}
    config, problems = convert_all(tables, Config)
    if config is None or problems:
        raise UsageError("\n".join(f"--set: {line}" for line in problems))
    return config.lanes[name], again


def _given(value: Any) -> Any:  # noqa: ANN401 - any value of TOML
    """As TOML would have it: what is None is not there."""
    if isinstance(value, dict):
        return {key: _given(part) for key, part in value.items() if part is not None}
    return value


def _put(plain: dict[str, Any], path: list[str], value: Any, change: str) -> None:  # noqa: ANN401
    table = plain
    for key in path[:-1]:
        if table.get(key) is None:
            table[key] = {}
        table = table[key]
        if not isinstance(table, dict):
            raise UsageError(f"--set: '{change}': {key} is no table")
    table[path[-1]] = value


def _value(text: str) -> Any:  # noqa: ANN401 - any value of TOML
    """As TOML has it; what is none is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
