"""The keyword network in torch: convolutions along time, residual, small enough for a controller.

The mels are the channels of the first layer, so every layer is one dense product: on processors
without instructions for bytes that is what int8 is not slow at, and float is fast.  A network is a
list of `Layer`; `Net` runs it for training and `keywords_export` builds the same in Keras for
TFLite.  Padding is TensorFlow's SAME, so that both are one network; the first layer has none, so
that the scale of the features folds into its weights exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np

FRAMES, MELS = 49, 40


@dataclass(frozen=True)
class Layer:
    """Convolution along time, scale, ReLU; `residual`: two of them, and a way past both."""

    channels: int
    kernel: int
    stride: int = 1
    residual: bool = True


LAYERS = [Layer(48, 5, 2, residual=False), Layer(48, 3), Layer(64, 5, 2), Layer(72, 5, 2)]


@dataclass(frozen=True)
class Folded:
    """A convolution with its scale in it: weight (out, in, time) and bias (out,)."""

    weight: np.ndarray
    bias: np.ndarray
    stride: int


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding, before and after."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class Conv(nn.Module):
    """Convolution without bias and batch normalisation."""

    def __init__(self, given: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(given, channels, kernel, stride, bias=False)
        self.norm = nn.BatchNorm1d(channels, momentum=0.05)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor, *, pad: bool = True) -> torch.Tensor:
        if pad:
            kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
            x = functional.pad(x, same(x.shape[2], kernel, stride))
        return self.norm(self.conv(x))

    def folded(self) -> Folded:
        """With the normalisation in the weights."""
        gain = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        bias = self.norm.bias - self.norm.running_mean * gain
        weight = self.conv.weight * gain[:, None, None]
        return Folded(weight.detach().numpy(), bias.detach().numpy(), self.conv.stride[0])


class Residual(nn.Module):
    """Two convolutions and the way past them."""

    def __init__(self, given: int, layer: Layer) -> None:
        super().__init__()
        self.first = Conv(given, layer.channels, layer.kernel, layer.stride)
        self.second = Conv(layer.channels, layer.channels, layer.kernel)
        changes = given != layer.channels or layer.stride != 1
        self.past = Conv(given, layer.channels, 1, layer.stride) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + (self.past(x) if self.past else x))


class Net(nn.Module):
    """Features (n, 49, 40) into logits (n, 12) and, for learning only, a teacher's embedding."""

    def __init__(
        self,
        layers: list[Layer],
        *,
        labels: int,
        embedded: int,
        mean: np.ndarray,
        deviation: np.ndarray,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))
        start, *rest = layers
        assert not start.residual
        self.start = Conv(MELS, start.channels, start.kernel, start.stride)
        widths = [layer.channels for layer in layers]
        self.blocks = nn.ModuleList(
            Residual(given, layer) for given, layer in zip(widths, rest, strict=False)
        )
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(widths[-1], labels)
        self.explained = nn.Linear(widths[-1], embedded)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = ((x - self.mean) / self.deviation).transpose(1, 2)
        x = torch.relu(self.start(x, pad=False))
        for block in self.blocks:
            x = block(x)
        pooled = x.mean(2)
        return self.head(self.drop(pooled)), self.explained(pooled)
