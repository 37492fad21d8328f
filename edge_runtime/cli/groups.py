"""A group of commands that says which one was meant."""

from __future__ import annotations

import difflib

import click


class Group(click.Group):
    """A `click.Group`; a misspelt command is told with the nearest that there is."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; raises `click.UsageError` with a suggestion."""
        name = args[0]
        known = self.list_commands(ctx)
        if not (name.startswith("-") or name in known):
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            ctx.fail(f"there is no command '{name}'; {hint}")
        return super().resolve_command(ctx, args)
