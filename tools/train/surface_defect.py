"""Train surface-defect: a tile classifier, int8 ONNX.  One command, seeds fixed.

    python -m tools.train.surface_defect --out models/surface-defect/0.1.0

Trained on made surfaces only (surfaces.py): no photograph is used.  Training, validation (which
chooses the thresholds) and test pictures come from different seeds.  Writes model.onnx, model.toml
and labels.txt; with --float also the network before it was quantised.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime import quantization
from torch import nn

from tools.train import bundle, figures, surfaces

MODEL = "model.onnx"
CLASSES = ["ok", "defect"]

TILE, STRIDE = 64, 48
BATCH = 48
"""Tiles in one run of the shipped model: a 1280x720 picture is 405 tiles, nine runs."""
MEAN, SCALE = 128.0, 1 / 64
SEED = 20261124
VALIDATION, TEST = SEED + 1_000_000, SEED + 2_000_000
MIN_DEFECT_PX = 14
"""A tile counts as a defect from here on; one with less, or only faint ones, is left out."""
FALSE_REJECTS, FALSE_REVIEWS = 1 / 1000, 1 / 400
"""Share of clean made tiles above the shipped thresholds."""


def tiles_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of a hundred made pictures: (n, 64, 64) uint8 and (n,) 0 or 1."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    pictures, labels = [], []
    for _ in range(100):
        picture, mask = surfaces.make(rng)
        for y, x in _corners(rng, mask):
            seen = mask[y : y + TILE, x : x + TILE]
            plain_px, any_px = int((seen == 255).sum()), int((seen > 0).sum())
            if plain_px >= MIN_DEFECT_PX or any_px == 0:
                pictures.append(picture[y : y + TILE, x : x + TILE])
                labels.append(plain_px > 0)
    return np.array(pictures), np.array(labels, np.int64)


def _corners(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Eight tiles anywhere and, where there is a defect, four that show some of it."""
    last = surfaces.SIZE - TILE
    anywhere = rng.integers(0, last + 1, (8, 2))
    spots = np.argwhere(mask == 255)
    if len(spots) == 0:
        return anywhere
    near = spots[rng.integers(0, len(spots), 4)] - rng.integers(4, TILE - 4, (4, 2))
    return np.concatenate([anywhere, np.clip(near, 0, last)])


def make_tiles(first: int, hundreds: int) -> tuple[np.ndarray, np.ndarray]:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.map(tiles_of, range(first, first + hundreds), chunksize=2)
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


class Net(nn.Module):
    """Grey tile -> two logits.  Half of the pooled features are maxima: a scratch is anywhere."""

    def __init__(self) -> None:
        super().__init__()
        widths = [1, 16, 32, 48, 64]
        layers: list[nn.Module] = []
        for index, (a, b) in enumerate(itertools.pairwise(widths)):
            layers += _convolution(a, b, kernel=5 if index == 0 else 3, stride=2)
        self.features = nn.Sequential(*layers, *_convolution(64, 64, kernel=3, stride=1))
        self.head = nn.Linear(128, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 64, 64) to (n, 2)."""
        y = self.features(x)
        pooled = [nn.functional.max_pool2d(y, 4), nn.functional.avg_pool2d(y, 4)]
        return self.head(torch.flatten(torch.cat(pooled, 1), 1))


def _convolution(a: int, b: int, *, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(a, b, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(b), nn.ReLU()]


def to_tensor(tiles: np.ndarray) -> np.ndarray:
    """As the manifest says: (pixel - 128) / 64."""
    return (tiles[:, None].astype(np.float32) - np.float32(MEAN)) * np.float32(SCALE)


def train(tiles: np.ndarray, labels: np.ndarray, epochs: int) -> Net:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # threads that wait for each other are slower on a busy machine
    net, size = Net().to(memory_format=torch.channels_last), 256
    runs = len(tiles) // size
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * runs)
    rng = np.random.default_rng(SEED)
    for epoch in range(epochs):
        order, total = rng.permutation(len(tiles)), 0.0
        for chosen in order[: runs * size].reshape(runs, size):
            batch = torch.from_numpy(to_tensor(_turned(rng, tiles[chosen])))
            target = torch.from_numpy(labels[chosen])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = net(batch.to(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(logits.float(), target, label_smoothing=0.01)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / runs:.4f}", flush=True)
    return net.to(memory_format=torch.contiguous_format).eval()


def _turned(rng: np.random.Generator, batch: np.ndarray) -> np.ndarray:
    """Any of the eight ways to lay a tile; the batch's own light."""
    if rng.random() < 0.5:
        batch = batch[:, :, ::-1]
    if rng.random() < 0.5:
        batch = batch[:, ::-1]
    if rng.random() < 0.5:
        batch = batch.transpose(0, 2, 1)
    lit = batch * np.float32(rng.uniform(0.8, 1.25)) + np.float32(rng.uniform(-12, 12))
    return np.clip(lit, 0, 255).astype(np.uint8)


