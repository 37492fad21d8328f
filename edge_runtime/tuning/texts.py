"""The texts of a taught bundle: model.toml and MODEL_CARD.md.  Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_runtime.manifest import Manifest
    from edge_runtime.tuning.tune import TuneReport


def toml(table: dict[str, Any]) -> str:
    """TOML of plain keys, then of tables one deep: all that a manifest has."""
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if key not in tables]
    for name, inner in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{json.dumps(key)} = {_value(value)}" for key, value in inner.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:  # noqa: ANN401 - whatever a manifest holds
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def metrics(report: TuneReport) -> dict[str, float]:
    """``[metrics]``: of the pictures that were held out."""
    return {
        "image_auc_before": round(report.auc_before, 4),
        "image_auc": round(report.auc_after, 4),
        "ok_passed": round(report.ok_passed, 4),
        "ng_rejected": round(report.ng_rejected, 4),
        "ok_held_out": float(report.ok_held_out),
        "ng_held_out": float(report.ng_held_out),
    }


def provenance(base: Manifest, old: dict[str, Any]) -> dict[str, Any]:
    """``[provenance]``: the base's, and that it was taught."""
    return {
        **old,
        "trained_by": f"edge-runtime, from {base.id}",
        "data": [*old.get("data", ()), "the user's own pictures (last layer, thresholds)"],
    }


def card(name: str, base: Manifest, report: TuneReport) -> str:
    """MODEL_CARD.md."""
    taught = (
        "Its last layer was learnt from your pictures; all others are the base's."
        if report.is_taught
        else "No other last layer was better on your pictures: the network is the base's, only "
        "the thresholds are yours."
    )
    return f"""# {name} 1.0.0

Made on this device from {base.id}, whose card, data and licence hold here as well.  {taught}

## Data
{report.ok_learnt} good and {report.ng_learnt} bad pictures were learnt from; {report.ok_held_out}
good and {report.ng_held_out} bad ones, every third in the order of the file names, were held out.
Where neighbouring files show the same part, the held-out figures flatter.

## Figures, on the held-out pictures
| | before | after |
|---|---|---|
| image AUC | {report.auc_before:.4f} | {report.auc_after:.4f} |
| good ones below review | - | {report.ok_passed:.3f} |
| bad ones rejected | - | {report.ng_rejected:.3f} |

Thresholds: reject {report.reject}, review {report.review}.  They were chosen on the held-out
pictures too, so the last two rows are a best case: watch the first days.
"""
