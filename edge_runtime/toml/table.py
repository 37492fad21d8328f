"""TOML tables into msgspec structs, reporting every problem at once.

msgspec stops at the first error of a struct; an engineer at the line wants all of them, each with
the key, what was found and what is allowed.  So tables are walked here and msgspec converts leaves.
Pure but for `read_toml`; any thread.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from edge_runtime.access import denied
from edge_runtime.redaction import redacted

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


class Unreadable(TableError):
    """A file that is not there or cannot be read."""


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file of at most 1 MiB.  Raises `TableError` naming the file and the place.

    `Unreadable` where there is nothing to be parsed.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except PermissionError as exc:
        told = f"{path}: cannot be read: {denied(path).partition(': ')[2]}"
        raise Unreadable([told]) from exc
    except OSError as exc:
        raise Unreadable([f"{path}: cannot be read: {exc.strerror}"]) from exc
    if len(raw) > MAX_FILE_BYTES:
        raise TableError([f"{path}: larger than {MAX_FILE_BYTES} bytes"])
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise TableError([f"{path}: not valid TOML: {exc}"]) from exc


def convert(table: Mapping[str, Any], kind: type[S], where: str) -> S:
    """`table` as a `kind`.  Raises `TableError` with all problems; `where` is the file's name."""
    value, problems = convert_all(table, kind)
    if problems or value is None:
        raise TableError([f"{where}: {line}" for line in problems])
    return value


def convert_all(table: Mapping[str, Any], kind: type[S]) -> tuple[S | None, list[str]]:
    """`table` as a `kind`, and a line ``key: what is wrong`` for each problem.

    With problems the value has the default in place of each wrong key, for checks that look across
    tables; it is None where a key that has no default is wrong or missing.
    """
    problems: list[str] = []
    value = _struct(table, kind, (), problems)
    return (None if value is _BAD else typing.cast("S", value)), problems


