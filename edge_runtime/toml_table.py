"""TOML tables into msgspec structs, reporting every problem at once.

msgspec stops at the first error of a struct; an engineer at the line wants all of them, each with
the key, what was found and what is allowed.  So tables are walked here and msgspec converts leaves.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

S = TypeVar("S", bound=msgspec.Struct)

MAX_FILE_BYTES = 1 << 20


class TableError(Exception):
    """`problems`: one line for each thing wrong, ready for people."""

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem."""
        super().__init__("\n".join(problems))
        self.problems = problems


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file of at most 1 MiB.  Raises `TableError` naming the file and the place."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise TableError([f"{path}: cannot be read: {exc.strerror}"]) from exc
    if len(raw) > MAX_FILE_BYTES:
        raise TableError([f"{path}: larger than {MAX_FILE_BYTES} bytes"])
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise TableError([f"{path}: not valid TOML: {exc}"]) from exc


def convert(table: Mapping[str, Any], kind: type[S], where: str) -> S:
    """`table` as a `kind`.  Raises `TableError` with all problems; `where` is the file's name."""
    problems: list[str] = []
    value = _struct(table, kind, (), problems)
    if problems or value is None:
        raise TableError([f"{where}: {line}" for line in problems])
    return typing.cast("S", value)


def suggest(word: str, known: typing.Iterable[str]) -> str:
    """``; did you mean 'x'?`` or what is allowed."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "allowed: " + ", ".join(names)


def _struct(
    table: object, kind: type[msgspec.Struct], path: tuple[str, ...], problems: list[str]
) -> msgspec.Struct | None:
    if not isinstance(table, dict):
        problems.append(f"{_key(path)}: expected a table, found {_found(table)}")
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    before = len(problems)
    problems += [
        f"{_key((*path, name))}: unknown key; {suggest(name, fields)}"
        for name in table
        if name not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            values[field.name] = _value(table[name], field.type, (*path, name), problems)
        elif field.required:
            problems.append(f"{_key((*path, name))}: missing; {_allowed(field.type)}")
    if len(problems) > before:
        return None
    try:
        made = kind(**values)
    except (ValueError, TypeError) as exc:  # __post_init__ checks across fields
        problems.append(f"{_key(path)}: {exc}")
        return None
    return made


def _value(value: object, kind: Any, path: tuple[str, ...], problems: list[str]) -> Any:  # noqa: ANN401
    inner = _without_annotation(kind)
    struct = _struct_of(inner)
    if struct is not None:
        return _struct(value, struct, path, problems)
    entry_kind = _dict_entry(inner)
    if entry_kind is not None and isinstance(value, dict):
        return {
            key: _value(entry, entry_kind, (*path, key), problems) for key, entry in value.items()
        }
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as exc:
        problems.append(f"{_key(path)}: {_reason(exc, value, inner)}")
        return None


def _reason(exc: Exception, value: object, kind: Any) -> str:  # noqa: ANN401
    text = str(exc).split(" - at ")[0]
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return f"found '{value}'; {suggest(value, choices)}"
    return f"{text[0].lower()}{text[1:]} (found {_found(value)})"


def _choices(kind: Any) -> list[str]:  # noqa: ANN401
    if typing.get_origin(kind) is typing.Literal:
        return [str(choice) for choice in typing.get_args(kind)]
    for option in typing.get_args(kind):
        if found := _choices(option):
            return found
    return []


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _dict_entry(kind: Any) -> Any:  # noqa: ANN401
    for option in _options(kind):
        if typing.get_origin(option) is dict:
            return typing.get_args(option)[1]
    return None


def _options(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(_without_annotation(option) for option in typing.get_args(kind))
    return (_without_annotation(kind),)


def _without_annotation(kind: Any) -> Any:  # noqa: ANN401
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _allowed(kind: Any) -> str:  # noqa: ANN401
    inner = _without_annotation(kind)
    choices = _choices(inner)
    if choices:
        return "allowed: " + ", ".join(choices)
    name = getattr(inner, "__name__", str(inner))
    return {
        "str": "give a string",
        "int": "give a whole number",
        "float": "give a number",
        "bool": "give true or false",
    }.get(name, "it is required")


def _found(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return repr(value)


def _key(path: tuple[str, ...]) -> str:
    return ".".join(path) if path else "top level"
