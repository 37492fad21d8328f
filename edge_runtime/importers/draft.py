"""A model on its way to a bundle: what is known of it, from where, and what is not.  Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.inference.engines.tensors import Tensor

Kind = Literal["text", "choice", "number", "numbers", "labels"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of a model, as ``model.toml`` writes it."""

    value: Any
    origin: str
    """Where it was read, or who said it; for the card."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that the file does not say."""

    key: str
    """Place in ``model.toml``, such as ``image.colour``."""
    text: str
    """What is asked, for people."""
    flag: str
    """How the command line answers it, with a word for the value."""
    kind: Kind
    choices: tuple[str, ...] = ()
    suggestion: Any = None
    """The likely answer; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A model file and what is known of it.  Keys of `facts` are places in ``model.toml``."""

    kind: str
    """What the file was taken for, for people."""
    files: Mapping[str, bytes]
    """The bundle's files that run, the model file first."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    suggestions: Mapping[str, Any] = field(default_factory=dict)
    """Likely values of what is not known."""
    trial: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Output = what one run on noise gave; empty where none was made."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""

    @property
    def file(self) -> str:
        """The model file's name in the bundle."""
        return next(iter(self.files))

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the picture that goes in, px; None where that is not known."""
        width, height = self.value("image.width"), self.value("image.height")
        return (width, height) if width and height else None

    def knows(self, key: str) -> bool:
        """Whether `key`, or something in that table, is a fact."""
        return key in self.facts or any(known.startswith(f"{key}.") for known in self.facts)

    def value(self, key: str) -> Any:  # noqa: ANN401 - a TOML value
        """What is known at `key`, else None."""
        fact = self.facts.get(key)
        return None if fact is None else fact.value

    def with_facts(self, origin: str, **tables: Any) -> Draft:  # noqa: ANN401 - TOML values
        """The same with more facts of one origin: keys, or tables of keys.

        What is known already stays: the first reader that finds something knows best.
        """
        told = {key: Fact(value, origin) for key, value in flat(tables).items()}
        return dataclasses.replace(self, facts={**told, **self.facts})

    def with_answers(self, answers: Mapping[str, Fact]) -> Draft:
        """The same with what a person said, which overrides the file."""
        return dataclasses.replace(self, facts={**self.facts, **answers})

    def with_note(self, note: str) -> Draft:
        """The same with one more note."""
        return dataclasses.replace(self, notes=(*self.notes, note))

    def suggesting(self, **tables: Any) -> Draft:  # noqa: ANN401 - TOML values
        """The same with likely values of what is not known."""
        return dataclasses.replace(self, suggestions={**self.suggestions, **flat(tables)})


def flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """``{"image": {"width": 8}}`` as ``{"image.width": 8}``; None is left out."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": v for inner, v in flat(value).items()}
        elif value is not None:
            found[key] = value
    return found


def nested(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``{"image.width": 8}`` as ``{"image": {"width": 8}}``, one level deep.

    A label may hold a dot: only the first one separates.
    """
    found: dict[str, Any] = {}
    for key, value in facts.items():
        table, dot, inner = key.partition(".")
        if dot:
            found.setdefault(table, {})[inner] = value
        else:
            found[key] = value
    return found
