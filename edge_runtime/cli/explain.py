"""``edge-runtime explain CODE``: what a finding means, how to confirm it, how to cure it."""

from __future__ import annotations

import itertools
import json
import textwrap
from dataclasses import asdict

import click

from edge_runtime.codes import EXPLANATIONS, Explanation
from edge_runtime.errors import ExitCode, UsageError

_PREFIX = "EDGE-"
_WIDTH = 90
_TEXTS = (
    ("cause", "cause"),
    ("confirm", "how to confirm"),
    ("cure", "how to cure"),
    ("line", "the line meanwhile"),
)


@click.command()
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def explain(codes: tuple[str, ...], as_json: bool) -> int:
    """Say what EDGE-… codes mean: cause, how to confirm, how to cure, what the line does.

    Without a code: list them all.  The codes are those of status, doctor, the log and the ledger.
    """
    told = [find(code) for code in codes] or list(EXPLANATIONS.values())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in told]))
    elif codes:
        click.echo("\n\n".join(text(each) for each in told))
    else:
        for each in told:
            click.echo(f"{each.code}  {each.severity.value:<8} {each.title}")
    return int(ExitCode.OK)


def find(code: str) -> Explanation:
    """By code; ``L101`` and lower case will do.  Raises `UsageError` with the nearest ones."""
    wanted = code.strip().upper()
    if not wanted.startswith(_PREFIX):
        wanted = _PREFIX + wanted
    if wanted in EXPLANATIONS:
        return EXPLANATIONS[wanted]
    near = sorted(known for known in EXPLANATIONS if _differs(wanted, known) == 1)[:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "edge-runtime explain lists them all"
    raise UsageError(f"{code}: there is no such code; {hint}")


def _differs(one: str, other: str) -> int:
    """In how many characters."""
    return sum(a != b for a, b in itertools.zip_longest(one, other))


def text(explanation: Explanation) -> str:
    """For a terminal."""
    lines = [f"{explanation.code}  {explanation.title}  ({explanation.severity.value})"]
    for name, heading in _TEXTS:
        lines += ["", f"{heading}:"]
        lines += textwrap.wrap(
            getattr(explanation, name), _WIDTH, initial_indent="  ", subsequent_indent="  "
        )
    return "\n".join(lines)
