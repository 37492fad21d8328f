"""``MODEL_CARD.md`` of an added model: where everything in its manifest comes from.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.importers.questions import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.importers.draft import Draft

_MAX_SHOWN = 80


def model_card(draft: Draft, table: Mapping[str, Any], source: str, today: str) -> str:
    """Markdown.  `source` is the file that was given, `today` the date."""
    provenance = table.get("provenance", {})
    lines = [
        f"# {table['name']} {table['version']}",
        "",
        str(table.get("description", "")) or "(say in one sentence what this model is for)",
        "",
        f"* Added by `edge-runtime models add` on {today} from `{source}`.",
        f"* Taken for: {draft.kind}.",
        f"* Licence: {provenance.get('licence') or 'not known; the file does not say'}.",
        f"* Made by: {provenance.get('trained_by') or 'not known'}.",
        "* Data, splits, metrics: not known; add what you know.",
        "",
        "## Where its manifest comes from",
        "",
        "| key | value | from |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{key}` | {_cell(fact.value)} | {_cell(fact.origin)} |"
        for key, fact in sorted(draft.facts.items())
    ]
    if draft.notes:
        lines += ["", "## To know", "", *(f"* {note}" for note in draft.notes)]
    return "\n".join(lines) + "\n"


def with_doubts(card: str, doubts: Sequence[str]) -> str:
    """The card with what seemed odd when the model was tried."""
    lines = ["", "## Look at this before it is used", "", *(f"* {doubt}" for doubt in doubts)]
    return card.rstrip("\n") + "\n" + "\n".join(lines) + "\n"


def _cell(value: Any) -> str:  # noqa: ANN401 - a TOML value
    text = shown(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"
