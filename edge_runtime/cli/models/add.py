"""``edge-runtime models add``."""

from __future__ import annotations

import datetime as dt
import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_runtime.cli.models import options
from edge_runtime.cli.models.options import AS_JSON, CONFIG, MODELS_DIR
from edge_runtime.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.importers.adding import Added
    from edge_runtime.importers.draft import Draft, Fact, Question

_PATH = click.Path(path_type=Path, readable=False)


@click.command("add")
@click.argument("file", type=_PATH)
@MODELS_DIR
@CONFIG
@click.option("--name", help="Of the bundle.  Default: the file's name.")
@click.option("--version", help="Of the bundle.  Default: 1.0.0.")
@click.option("--task", help="What the model does, such as image-classification.")
@click.option("--labels", metavar="A,B", help="Labels in the order of the output.")
@click.option("--labels-file", type=_PATH, help="Labels: one a line, or JSON.")
@click.option("--colour", metavar="COLOUR", help="RGB, BGR or GRAY.")
@click.option("--mean", metavar="NUMBERS", help="tensor = (pixel - mean) * scale.")
@click.option("--scale", metavar="NUMBERS", help="A number or a fraction such as 1/255.")
@click.option("--resize", metavar="HOW", help="stretch, letterbox or crop.")
@click.option("--size", metavar="WIDTHxHEIGHT", help="Of an input that leaves it open.")
@click.option("--layout", metavar="LAYOUT", help="NCHW or NHWC.")
@click.option("--activation", metavar="FUNCTION", help="none, softmax or sigmoid.")
@click.option("--decoder", metavar="DECODER", help="How the outputs are read.")
@click.option("--front-end", metavar="NAME", help="What a sound model is fed with.")
@click.option("--licence", metavar="TEXT", help="Under which the model is.")
@click.option("--licence-file", type=_PATH, help="Its text, kept in the bundle.")
@click.option("--threshold", "thresholds", multiple=True, metavar="LABEL=SCORE")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of model.toml."
)
@click.option("--sample", "samples", multiple=True, type=_PATH, help="A picture or sound to try.")
@click.option("--replace", is_flag=True, help="Over a version that is there already.")
@click.option("--yes", is_flag=True, help="Take what is likely; do not ask.")
@click.option("--no-input", is_flag=True, help="Do not ask and do not guess.")
@click.option("--dry-run", is_flag=True, help="Show what would be added.")
@AS_JSON
def command(
    file: Path,
    models_dir: Path | None,
    config: Path | None,
    samples: tuple[Path, ...],
    replace: bool,
    yes: bool,
    no_input: bool,
    dry_run: bool,
    as_json: bool,
    licence_file: Path | None,
    **given: Any,  # noqa: ANN401 - click's values, told apart in `_answers`
) -> None:
    """Make a bundle of FILE: an export of another tool, or a bundle's folder or archive.

    Reads what the file says of itself, asks only for what it does not say (or takes it from
    options), loads the model, and shows what it sees of each --sample.
    """
    from edge_runtime.importers import reading
    from edge_runtime.inference.pictures.preprocess import limit_threads

    limit_threads()
    where = None if dry_run else options.target_dir(models_dir, config, "add")
    said = _answers(given)
    found = reading.read(file, said)
    if isinstance(found, dict):
        _add_bundle(file, found, where, samples, is_replacing=replace, as_json=as_json)
        return
    draft = found.with_answers(said)
    if not as_json:
        _say_facts(draft)
    ask = _asking(is_likely_enough=yes, may_ask=not (no_input or as_json))
    draft = _answered(draft, ask, _thresholds(given["thresholds"]))
    _finish(draft, file, where, samples, licence_file, is_replacing=replace, as_json=as_json)


