"""``edge-runtime infer``: one model over files, exactly as a lane would run it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from edge_runtime.cli.recordings import lane_frames
from edge_runtime.cli.ruler import decided, drawn_verdict, label_of, limits_of
from edge_runtime.errors import ExitCode, UsageError
from edge_runtime.types import RuntimeChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.cli.ruler import Decided
    from edge_runtime.inference.infer_files import Answer
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import Inference, Verdict

PROGRESS_EVERY = 10
OVERLAY_QUALITY = 90
SCORE_DIGITS = 6


@click.command()
@click.argument("model")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option("--detail", is_flag=True, help="Also every tile, in pixels of the original.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="LABEL=SCORE",
    help="Judge by this instead of the model's own threshold.",
)
@click.option(
    "--roi",
    metavar="X0,Y0,X1,Y1",
    help="Show the model only this part: fractions (all at most 1) or pixels.",
)
@click.option(
    "--bits",
    type=click.IntRange(8, 16),
    help="How many bits of a 16-bit picture its camera uses (capture.bits).",
)
@click.option("--subfolders", is_flag=True, help="Read what is below a folder, too.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each picture into this folder, with boxes and heat drawn.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Look up MODEL as this one does.",
)
@click.option(
    "--models-dir", type=click.Path(path_type=Path, readable=False), help="Where bundles are."
)
@click.option(
    "--runtime",
    type=click.Choice(get_args(RuntimeChoice)),
    default="auto",
    help="The library that runs it.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, readable=False),
    help="Verify MODEL as a lane with this data folder does; else only its golden samples.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines on a terminal, too.")
def infer(
    model: str,
    paths: tuple[Path, ...],
    detail: bool,
    thresholds: tuple[str, ...],
    roi: str | None,
    bits: int | None,
    subfolders: bool,
    pictures: Path | None,
    config: Path | None,
    models_dir: Path | None,
    runtime: RuntimeChoice,
    data: Path | None,
    as_json: bool,
) -> int:
    """Run MODEL over PATHS (pictures, videos, sounds, folders); one JSON line an answer.

    MODEL is a bundle's name, name/version or folder.  Beside a verdict stands what decided it: a
    label, its score and threshold, and where that lies on a ruler (0.5 is the threshold).  A file
    that cannot be read is a line with an `error`, the rest goes on, and the exit code is 66.
    """
    from edge_runtime.inference import load_model
    from edge_runtime.inference.engines.threads import limit_threads
    from edge_runtime.inference.infer_files import infer_paths
    from edge_runtime.manifest import find_bundle

    limit_threads()
    loaded = load_model(
        find_bundle(model, models_dir or _models_dir(config)),
        runtime=runtime,
        verified=data / "verified" if data else None,
    )
    judge = _judge(loaded.manifest, thresholds)
    limits = limits_of(loaded.manifest, dict(_threshold(text) for text in thresholds))
    draw = _drawing(pictures, limits)
    bad = 0
    answers = infer_paths(
        loaded,
        paths,
        roi=_roi(roi),
        bits=bits,
        subfolders=subfolders,
        frames=lane_frames,
        tell=_tell,
    )
    for done, answer in enumerate(answers, 1):
        verdict = judge(answer)
        drawn = draw(answer, verdict)
        if as_json or not sys.stdout.isatty():
            click.echo(json.dumps(_as_json(answer, verdict, limits, detail=detail) | drawn))
        else:
            click.echo(_text(answer, verdict, limits))
        bad += answer.inference is None
        if done % PROGRESS_EVERY == 0 and sys.stderr.isatty() and not sys.stdout.isatty():
            click.echo(f"\r{done} answers, {bad} bad", err=True, nl=False)
    return int(ExitCode.NO_INPUT if bad else ExitCode.OK)


def _tell(what: str) -> None:
    click.echo(what, err=True)


def _models_dir(config: Path | None) -> Path | None:
    if config is None:
        return None
    from edge_runtime.config import load_config

    folder = load_config(config).device.models_dir
    return Path(folder) if folder else None


def _judge(manifest: Manifest, thresholds: tuple[str, ...]) -> Callable[[Answer], Verdict | None]:
    """The rules that a lane with these thresholds would have; none where none can be had."""
    from edge_runtime.config import Rules
    from edge_runtime.errors import ConfigError
    from edge_runtime.rules import Judge
    from edge_runtime.types import Stamp, Verdict, VerdictKind

    given = dict(_threshold(text) for text in thresholds)
    is_camera = manifest.audio is None
    rules = Rules(reject=given) if is_camera else Rules(hear=given)
    try:
        judge = Judge(rules, manifest, is_camera=is_camera)
    except ConfigError as exc:
        if thresholds:
            raise UsageError(str(exc)) from exc
        return lambda _: None
    at_once = Stamp(0, 0, "")  # every file is judged by itself: nothing is remembered by default

    def verdict(answer: Answer) -> Verdict | None:
        if answer.inference is None:
            return None
        if answer.is_silent and not is_camera:
            return Verdict(VerdictKind.NO_SPEECH, reason="digital silence")
        return judge.judge(answer.inference, at_once)

    return verdict


def _threshold(text: str) -> tuple[str, float]:
    label, _, score = text.rpartition("=")
    try:
        value = float(score)
    except ValueError:
        value = -1.0
    if not label or not 0.0 <= value <= 1.0:
        raise UsageError(f"--threshold: found '{text}'; write LABEL=SCORE, such as defect=0.6")
    return label, value


def _roi(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    from edge_runtime.config import check_roi

    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
        check_roi((x0, y0, x1, y1))
    except ValueError as exc:
        told = str(exc) if str(exc).startswith("roi: ") else f"roi: found '{text}'"
        raise UsageError(f"--{told}; such as 0.1,0,0.9,1 or 100,50,740,530") from exc
    return x0, y0, x1, y1


def _drawing(
    folder: Path | None, limits: Mapping[str, float]
) -> Callable[[Answer, Verdict | None], dict[str, Any]]:
    """Writes an answer's overlay into `folder`; where it is, for the JSON line."""
    if folder is None:
        return lambda _answer, _verdict: {}
    from edge_runtime.lane.evidence import draw_overlay, encode_jpeg

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"--pictures: {folder}: {exc.strerror}") from exc
    taken: set[str] = set()

    def draw(answer: Answer, verdict: Verdict | None) -> dict[str, Any]:
        if answer.inference is None or answer.pixels is None:
            return {}
        found = answer.inference
        shown = drawn_verdict(verdict, decided(verdict, found.scores, limits))
        drawn = draw_overlay(answer.pixels, found.regions, shown, heat=found.heat, limits=limits)
        path = folder / _free_name(answer, taken)
        path.write_bytes(encode_jpeg(drawn, OVERLAY_QUALITY))
        return {"picture": str(path)}

    return draw


