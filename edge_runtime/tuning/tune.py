"""From a shipped bundle and two folders of pictures to a bundle of the user's own.

The net up to its last layer stays as it is.  Its features of every cell are computed once, by the
runtime itself; the last layer is learnt on them (`fit`), written into a copy of the file (`head`,
`onnx_edit`), and judged on pictures that took no part.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.files.image import read_image
from edge_runtime.inference import load_model
from edge_runtime.inference.pictures.cells import CellRunner
from edge_runtime.manifest import MANIFEST, load_manifest
from edge_runtime.tuning import texts
from edge_runtime.tuning.fit import Line, fit_line
from edge_runtime.tuning.head import find_head, line_of, write_line
from edge_runtime.tuning.onnx_edit import OnnxFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.manifest import Manifest
    from edge_runtime.tuning.head import Head

HELD_OUT_EVERY = 3
MIN_PICTURES = 6
"""Of each kind: with fewer, nothing can be learnt and held out as well."""
PULLS, TURNS = (1.0, 0.1, 0.01, 0.001), 3
"""How strongly the new layer may be held to the old one; the best is chosen among the pictures
learnt from, a third of which is left out in turn."""


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What came out.  AUCs are of whole pictures that were held out."""

    bundle: Path
    ok_learnt: int
    ng_learnt: int
    ok_held_out: int
    ng_held_out: int
    auc_before: float
    auc_after: float
    is_taught: bool
    """False: no other last layer was better on the pictures learnt from; the base's was kept."""
    reject: float
    review: float
    ok_passed: float
    """Share of the held-out good pictures below `review`."""
    ng_rejected: float
    """Share of the held-out bad pictures from `reject` on."""
    seconds: float


def tune_bundle(
    base: Path,
    ok: list[Path],
    ng: list[Path],
    out: Path,
    *,
    name: str,
    progress: Callable[[str], None],
) -> TuneReport:
    """See `tuning.tune`."""
    begin = time.perf_counter()
    manifest = _checked(base, ok, ng, out)
    model = (base / manifest.file).read_bytes()
    file = OnnxFile(model, str(base / manifest.file))
    head = find_head(file, str(base / manifest.file))
    positive = _positive_row(manifest, head)
    good, bad = _features(manifest, model, head, sorted(ok), sorted(ng), progress)
    good_learnt, good_held = _split(good)
    bad_learnt, bad_held = _split(bad)
    old = line_of(head, positive)
    progress("learning")
    line, is_taught = _best_line(good_learnt, bad_learnt, old)
    before, after = (
        auc(_pictures(bad_held, chosen), _pictures(good_held, chosen)) for chosen in (old, line)
    )
    reject, review = _thresholds(_pictures(good_held, line), _pictures(bad_held, line))
    if is_taught:
        write_line(file, head, positive, line)
    report = TuneReport(
        out, len(good_learnt), len(bad_learnt), len(good_held), len(bad_held), before, after,
        is_taught, reject, review,
        float(np.mean(_sigmoid(_pictures(good_held, line)) < review)),
        float(np.mean(_sigmoid(_pictures(bad_held, line)) >= reject)),
        time.perf_counter() - begin,
    )  # fmt: skip
    _write(base, manifest, file.as_bytes() if is_taught else model, name, report)
    return report


def auc(bad: NDArray[np.float32], good: NDArray[np.float32]) -> float:
    """How often a bad picture scores higher than a good one; ties count half."""
    return float(np.mean((bad[:, None] > good) + 0.5 * (bad[:, None] == good)))


def _checked(base: Path, ok: Sequence[Path], ng: Sequence[Path], out: Path) -> Manifest:
    manifest = load_manifest(base)
    if not (manifest.tiles and manifest.tiles.cell and manifest.file.endswith(".onnx")):
        raise ModelError(f"{base}: cannot be taught: not an ONNX model of cells ([tiles] cell)")
    for kind, pictures in (("good", ok), ("bad", ng)):
        if len(pictures) < MIN_PICTURES:
            raise ModelError(
                f"{len(pictures)} {kind} pictures are too few: give at least {MIN_PICTURES}; a "
                f"third of them is held out for judging"
            )
    if out.exists():
        raise FileExistsError(f"{out}: is there already; give another name or remove it")
    load_model(base).close()  # hashes, static checks, shapes
    return manifest


def _positive_row(manifest: Manifest, head: Head) -> int:
    assert manifest.tiles is not None
    if len(manifest.labels) != 2 or len(head.weight) != 2:
        raise ModelError(f"{manifest.id}: cannot be taught: it has not two labels")
    return manifest.labels.index(manifest.tiles.positive)


