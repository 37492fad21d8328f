"""``results replay``: what would change about one part if the config said otherwise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.results.listing import LARGEST, entry_in, reader_of, where
from edge_runtime.errors import ConfigError, ModelError, NoInput, UsageError
from edge_runtime.types import Finding, Result, Verdict, findings_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.cli.results.rejudge import Judged
    from edge_runtime.config import Lane
    from edge_runtime.ledger.queries import LedgerReader
    from edge_runtime.ledger.reader import MediaRow
    from edge_runtime.manifest import Manifest

_LOOKED_BACK = 8
"""Results before it, where a rule looks back over a time."""
_LOOKS = ("model", "models", "chain", "shadow", "views", "gate", "runtime", "part.frames")
"""What changes what a model is shown, or which one."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One part, and where models are looked up."""

    seq: int
    result: Result
    before: tuple[Result, ...]
    pinned: Mapping[str, str]
    """As the config asks -> folder."""
    models_dir: Path | None
    media: tuple[MediaRow, ...]


@click.command()
@click.argument("seq", type=click.IntRange(1, LARGEST))
@click.option(
    "--set",
    "changes",
    multiple=True,
    required=True,
    metavar="KEY=VALUE",
    help="As in the config, such as lanes.top.rules.reject.defect=0.6.",
)
@where
def replay(
    seq: int, changes: tuple[str, ...], config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Say what would change about part SEQ if the config said KEY=VALUE.

    Thresholds are tried on the stored scores.  Another region or model looks at the stored picture,
    which was compressed since: its scores differ a little.
    """
    from edge_runtime.cli.results.changes import changed_lane
    from edge_runtime.config import DEFAULT_CONFIG, load_config

    loaded = load_config(config or DEFAULT_CONFIG)
    with reader_of(config, data) as ledger:
        body = entry_in(ledger, seq).body
        if not isinstance(body, Result):
            raise UsageError(f"{seq} is no part: only a part can be judged again")
        if body.lane not in loaded.lanes:
            raise UsageError(f"part {seq} is of lane {body.lane}, which this config does not have")
        now = loaded.lanes[body.lane]
        models_dir = Path(loaded.device.models_dir) if loaded.device.models_dir else None
        case = _case(ledger, seq, body, now, models_dir)
    then, looks_again = changed_lane(body.lane, now, changes, _LOOKS)
    if looks_again:
        from edge_runtime.cli.results.look_again import look_again

        seen = look_again(case.result, now, then, case.pinned, models_dir, case.media)
        first = _judge(case, now, seen.now, seen.manifests)
        second = _judge(case, then, seen.then, seen.manifests)
        notes = ["looked at again on the stored picture, which was re-encoded"]
    else:
        found = findings_of(body)
        manifests = _manifests(found, case)
        first, second = (_judge(case, lane, found, manifests) for lane in (now, then))
        notes = ["judged again by the stored scores"]
    notes += [*dict.fromkeys((*first.notes, *second.notes))]
    told = _told(case, first, second, notes)
    click.echo(json.dumps(told) if as_json else "\n".join(_lines(told)))


def _case(
    ledger: LedgerReader, seq: int, result: Result, lane: Lane, models_dir: Path | None
) -> _Case:
    from edge_runtime.ledger.rows import Kind

    wanted = lane.rules.confirm_n_of_m[1] - 1
    if lane.rules.refractory_ms:
        wanted = max(wanted, _LOOKED_BACK)
    before = (
        ledger.results(lane=result.lane, before_seq=seq, kinds=(Kind.RESULT,), limit=wanted)
        if wanted
        else []
    )
    entries = [seq, *(entry.seq for entry in ledger.additions_of(seq))]
    return _Case(
        seq=seq,
        result=result,
        before=tuple(e.body for e in reversed(before) if isinstance(e.body, Result)),
        pinned={
            asked: pin.folder for (lane, asked), pin in ledger.pins().items() if lane == result.lane
        },
        models_dir=models_dir,
        media=tuple(row for number in entries for row in ledger.media_of(number)),
    )


def _judge(
    case: _Case, lane: Lane, findings: Sequence[Finding], manifests: Mapping[str, Manifest]
) -> Judged:
    from edge_runtime.cli.results.rejudge import judge_again

    try:
        return judge_again(case.result, findings, lane, manifests, case.before)
    except ConfigError as exc:
        raise UsageError(f"--set: {exc}") from exc


def _manifests(findings: Sequence[Finding], case: _Case) -> dict[str, Manifest]:
    """Of the models that are still here."""
    from edge_runtime.manifest import find_bundle, load_manifest

    found: dict[str, Manifest] = {}
    for model in {finding.model for finding in findings if finding.model}:
        for where_it_is in (model, *case.pinned.values()):
            try:
                manifest = load_manifest(find_bundle(where_it_is, case.models_dir))
            except (ModelError, NoInput):
                continue
            if manifest.id == model:
                found[model] = manifest
                break
    return found


def _told(case: _Case, now: Judged, then: Judged, notes: list[str]) -> dict[str, Any]:
    from edge_runtime.cli.results.rejudge import differs
    from edge_runtime.wire.shape import data_of

    def plain(verdict: Verdict | None) -> dict[str, Any] | None:
        import msgspec

        return None if verdict is None else {
            key: value for key, value in msgspec.to_builtins(verdict).items() if value is not None
        }  # fmt: skip

    stored = case.result.verdict
    if differs(stored, now.verdict):
        notes = [*notes, "the config of now does not give what was stored: it, or a model, changed"]
    return {
        "seq": case.seq,
        "changes": differs(now.verdict, then.verdict),
        "stored": plain(stored),
        "now": plain(now.verdict),
        "then": plain(then.verdict),
        "findings": [data_of(finding) for finding in then.findings],
        "notes": notes,
    }


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [
        f"{name:<8} {_line(told[key])}"
        for name, key in (("stored", "stored"), ("now", "now"), ("as set", "then"))
    ]
    lines.append("it would change" if told["changes"] else "nothing would change")
    return lines + [f"note: {note}" for note in told["notes"]]


def _line(verdict: dict[str, Any]) -> str:
    parts = [verdict["kind"]]
    if "score" in verdict:
        parts.append(f"{verdict.get('label', '')} {verdict['score']:.3f}")
    if "threshold" in verdict:
        parts.append(f"threshold {verdict['threshold']:.3f}")
    parts += [str(verdict[key]) for key in ("decided_by", "reason") if key in verdict]
    return ", ".join(parts)
