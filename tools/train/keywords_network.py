"""The keyword network in torch: convolutions along time, residual, small enough for a controller.

A network is a list of `Layer`; `Net` runs it for training and `keywords_export` builds the same in
Keras for TFLite.  Padding is TensorFlow's SAME, so that both are one network; the first layer has
none, so that the scale of the features folds into its weights exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FRAMES, MELS = 49, 40


@dataclass(frozen=True)
class Layer:
    """One step along (time, frequency, channels).

    kind: "split" makes `channels` neighbouring mels the channels of one place on the frequency
    axis; "join" makes all that is on the frequency axis channels; "conv" is convolution, scale,
    ReLU; "residual" is conv, convolution and scale, plus the way past them, ReLU.
    """

    kind: str
    channels: int = 0
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: bool = True


@dataclass(frozen=True)
class Folded:
    """A convolution with its scale in it: weight (out, in, time, frequency) and bias (out,)."""

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    pad: bool


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding, before and after."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class Conv(nn.Module):
    """Convolution without bias and batch normalisation."""

    def __init__(self, given: int, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.conv = nn.Conv2d(given, layer.channels, layer.kernel, layer.stride, bias=False)
        self.norm = nn.BatchNorm2d(layer.channels, momentum=0.05)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.layer.pad:
            (kt, kf), (st, sf) = self.layer.kernel, self.layer.stride
            x = functional.pad(x, (*same(x.shape[3], kf, sf), *same(x.shape[2], kt, st)))
        return self.norm(self.conv(x))

    def folded(self) -> Folded:
        """With the normalisation in the weights."""
        gain = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        bias = self.norm.bias - self.norm.running_mean * gain
        weight = self.conv.weight * gain[:, None, None, None]
        return Folded(
            weight.detach().numpy(), bias.detach().numpy(), self.layer.stride, self.layer.pad
        )


class Residual(nn.Module):
    """Two convolutions and the way past them."""

    def __init__(self, given: int, layer: Layer) -> None:
        super().__init__()
        inner = Layer("conv", layer.channels, layer.kernel)
        past = Layer("conv", layer.channels, (1, 1), layer.stride)
        self.first, self.second = Conv(given, layer), Conv(layer.channels, inner)
        changes = given != layer.channels or layer.stride != (1, 1)
        self.past = Conv(given, past) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + (self.past(x) if self.past else x))


class Net(nn.Module):
    """Features (n, 49, 40) into logits (n, 12) and, for learning only, a teacher's embedding."""

    def __init__(
        self, layers: list[Layer], *, labels: int, embedded: int, mean: np.ndarray, scale: np.ndarray
    ) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.steps = nn.ModuleList()
        channels, places = 1, MELS
        for layer in layers:
            if layer.kind == "split":
                channels, places = layer.channels, places // layer.channels
            elif layer.kind == "join":
                channels, places = channels * places, 1
            else:
                step = Residual if layer.kind == "residual" else Conv
                self.steps.append(step(channels, layer))
                channels = layer.channels
                (_, kf), (_, sf) = layer.kernel, layer.stride
                places = -(-places // sf) if layer.pad else (places - kf) // sf + 1
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(channels, labels)
        self.explained = nn.Linear(channels, embedded)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = self.pooled(x)
        return self.head(self.drop(pooled)), self.explained(pooled)

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels)."""
        x = ((x - self.mean) / self.scale)[:, None]
        steps = iter(self.steps)
        for layer in self.layers:
            n, c, t, f = x.shape
            if layer.kind == "split":
                x = x.reshape(n, t, f // layer.channels, layer.channels).permute(0, 3, 1, 2)
            elif layer.kind == "join":
                x = x.permute(0, 2, 3, 1).reshape(n, t, 1, f * c).permute(0, 3, 1, 2)
            elif layer.kind == "residual":
                x = next(steps)(x)
            else:
                x = torch.relu(next(steps)(x))
        return x.mean((2, 3))
