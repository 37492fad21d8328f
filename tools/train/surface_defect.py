"""Train surface-defect: a tile classifier, int8 ONNX.  One command, seeds fixed.

    python tools/train/surface_defect.py --out models/surface-defect/0.1.0

Trained on made surfaces only (tools/train/surfaces.py).  Writes model.onnx and figures.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import surfaces
import torch
from onnxruntime import quantization
from torch import nn

TILE = 64
BATCH = 48
"""Tiles in one run of the shipped model: a 1280x720 picture is 240 tiles, five runs."""
SEED = 20261124
MIN_DEFECT_PX = 14
"""A tile with fewer pixels of a defect, and more than none, is left out of training."""


def tiles_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of some made pictures: (n, 64, 64) uint8 and (n,) 0 or 1."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    pictures, labels = [], []
    for _ in range(100):
        picture, mask = surfaces.make(rng)
        for _ in range(16):
            y, x = rng.integers(0, surfaces.SIZE - TILE, 2)
            tile, seen = picture[y : y + TILE, x : x + TILE], mask[y : y + TILE, x : x + TILE]
            defect_px = int((seen > 0).sum())
            if 0 < defect_px < MIN_DEFECT_PX:
                continue
            if defect_px == 0 and rng.random() < 0.4:
                continue
            pictures.append(tile)
            labels.append(defect_px > 0)
    return np.array(pictures), np.array(labels, np.int64)


def make_tiles(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.map(tiles_of, range(first, first + count), chunksize=4)
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


class Net(nn.Module):
    """Grey tile -> two logits.  Half of the pooled features are maxima: a scratch is anywhere."""

    def __init__(self) -> None:
        super().__init__()
        widths = [1, 16, 32, 48, 64]
        layers: list[nn.Module] = []
        for index, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            kernel = 5 if index == 0 else 3
            layers += [
                nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            ]
        self.features = nn.Sequential(*layers)
        self.last = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.head = nn.Linear(128, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.last(self.features(x))
        pooled = torch.cat([nn.functional.max_pool2d(y, 4), nn.functional.avg_pool2d(y, 4)], 1)
        return self.head(torch.flatten(pooled, 1))


def to_tensor(tiles: np.ndarray) -> torch.Tensor:
    """As the manifest says: (pixel - 128) / 64."""
    return (torch.from_numpy(tiles[:, None]).float() - 128.0) / 64.0


def train(tiles: np.ndarray, labels: np.ndarray, epochs: int) -> Net:
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    net, size = Net(), 256
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-4)
    steps = epochs * (len(tiles) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    rng = np.random.default_rng(SEED)
    for epoch in range(epochs):
        net.train()
        order, total = rng.permutation(len(tiles)), 0.0
        for start in range(0, len(tiles) - size + 1, size):
            chosen = order[start : start + size]
            batch = tiles[chosen]
            if rng.random() < 0.5:
                batch = batch[:, :, ::-1]
            if rng.random() < 0.5:
                batch = batch[:, ::-1]
            if rng.random() < 0.5:
                batch = batch.transpose(0, 2, 1)
            logits = net(to_tensor(np.ascontiguousarray(batch)))
            target = torch.from_numpy(labels[chosen])
            loss = nn.functional.cross_entropy(logits, target, label_smoothing=0.02)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / max(1, len(tiles) // size):.4f}", flush=True)
    return net.eval()


class Calibration(quantization.CalibrationDataReader):
    """Some tiles, as tensors, in batches of the model's size."""

    def __init__(self, tiles: np.ndarray) -> None:
        self._batches = iter(
            [to_tensor(tiles[i : i + BATCH]).numpy() for i in range(0, BATCH * 20, BATCH)]
        )

    def get_next(self):
        batch = next(self._batches, None)
        return None if batch is None else {"tiles": batch}


class WithSoftmax(nn.Module):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.net(x), 1)


def export(net: Net, tiles: np.ndarray, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, ready = Path(folder, "float.onnx"), Path(folder, "ready.onnx")
        torch.onnx.export(
            WithSoftmax(net).eval(), (torch.zeros(BATCH, 1, TILE, TILE),), str(plain),
            input_names=["tiles"], output_names=["scores"], opset_version=17, dynamo=False,
        )  # fmt: skip
        quantization.quant_pre_process(str(plain), str(ready))
        quantization.quantize_static(
            str(ready), str(out), Calibration(tiles),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            per_channel=True, op_types_to_quantize=["Conv", "Gemm", "MaxPool", "AveragePool", "Concat"],
        )  # fmt: skip
        (out.parent / "model-float.onnx").write_bytes(plain.read_bytes())


def scores_of(model: Path, tiles: np.ndarray) -> tuple[np.ndarray, float]:
    """Defect score of each tile, and ms for a 1280x720 picture's 240 tiles on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    found, spent = [], []
    for start in range(0, len(tiles) - BATCH + 1, BATCH):
        tensor = to_tensor(tiles[start : start + BATCH]).numpy()
        begin = time.perf_counter()
        found.append(session.run(None, {"tiles": tensor})[0][:, 1])
        spent.append(time.perf_counter() - begin)
    return np.concatenate(found), float(np.median(spent)) * 240 / BATCH * 1000


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    order = np.argsort(np.argsort(scores))
    positive = labels == 1
    n, m = int(positive.sum()), int((~positive).sum())
    return float((order[positive].sum() - n * (n - 1) / 2) / (n * m))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=70, help="hundreds of made pictures")
    parser.add_argument("--epochs", type=int, default=14)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tiles, labels = make_tiles(SEED, options.pictures)
    print(f"{len(tiles)} tiles, {labels.mean():.2f} with a defect", flush=True)
    check, truth = make_tiles(SEED + 1_000_000, 8)
    net = train(tiles, labels, options.epochs)
    model = options.out / "model.onnx"
    export(net, tiles[:: max(1, len(tiles) // 2000)], model)
    count = len(check) // BATCH * BATCH
    figures = {}
    for name in ("model-float.onnx", "model.onnx"):
        found, ms = scores_of(options.out / name, check)
        figures[name] = {
            "made_tiles": count,
            "auc": round(auc(found, truth[:count]), 4),
            "accuracy_at_0.5": round(float(((found > 0.5) == truth[:count]).mean()), 4),
            "ms_per_1280x720": round(ms, 2),
            "bytes": (options.out / name).stat().st_size,
        }
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
