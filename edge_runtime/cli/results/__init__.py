"""``edge-runtime results``: what was seen and heard."""

from __future__ import annotations

import click

from edge_runtime.cli.groups import Group
from edge_runtime.cli.results.lines import one_line
from edge_runtime.cli.results.listing import list_, open_, show, tail
from edge_runtime.cli.results.replay import replay

__all__ = ["one_line", "results"]


@click.group(cls=Group)
def results() -> None:
    """List, follow, show, explain, replay and open what was seen and heard."""


for _command in (list_, tail, show, open_, replay):
    results.add_command(_command)
