"""The command line.  One command a file, imported only when it is asked for."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime import __version__
from edge_runtime.access import denied
from edge_runtime.cli.groups import Group
from edge_runtime.errors import EdgeRuntimeError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "bench": "Measure this box: throughput, latency, memory, side by side.",
    "collector": "Receive what devices sync: the other end.",
    "config": "Check, show or describe the config.",
    "demo": "Both stories in a minute, on embedded defaults.",
    "devices": "Cameras and microphones found on this box.",
    "doctor": "Check this box and say what to do.",
    "explain": "What a code such as EDGE-L101 means, and how to cure it.",
    "infer": "Run one model over files as a lane would.",
    "models": "Install, examine and prove models.",
    "output": "Try an output, or simulate a PLC.",
    "reload": "Read the daemon's config again, restart only what it concerns.",
    "results": "What was seen and heard: list, tail, show, replay, open.",
    "run": "Run the lanes of a config.",
    "status": "How the running daemon is.",
    "sync": "The way to the collector: status, now, quarantine, retry.",
    "trigger": "Tell a lane that a part is there.",
}


_DISK_FAILED = (
    errno.EIO, errno.ENXIO, errno.ENODEV, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ESTALE,
    errno.EUCLEAN, errno.EREMOTEIO,
)  # fmt: skip
"""Not what was asked for, and no defect of ours."""


class _Commands(Group):
    """Imports a command's file when it is used: ``status`` loads neither cv2 nor numpy."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"edge_runtime.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edge-runtime")
def cli() -> None:
    """The offline inference runtime for factory devices."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; every error of ours is one clear line and a named exit code."""
    try:
        code: Any = cli.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="edge-runtime",
            standalone_mode=False,
        )
    except EdgeRuntimeError as exc:
        _say(str(exc))
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(ExitCode.USAGE)
    except (PermissionError, NotADirectoryError) as exc:
        if exc.filename is None:
            raise
        path = Path(os.fsdecode(exc.filename))
        _say(denied(path) if isinstance(exc, PermissionError) else f"{path}: {exc.strerror}")
        sys.exit(ExitCode.NO_INPUT)
    except click.Abort:
        sys.exit(ExitCode.ABORTED)
    except BrokenPipeError:  # `... | head`
        sys.stderr.close()
        sys.exit(ExitCode.OK)
    except OSError as exc:
        if exc.errno not in _DISK_FAILED:
            raise
        _say(f"{exc.filename or 'the disk'}: {exc.strerror}; see to the disk")
        sys.exit(ExitCode.IO_ERROR)
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _say(message: str) -> None:
    for line in message.splitlines() or ["failed"]:
        click.echo(f"edge-runtime: {line}", err=True)