class Calibration(quantization.CalibrationDataReader):
    """Some tiles, as tensors, in batches of the model's size."""

    def __init__(self, tiles: np.ndarray) -> None:
        starts = range(0, len(tiles) - BATCH + 1, BATCH)
        self._batches = iter([to_tensor(tiles[i : i + BATCH]) for i in starts])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """What the quantiser runs next; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"tiles": batch}


def export_float(net: Net, path: Path) -> None:
    whole = nn.Sequential(net, nn.Softmax(1)).eval()
    torch.onnx.export(
        whole, (torch.zeros(BATCH, 1, TILE, TILE),), str(path), input_names=["tiles"],
        output_names=["scores"], opset_version=17, dynamo=False,
    )  # fmt: skip


def quantise(plain: Path, tiles: np.ndarray, path: Path) -> None:
    """int8 by QDQ.  The first layer, one channel deep, stays float: as int8 it is 3x slower."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.onnx")
        quantization.quant_pre_process(str(plain), str(ready))
        nodes = onnx.load(str(ready)).graph.node
        first = [next(n.name for n in nodes if n.op_type == kind) for kind in ("Conv", "Relu")]
        quantization.quantize_static(
            str(ready), str(path), Calibration(tiles), quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8, per_channel=True, nodes_to_exclude=first,
            reduce_range=True,  # 7 bits of weight: processors without VNNI add up in 16 bits
            op_types_to_quantize=["Conv", "Relu", "Gemm", "MaxPool", "AveragePool", "Concat"],
        )  # fmt: skip
    made = onnx.load(str(path))
    plain_opset = [opset for opset in made.opset_import if not opset.domain]
    del made.opset_import[:]
    made.opset_import.extend(plain_opset)  # the tools declare domains that nothing here uses
    onnx.save(made, str(path))


def scores_of(model: Path, tiles: np.ndarray) -> np.ndarray:
    """Defect score of each tile; the rest of the last batch is left out."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    starts = range(0, len(tiles) - BATCH + 1, BATCH)
    found = [session.run(None, {"tiles": to_tensor(tiles[i : i + BATCH])})[0] for i in starts]
    return np.concatenate(found)[:, 1]


def thresholds(model: Path, hundreds: int) -> dict[str, float]:
    """From the validation pictures: rare scores among clean tiles."""
    tiles, labels = make_tiles(VALIDATION, hundreds)
    found = scores_of(model, tiles)
    clean = found[labels[: len(found)] == 0]
    share = {"reject": FALSE_REJECTS, "review": FALSE_REVIEWS}
    return {name: round(float(np.quantile(clean, 1 - s)), 3) for name, s in share.items()}


def tested(model: Path, hundreds: int, limits: dict[str, float]) -> dict[str, float]:
    tiles, labels = make_tiles(TEST, hundreds)
    found = scores_of(model, tiles)
    scratched = labels[: len(found)] == 1
    return {
        "made_tiles": len(found),
        "made_tile_auc": round(figures.auc(found[scratched], found[~scratched]), 4),
        "made_tile_recall_at_reject": round(
            float((found[scratched] >= limits["reject"]).mean()), 4
        ),
        "made_tile_false_rejects": round(float((found[~scratched] >= limits["reject"]).mean()), 5),
    }


def manifest(folder: Path, limits: dict[str, float], metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "surface-defect",
        "version": "0.1.0",
        "task": "tile-classification",
        "description": "Scratches and pits on surfaces, tile by tile; the worst tile decides.",
        "file": MODEL,
        "labels": CLASSES,
        "sha256": bundle.hashes(folder / MODEL, folder / bundle.LABELS),
        "image": {
            "width": TILE, "height": TILE, "layout": "NCHW", "colour": "GRAY",
            "interpolation": "area", "mean": [MEAN], "scale": [SCALE],
        },
        "tiles": {
            "width": TILE, "height": TILE, "stride": STRIDE, "longer_side": 1920, "batch": BATCH,
            "positive": "defect",
        },
        "output": {"decoder": "classification", "activation": "none"},
        "reject": {"defect": limits["reject"]},
        "review": {"defect": limits["review"]},
        "latency": {"budget_ms": 60.0},
        "provenance": {
            "trained_by": "tools/train/surface_defect.py",
            "data": ["surfaces drawn by tools/train/surfaces.py; no photograph"],
            "licence": "Apache-2.0",
        },
        "metrics": metrics,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--float", type=Path, help="keep the float model here")
    parser.add_argument("--hundreds", type=int, default=110, help="hundreds of made pictures")
    parser.add_argument("--epochs", type=int, default=18)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tiles, labels = make_tiles(SEED, options.hundreds)
    print(f"{len(tiles)} tiles, {labels.mean():.2f} with a defect", flush=True)
    net = train(tiles, labels, options.epochs)
    model = options.out / MODEL
    with tempfile.TemporaryDirectory() as folder:
        plain = options.float or Path(folder, "float.onnx")
        export_float(net, plain)
        quantise(plain, tiles[:: max(1, len(tiles) // 2000)], model)
        limits = thresholds(model, 20)
        print("float:", tested(plain, 20, limits))
    metrics = tested(model, 20, limits)
    print("int8: ", metrics, limits)
    bundle.write_labels(options.out, CLASSES)
    bundle.write(options.out, manifest(options.out, limits, metrics))


if __name__ == "__main__":
    main()
