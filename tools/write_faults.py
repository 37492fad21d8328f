"""Write docs/faults.md from the codes: ``python tools/write_faults.py``.  A test compares them."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.codes import EXPLANATIONS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "faults.md"
HEAD = """\
# Faults and findings

Each finding has one stable code, the same in `edge-runtime status`, `edge-runtime doctor`, the log
and the ledger. `edge-runtime explain CODE` adds the cause and how to confirm it.
A **fault** makes `edge-runtime status` exit 1; a warning or a note does not. Written from
`edge_runtime/codes/` by `python tools/write_faults.py`.
"""
SECTIONS = {
    "L": "Lanes",
    "O": "Outputs and the field process",
    "D": "Ledger and disk",
    "S": "Sync",
    "M": "Models",
    "C": "Config",
    "R": "The daemon",
}


def document() -> str:
    """The whole text."""
    parts = [HEAD]
    for letter, title in SECTIONS.items():
        rows = [each for each in EXPLANATIONS.values() if each.code.startswith(f"EDGE-{letter}")]
        parts.append(f"## {title}\n")
        parts.append("| code | what | what the line does | cure |\n|---|---|---|---|")
        parts += [
            f"| {each.code} | {each.title} ({each.severity}) | {each.line} | {each.cure} |"
            for each in sorted(rows, key=lambda each: each.code)
        ]
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
