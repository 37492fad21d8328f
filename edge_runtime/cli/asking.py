"""Asking the running daemon, for commands that change something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError, EdgeRuntimeError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_S = 180.0
"""A lane may have to be drained, its model loaded, and the old one loaded again."""


class Refused(EdgeRuntimeError):
    """The daemon did not do it."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        """As the daemon says."""
        super().__init__(message)
        self.exit_code = exit_code


def ask(folder: Path, command: str, **arguments: object) -> dict[str, Any]:
    """The daemon's answer.  Raises `Refused`, `ConfigError` or `NoInput`."""
    from edge_runtime.supervisor.control import ControlClient

    with ControlClient(folder, timeout_s=ANSWER_S) as client:
        return checked(client.ask(command, **arguments))


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, where it is none of an error."""
    if "error" not in answer:
        return answer
    if "problems" in answer:
        raise ConfigError(answer["problems"])
    raise Refused(answer["error"], ExitCode(answer.get("exit_code", ExitCode.FAILED)))