def _finish(
    draft: Draft,
    file: Path,
    where: Path | None,
    samples: Sequence[Path],
    licence_file: Path | None,
    *,
    is_replacing: bool,
    as_json: bool,
) -> None:
    from edge_runtime.clock import NS_PER_S, SYSTEM_CLOCK
    from edge_runtime.importers.adding import add, bundle_files
    from edge_runtime.importers.given import MAX_SMALL_BYTES, read_bytes
    from edge_runtime.importers.questions import finished
    from edge_runtime.importers.toml_text import toml_text

    draft, table = finished(draft)
    licence = read_bytes(licence_file, MAX_SMALL_BYTES) if licence_file else b""
    now_s = SYSTEM_CLOCK.stamp().wall_ns / NS_PER_S
    today = dt.datetime.fromtimestamp(now_s, dt.UTC).date().isoformat()
    files = bundle_files(draft, table, source=file.name, today=today, licence=licence)
    if where is None:
        _show(draft, table, None, as_json=as_json)
        if not as_json:
            click.echo(toml_text(table))
        return
    bundle_id = f"{table['name']}/{table['version']}"
    added = add(where, bundle_id, files, samples, is_replacing=is_replacing)
    _show(draft, table, added, as_json=as_json)


def _add_bundle(
    file: Path,
    files: Mapping[str, bytes],
    where: Path | None,
    samples: Sequence[Path],
    *,
    is_replacing: bool,
    as_json: bool,
) -> None:
    """A bundle goes in as it is, once it has loaded."""
    from edge_runtime.importers.adding import add, brings_golden, ready_bundle_id

    bundle_id = ready_bundle_id(files, str(file))
    table = tomllib.loads(files["model.toml"].decode())
    if where is None:
        if not as_json:
            click.echo(f"{bundle_id}: a bundle, {len(files)} files; it would be checked and copied")
        _show(None, table, None, as_json=as_json)
        return
    added = add(
        where,
        bundle_id,
        files,
        samples,
        is_replacing=is_replacing,
        has_golden=brings_golden(files),
    )
    _show(None, table, added, as_json=as_json)


def _answers(given: Mapping[str, Any]) -> dict[str, Fact]:
    """What options say, in the manifest's keys."""
    from edge_runtime.importers.draft import Fact
    from edge_runtime.importers.given import MAX_SMALL_BYTES, read_bytes
    from edge_runtime.importers.labels import labels_of, listed
    from edge_runtime.importers.questions import numbers

    told: dict[str, tuple[Any, str]] = {}
    for option, key in (
        ("name", "name"),
        ("version", "version"),
        ("task", "task"),
        ("colour", "image.colour"),
        ("resize", "image.resize"),
        ("layout", "image.layout"),
        ("activation", "output.activation"),
        ("decoder", "output.decoder"),
        ("front_end", "audio.front_end"),
        ("licence", "provenance.licence"),
    ):
        if given[option] is not None:
            told[key] = given[option], f"--{option.replace('_', '-')}"
    for option in ("mean", "scale"):
        if given[option] is not None:
            told[f"image.{option}"] = numbers(given[option], f"--{option}"), f"--{option}"
    if given["labels"] is not None:
        told["labels"] = listed(given["labels"]), "--labels"
    if given["labels_file"] is not None:
        path = given["labels_file"]
        data = read_bytes(path, MAX_SMALL_BYTES)
        told["labels"] = labels_of(data, str(path)), f"--labels-file {path.name}"
    if given["size"] is not None:
        told["image.width"], told["image.height"] = _size(given["size"])
    for setting in given["settings"]:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set: '{setting}'; write KEY=VALUE, such as audio.mels=40")
        told[key] = _toml_value(text), "--set"
    return {key: Fact(value, origin) for key, (value, origin) in told.items()}


def _size(text: str) -> tuple[tuple[int, str], tuple[int, str]]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size: '{text}'; write WIDTHxHEIGHT, such as 224x224")
    return (int(width), "--size"), (int(height), "--size")