def _free_name(answer: Answer, taken: set[str]) -> str:
    """The file's own name (and frame); numbered where two folders have the same."""
    stem = Path(answer.file).stem
    if answer.frame is not None:
        stem += f"-{answer.frame:06d}"
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return f"{name}.jpg"


def _as_json(
    answer: Answer, verdict: Verdict | None, limits: Mapping[str, float], *, detail: bool
) -> dict[str, Any]:
    from edge_runtime.types import VerdictKind

    told = answer.as_json(detail=detail)
    if verdict is None or answer.inference is None:
        return told
    what = decided(verdict, answer.inference.scores, limits)
    told["verdict"] = verdict.kind.value
    told["decided"] = None if what is None else what.as_json()
    if answer.pixels is not None:
        label, score = label_of(verdict, answer.inference, limits)
        told |= {"label": label, "score": None if score is None else round(score, SCORE_DIGITS)}
        for region in told["regions"]:
            limit = limits.get(region["label"], 0.0)
            passes = verdict.kind is VerdictKind.PASS and region["label"] in limits
            region["counts"] = region["score"] >= limit and not passes
    return told


def _text(answer: Answer, verdict: Verdict | None, limits: Mapping[str, float]) -> str:
    where = answer.file if answer.frame is None else f"{answer.file}#{answer.frame}"
    if answer.inference is None:
        return f"{where}  {click.style('error', fg='red')}  {answer.error}"
    word = "" if verdict is None else f"{verdict.kind.value:<9}"
    what = decided(verdict, answer.inference.scores, limits)
    told = "silence" if answer.is_silent else _told(answer.inference, what)
    odd = f"  {click.style('warning', fg='yellow')}  {answer.warning}" if answer.warning else ""
    return f"{where}  {word} {told}  {answer.latency_ms:.1f} ms{odd}"


def _told(inference: Inference, what: Decided | None) -> str:
    """What decided; else text, the best label and how often it was found, an embedding's length."""
    if what is not None:
        over = [
            region
            for region in inference.regions
            if region.label == what.label and region.score >= what.threshold
        ]
        return str(what) + (f" x {len(over)}" if len(over) > 1 else "")
    if inference.text:
        return inference.text
    if not inference.scores:
        return f"{len(inference.values)} numbers"
    best = inference.scores[0]
    count = sum(region.label == best.label for region in inference.regions)
    return f"{best.label} {best.score:.3f}" + (f" x {count}" if count > 1 else "")
