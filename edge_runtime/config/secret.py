"""A secret of the config: where it is to be found, never what it is."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_runtime.errors import ConfigError

_INVISIBLE = ("Cc", "Cf", "Zl", "Zp", "Cn", "Co", "Cs")
"""Unicode's categories of what is not seen: control, format, separators of lines, and no
characters at all."""


class Secret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret by reference, never by value: exactly one of the three."""

    env: Annotated[str | None, Meta(description="name of an environment variable")] = None
    file: Annotated[str | None, Meta(description="path of a file that holds only the secret")] = (
        None
    )
    credential: Annotated[
        str | None, Meta(description="name of a systemd credential (LoadCredential=)")
    ] = None

    def __post_init__(self) -> None:
        """Exactly one source."""
        if sum(x is not None for x in (self.env, self.file, self.credential)) != 1:
            msg = "give exactly one of env, file, credential"
            raise ValueError(msg)

    def read(self) -> str:
        """The secret's value.  Raises `ConfigError` when it is not there."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise ConfigError([f"secret: environment variable {self.env} is not set"])
            return _one_line(value.strip(), f"environment variable {self.env}")
        if self.file is not None:
            path = Path(self.file)
        else:
            folder = os.environ.get("CREDENTIALS_DIRECTORY")
            if not folder:
                raise ConfigError(
                    [f"secret: credential '{self.credential}' needs systemd (LoadCredential=)"]
                )
            path = Path(folder, str(self.credential))
        try:
            value = path.read_text("utf-8").strip()
        except OSError as exc:
            raise ConfigError([f"secret: {path} cannot be read: {exc.strerror}"]) from exc
        except UnicodeDecodeError as exc:
            raise ConfigError([f"secret: {path} is not text (UTF-8)"]) from exc
        if not value:
            raise ConfigError([f"secret: {path} is empty"])
        return _one_line(value, str(path))


def _one_line(value: str, where: str) -> str:
    """The value, if a person could have typed all of it.  Raises `ConfigError`, never with it."""
    lines = len(value.splitlines())
    if lines > 1:
        raise ConfigError([f"secret: {where} has {lines} lines; it holds the secret alone, in one"])
    for place, character in enumerate(value, 1):
        kind = unicodedata.category(character)
        if kind in _INVISIBLE:
            found = f"an invisible character (U+{ord(character):04X}) at place {place}"
            raise ConfigError([f"secret: {where} has {found}; write it anew, as plain text"])
    return value