def _toml_value(text: str) -> Any:  # noqa: ANN401 - a TOML value
    """``40``, ``true``, ``[1, 2]`` as TOML reads them; anything else is a text."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _thresholds(texts: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        label, _, score = text.rpartition("=")
        try:
            value = float(score)
        except ValueError:
            value = -1.0
        if not label or not 0.0 <= value <= 1.0:
            raise UsageError(f"--threshold: '{text}'; write LABEL=SCORE, such as defect=0.6")
        found[label] = value
    return found


def _asking(
    *, is_likely_enough: bool, may_ask: bool
) -> Callable[[Draft, Sequence[Question]], Fact]:
    """How the first open question is answered; raises `UsageError` where nobody is there."""
    from edge_runtime.importers.draft import Fact
    from edge_runtime.importers.questions import parsed, refusal, shown

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()

    def ask(draft: Draft, questions: Sequence[Question]) -> Fact:
        question = questions[0]
        if is_likely_enough and question.suggestion is not None:
            return Fact(question.suggestion, "likely, taken by --yes")
        if is_likely_enough or not may_ask or not is_terminal:
            raise UsageError(refusal(draft, questions))
        likely = None if question.suggestion is None else shown(question.suggestion)
        while True:
            choices = click.Choice(question.choices) if question.choices else None
            text = click.prompt(question.text, default=likely, type=choices)
            try:
                return Fact(parsed(question, text), "asked")
            except UsageError as exc:
                click.echo(str(exc), err=True)

    return ask


def _answered(
    draft: Draft,
    ask: Callable[[Draft, Sequence[Question]], Fact],
    thresholds: Mapping[str, float],
) -> Draft:
    """Until nothing is missing: an answer may raise more questions."""
    from edge_runtime.importers.draft import Fact
    from edge_runtime.importers.questions import input_kind, open_questions

    while questions := open_questions(draft):
        draft = draft.with_answers({questions[0].key: ask(draft, questions)})
    table = "hear" if input_kind(draft) == "audio" else "reject"
    limits = {f"{table}.{label}": Fact(v, "--threshold") for label, v in thresholds.items()}
    return draft.with_answers(limits)


def _say_facts(draft: Draft) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from edge_runtime.importers.questions import shown

    table = Table("key", "value", "from", box=None, header_style="bold")
    for key, fact in sorted(draft.facts.items()):
        value = shown(fact.value)
        short = value if len(value) <= 60 else f"{value[:59]}…"
        table.add_row(key, escape(short), escape(fact.origin))
    console = Console(highlight=False)
    console.print(f"[bold]{escape(draft.kind)}[/bold]")
    console.print(table)
    for note in draft.notes:
        console.print(f"[yellow]note[/yellow] {escape(note)}")


def _show(
    draft: Draft | None, table: Mapping[str, Any], added: Added | None, *, as_json: bool
) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(draft, table, added), indent=2))
        return
    if added is None:
        return
    click.echo(f"added {added.id} in {added.folder}")
    for doubt in added.doubts:
        click.echo(f"models add: warning: {doubt}", err=True)
    for sample in added.samples:
        click.echo(f"{sample.file}: what the model sees of it is in {added.folder / sample.view}")
        for score in sample.inference.scores[:5]:
            click.echo(f"  {score.score:6.3f}  {score.label}")
        for region in sample.inference.regions[:5]:
            box = f"{region.x0},{region.y0} - {region.x1},{region.y1}"
            click.echo(f"  {region.score:6.3f}  {region.label} at {box}")


def _as_json(draft: Draft | None, table: Mapping[str, Any], added: Added | None) -> dict[str, Any]:
    told: dict[str, Any] = {"manifest": dict(table)}
    if draft is not None:
        from edge_runtime.importers.reading import facts_json

        told |= {"kind": draft.kind, "facts": facts_json(draft), "notes": list(draft.notes)}
    if added is not None:
        told["folder"] = str(added.folder)
        told["warnings"] = added.doubts
        told["samples"] = [
            {
                "file": sample.file,
                "view": str(added.folder / sample.view),
                "scores": {score.label: score.score for score in sample.inference.scores},
                "regions": [
                    {"label": r.label, "score": r.score, "box": [r.x0, r.y0, r.x1, r.y1]}
                    for r in sample.inference.regions
                ],
            }
            for sample in added.samples
        ]
    return told
