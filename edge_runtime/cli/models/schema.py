"""``edge-runtime models schema``."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of model.toml, for editors and other programs."""
    from edge_runtime.manifest import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