def _features(
    manifest: Manifest,
    model: bytes,
    head: Head,
    ok: list[Path],
    ng: list[Path],
    progress: Callable[[str], None],
) -> tuple[list[NDArray[np.generic]], list[NDArray[np.generic]]]:
    """What the net sees in every cell of every picture, by the runtime's own preprocessing."""
    from edge_runtime.inference.answering import Answering
    from edge_runtime.inference.engines.onnx import OnnxEngine
    from edge_runtime.inference.network import Network

    assert manifest.image is not None
    assert manifest.tiles is not None
    file = OnnxFile(model, manifest.id)
    file.add_output(head.features, head.dtype)
    engine = OnnxEngine(file.as_bytes(), manifest.id)
    network = Network(manifest, engine)
    runner = CellRunner(manifest.image, manifest.tiles, Answering(manifest, "", network))
    found: list[NDArray[np.generic]] = []
    for index, path in enumerate([*ok, *ng]):
        if index % 10 == 0:
            progress(f"looking at picture {index + 1} of {len(ok) + len(ng)}")
        made = engine.infer([runner.tensor(read_image(path))])[-1]
        found.append(np.moveaxis(made[0], 0, -1).reshape(-1, made.shape[1]).copy())
    engine.close()
    return found[: len(ok)], found[len(ok) :]


def _split(
    features: list[NDArray[np.generic]],
) -> tuple[list[NDArray[np.generic]], list[NDArray[np.generic]]]:
    """(learnt from, held out): every third in the order of the names is held out."""
    held = features[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    learnt = [f for i, f in enumerate(features) if i % HELD_OUT_EVERY != HELD_OUT_EVERY - 1]
    return learnt, held


def _best_line(
    good: list[NDArray[np.generic]], bad: list[NDArray[np.generic]], old: Line
) -> tuple[Line, bool]:
    """The pull that is best on pictures left out in turn, then learnt from all of them."""
    parts = [(_parted(good, turn), _parted(bad, turn)) for turn in range(TURNS)]
    best = np.mean([_quality(good_b, bad_b, old) for (_, good_b), (_, bad_b) in parts])
    chosen = None
    for pull in PULLS:
        found = np.mean(
            [
                _quality(good_b, bad_b, fit_line(good_a, bad_a, old, pull=pull))
                for (good_a, good_b), (bad_a, bad_b) in parts
            ]
        )
        if found > best:
            best, chosen = found, pull
    if chosen is None:
        return old, False
    return fit_line(good, bad, old, pull=chosen), True


def _quality(good: list[NDArray[np.generic]], bad: list[NDArray[np.generic]], line: Line) -> float:
    """AUC; where that is the same, the wider gap between bad and good is better."""
    bads, goods = _pictures(bad, line), _pictures(good, line)
    gap = float(np.mean(bads) - np.mean(goods)) / (float(np.std(np.append(bads, goods))) + 0.1)
    return auc(bads, goods) + gap / 1000


def _parted(
    features: list[NDArray[np.generic]], turn: int
) -> tuple[list[NDArray[np.generic]], list[NDArray[np.generic]]]:
    """(to learn from, to judge by), another third in each turn."""
    judged = features[turn::TURNS]
    return [f for i, f in enumerate(features) if i % TURNS != turn], judged


def _pictures(features: list[NDArray[np.generic]], line: Line) -> NDArray[np.float32]:
    """Each picture's worst logit."""
    return np.array([line.scores(f).max() for f in features], np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)


def _thresholds(good: NDArray[np.float32], bad: NDArray[np.float32]) -> tuple[float, float]:
    """(reject, review) scores: the cut with the fewest mistakes; above 95 % of the good ones.

    With clear daylight between good and bad both lie in it, half and a quarter of the way: the
    held-out pictures are few, so their extremes flatter both sides alike.
    """
    cuts = np.unique(np.concatenate([good, bad]))
    between = (cuts[1:] + cuts[:-1]) / 2 if len(cuts) > 1 else cuts
    wrong = [np.mean(good >= cut) + np.mean(bad < cut) for cut in between]
    cut = float(between[int(np.argmin(wrong))])
    below = max((float(g) for g in good if g < cut), default=cut - 1)
    above = min((float(b) for b in bad if b >= cut), default=cut + 1)
    logits = np.array([below + (above - below) / 2, below + (above - below) / 4], np.float32)
    reject, review = (round(float(s), 4) for s in _sigmoid(logits))
    return max(0.0001, min(reject, 0.9999)), max(0.0001, min(review, reject))


def _write(base: Path, manifest: Manifest, model: bytes, name: str, report: TuneReport) -> None:
    """The new bundle, whole or not at all."""
    import tomllib

    out = report.bundle
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / manifest.file).write_bytes(model)
    for file in ("labels.txt", "LICENSE"):
        if (base / file).is_file():
            shutil.copyfile(base / file, part / file)
    table: dict[str, Any] = tomllib.loads((base / MANIFEST).read_text("utf-8"))
    positive = manifest.tiles.positive if manifest.tiles else ""
    table |= {
        "name": name,
        "version": "1.0.0",
        "description": f"{manifest.id}, taught on pictures of your own.",
        "sha256": {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(part.iterdir())
            if file.name in (manifest.file, "labels.txt")
        },
        "reject": {positive: report.reject},
        "review": {positive: report.review},
        "metrics": texts.metrics(report),
        "provenance": texts.provenance(manifest, msgspec.to_builtins(manifest.provenance)),
    }
    table.pop("alternatives", None)
    (part / MANIFEST).write_text(texts.toml(table), "utf-8")
    (part / "MODEL_CARD.md").write_text(texts.card(name, manifest, report), "utf-8")
    load_model(part).close()
    part.rename(out)
