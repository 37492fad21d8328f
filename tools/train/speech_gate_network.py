"""The speech gate's network, twice: for learning on streams, and for one window at a time.

Six convolutions over time, of three steps each; the mels are the channels of the first.  Over a
stream each layer looks twice as far back as the one before (dilation 1, 2, 4 ...) and answers every
hop at the price of one.  For the answer about one window only every second, fourth ... step of a
layer is needed, so there the same weights run with stride 2 instead: 127 frames become 63, 31, 15,
7, 3, 1.  Both compute the same.

The first layer's kernels sum to zero: a gain, which adds the same number to every feature (as far
as `log_offset` lets it), changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np

CHANNELS = (64, 64, 80, 64, 64, 64)
PAST_FRAMES = 126
"""Before the newest; with it the window."""


class Gate(nn.Module):
    """Over streams."""

    def __init__(self, mels: int) -> None:
        super().__init__()
        before, layers, norms = mels, [], []
        for index, after in enumerate(CHANNELS):
            stride, dilation = (2, 1) if index == 0 else (1, 1 << (index - 1))
            layers.append(nn.Conv1d(before, after, 3, stride=stride, dilation=dilation, bias=False))
            norms.append(nn.BatchNorm1d(after))
            before = after
        self.layers, self.norms = nn.ModuleList(layers), nn.ModuleList(norms)
        self.head = nn.Conv1d(before, 1, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, hops) logits for (n, 126 + 2 hops - 1, mels)."""
        x = features.transpose(1, 2)
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = functional.conv1d(x, kernel_of(index, layer), None, layer.stride, 0, layer.dilation)
            x = functional.relu(norm(x))
        return self.head(x)[:, 0]


def kernel_of(index: int, layer: nn.Module) -> torch.Tensor:
    """(out, in, 3); of the first layer each sums to zero."""
    kernel = layer.weight
    return kernel - kernel.mean((1, 2), keepdim=True) if index == 0 else kernel


def folded(gate: Gate) -> list[tuple[np.ndarray, np.ndarray]]:
    """(kernel [time, 1, in, out], bias [out]) of each layer, the norms within; the head last."""
    found = []
    for index, (layer, norm) in enumerate(zip(gate.layers, gate.norms, strict=True)):
        gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        kernel = kernel_of(index, layer).double() * gain[:, None, None]
        found.append((kernel, norm.bias.double() - norm.running_mean.double() * gain))
    found.append((gate.head.weight, gate.head.bias))
    return [
        (
            kernel.detach().permute(2, 1, 0)[:, None].float().numpy(),
            bias.detach().float().numpy(),
        )
        for kernel, bias in found
    ]


def windowed(weights: list[tuple[np.ndarray, np.ndarray]], frames: int, mels: int) -> Any:
    """A Keras model of [1, frames, mels, 1] features to [1, 1], the probability of speech."""
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(1, frames, mels, 1))
    x, made = layers.Reshape((frames, 1, mels))(inputs), []
    for kernel, _ in weights[:-1]:
        layer = layers.Conv2D(kernel.shape[3], (3, 1), strides=(2, 1), activation="relu")
        x = layer(x)
        made.append(layer)
    head = layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(inputs, layers.Reshape((1,))(head(x)))
    for layer, (kernel, bias) in zip([*made, head], weights, strict=True):
        layer.set_weights([kernel, bias])
    return model
