"""``edge-runtime sync …``: the way to the collector."""

from __future__ import annotations

import click

from edge_runtime.cli.sync.asked import now, retry
from edge_runtime.cli.sync.told import quarantine, status


@click.group()
def sync() -> None:
    """The way to the collector."""


for command in (status, now, quarantine, retry):
    sync.add_command(command)
