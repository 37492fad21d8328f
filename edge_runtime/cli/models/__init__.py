"""``edge-runtime models``: what is installed, whether it can be trusted, how fast it is."""

from __future__ import annotations

import importlib

import click

from edge_runtime.cli.groups import Group

COMMANDS = {
    "add": "Make a bundle of an export of another tool.",
    "back": "Give a lane of the running daemon the model that it had before.",
    "bench": "The same model by every runtime here, side by side.",
    "export-golden": "Record what a model must answer, into its bundle.",
    "list": "Bundles that can be used here.",
    "remove": "Take a bundle off this box.",
    "schema": "The JSON schema of model.toml, for editors.",
    "show": "One bundle: inputs, outputs, thresholds, figures.",
    "tune": "Teach a shipped model with your own good and bad pictures.",
    "use": "Give a lane of the running daemon another version of its model.",
    "verify": "Agreement with golden samples, latency and memory on this box.",
}


class _Commands(Group):
    """Imports a command's file when it is used, as the top level does."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"edge_runtime.cli.models.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=_Commands)
def models() -> None:
    """Install, examine and prove models.

    MODEL is a bundle's name (the highest version), name/version, or folder.
    """