def suggest(word: str, known: typing.Iterable[str]) -> str:
    """``; did you mean 'x'?`` or what is allowed."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "allowed: " + ", ".join(names)


class _Bad:
    """In place of a value that could not be converted."""


_BAD = _Bad()


def _struct(
    table: object, kind: type[msgspec.Struct], path: tuple[str, ...], problems: list[str]
) -> object:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    if not isinstance(table, dict):
        # A string is not repeated: it may be a secret that was to be given by reference.
        found = "a string" if isinstance(table, str) else _found(table)
        problems.append(f"{_key(path)}: found {found}; {_allowed(kind)}")
        return _BAD
    problems += [
        f"{_key((*path, name))}: unknown key; {suggest(name, fields)}"
        for name in table
        if name not in fields
    ]
    values: dict[str, Any] = {}
    complete = True
    for name, field in fields.items():
        value: object = _BAD
        if name in table:
            value = _value(table[name], field.type, (*path, name), problems)
        elif field.required:
            problems.append(f"{_key((*path, name))}: missing; {_allowed(field.type)}")
        if value is not _BAD:
            values[field.name] = value
        elif field.required:
            complete = False
    return _made(kind, values, path, problems) if complete else _BAD


def _made(
    kind: type[msgspec.Struct], values: dict[str, Any], path: tuple[str, ...], problems: list[str]
) -> object:
    try:
        return kind(**values)
    except ValueError as exc:  # __post_init__ checks across fields
        field, _, text = str(exc).partition(": ")
        names = {field.name for field in msgspec.structs.fields(kind)}
        told = f"{_key((*path, field))}: {text}" if field in names else f"{_key(path)}: {exc}"
        problems.append(told)
        return _BAD


def _value(value: object, kind: Any, path: tuple[str, ...], problems: list[str]) -> object:  # noqa: ANN401
    if options := _tagged(kind):
        return _one_of(value, options, path, problems)
    inner = _inner(kind)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        return _struct(value, inner, path, problems)
    origin, parts = typing.get_origin(inner), typing.get_args(inner)
    if origin is dict and isinstance(value, dict):
        entries = {k: _value(v, parts[1], (*path, k), problems) for k, v in value.items()}
        return {key: entry for key, entry in entries.items() if entry is not _BAD}
    if origin in (list, tuple) and isinstance(value, list):
        items = [_value(item, parts[0], path, problems) for item in value]
        if any(item is _BAD for item in items):
            return _BAD
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        problems.append(f"{_key(path)}: found {_found(value)}; {_hint(value, kind)}")
        return _BAD


def _one_of(
    value: object,
    options: Mapping[str, type[msgspec.Struct]],
    path: tuple[str, ...],
    problems: list[str],
) -> object:
    """One of several tables, by its tag."""
    field = next(iter(options.values())).__struct_config__.tag_field or "kind"
    if not isinstance(value, dict):
        found = "a string" if isinstance(value, str) else _found(value)
        problems.append(f"{_key(path)}: found {found}; give a table with {field} and what it needs")
        return _BAD
    tag = value.get(field)
    if not isinstance(tag, str) or tag not in options:
        found = "missing" if tag is None else f"found {_found(tag)}"
        hint = suggest(tag, options) if isinstance(tag, str) else suggest("", options)
        problems.append(f"{_key((*path, field))}: {found}; {hint}")
        return _BAD
    rest = {key: entry for key, entry in value.items() if key != field}
    return _struct(rest, options[tag], path, problems)


def _tagged(kind: Any) -> dict[str, type[msgspec.Struct]]:  # noqa: ANN401
    """Tag -> table, of a union of tagged tables; empty for anything else."""
    if typing.get_origin(kind) is typing.Annotated:
        return _tagged(typing.get_args(kind)[0])
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return {}
    options = [
        option
        for option in typing.get_args(kind)
        if isinstance(option, type) and issubclass(option, msgspec.Struct)
    ]
    return {
        str(option.__struct_config__.tag): option
        for option in options
        if option.__struct_config__.tag is not None
    }


def _hint(value: object, kind: Any) -> str:  # noqa: ANN401
    choices = _choices(kind)
    return suggest(value, choices) if choices and isinstance(value, str) else _allowed(kind)


def _inner(kind: Any) -> Any:  # noqa: ANN401
    """The type itself, without annotations and without the None of an optional."""
    if typing.get_origin(kind) is typing.Annotated:
        return _inner(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _inner(next(o for o in typing.get_args(kind) if o is not type(None)))
    return kind


def _metas(kind: Any) -> list[msgspec.Meta]:  # noqa: ANN401
    if typing.get_origin(kind) is typing.Annotated:
        inner, *metas = typing.get_args(kind)
        return [*_metas(inner), *metas]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [meta for option in typing.get_args(kind) for meta in _metas(option)]
    return []


def _choices(kind: Any) -> list[str]:  # noqa: ANN401
    inner = _inner(kind)
    if typing.get_origin(inner) is typing.Literal:
        return [str(choice) for choice in typing.get_args(inner)]
    return []


_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
_LIMITS = (
    ("gt", "above {:g}"),
    ("ge", "at least {:g}"),
    ("lt", "below {:g}"),
    ("le", "at most {:g}"),
    ("min_length", "at least {:g} of them"),
    ("max_length", "at most {:g} of them"),
)


def _allowed(kind: Any) -> str:  # noqa: ANN401
    """What may be written for a key of this type."""
    choices = _choices(kind)
    if choices:
        return "allowed: " + ", ".join(choices)
    metas = _metas(kind)
    limits = [
        text.format(limit)
        for name, text in _LIMITS
        for meta in metas
        if (limit := getattr(meta, name)) is not None
    ]
    told = " ".join(["give", _word(_inner(kind)), " and ".join(limits)]).rstrip()
    for meta in metas:
        if meta.pattern is not None:
            told += f" that matches {meta.pattern}"
        if meta.description is not None:
            told += f": {meta.description}"
    return told


def _word(inner: Any) -> str:  # noqa: ANN401
    if inner in _WORDS:
        return _WORDS[inner]
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        names = [field.encode_name for field in msgspec.structs.fields(inner)]
        return "a table with " + ", ".join(names)
    if typing.get_origin(inner) in (list, tuple):
        return "a list"
    return "a table"


def _found(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return f"'{redacted(value)}'"
    return str(value)


def _key(path: tuple[str, ...]) -> str:
    return ".".join(path) if path else "top level"
