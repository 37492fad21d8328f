"""The network of surface-defect: a grey picture to one logit for each cell of 16 x 16 pixels.

Plain convolutions, so that ONNX Runtime and LiteRT run every layer on integers.  All padding is
explicit and the same in every runtime.  Sizes are chosen by measurement on a processor with AVX2
and without VNNI: channels in multiples of 16, three quarters of the work in 3x3 convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

CELL = 16
MEAN, SCALE = 128.0, 1 / 64
WEIGHT_LEVELS = 63
"""7 bits of weight: processors without VNNI add pairs of products up in 16 bits."""
LOGIT_STEP = 0.125
"""Of the quantised output: logits from -16 to 15.875."""


@dataclass(frozen=True)
class Layer:
    """One convolution with bias; all but the last end in a ReLU."""

    outputs: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    pads: tuple[int, int] = (1, 1)
    """Zeros before and behind each axis."""


LAYERS = (
    Layer(16, 8, stride=4, pads=(4, 0)),
    Layer(48, 3, stride=2, pads=(0, 1)),
    Layer(64, 3, stride=2, pads=(0, 1)),
    Layer(64, 3),
    Layer(64, 3, dilation=2, pads=(2, 2)),
    Layer(1, 1, pads=(0, 0)),
)


@dataclass
class Steps:
    """Quantisation of the activations behind each ReLU: real = step * q, q in 0..255."""

    ends: list[float] = field(default_factory=list)
    """Largest value of each."""


class Net(nn.Module):
    """(n, 1, h, w) pixels 0..255 to (n, 1, h / 16, w / 16) logits."""

    def __init__(self) -> None:
        super().__init__()
        inputs = 1
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for layer in LAYERS:
            is_last = layer is LAYERS[-1]
            self.convolutions.append(
                nn.Conv2d(
                    inputs, layer.outputs, layer.kernel, layer.stride, 0, layer.dilation,
                    layer.groups, bias=is_last,
                )
            )  # fmt: skip
            self.norms.append(nn.Identity() if is_last else nn.BatchNorm2d(layer.outputs))
            inputs = layer.outputs
        nn.init.constant_(self.convolutions[-1].bias, -3.0)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        y = pixels
        for index, layer in enumerate(LAYERS):
            y = padded(y, layer)
            if index == 0:
                y = (y - MEAN) * SCALE  # behind the padding: outside a picture it is black
            y = self.norms[index](self.convolutions[index](y))
            if layer is not LAYERS[-1]:
                y = functional.relu(y)
        return y


def padded(y: torch.Tensor, layer: Layer) -> torch.Tensor:
    before, behind = layer.pads
    return functional.pad(y, (before, behind, before, behind)) if before or behind else y


class Folded(nn.Module):
    """The net with its norms folded in; on request as it will be when quantised (QAT).

    Gradients pass the rounding as if it were not there.
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for index, convolution in enumerate(net.convolutions):
            weight = convolution.weight.detach().clone()
            norm = net.norms[index]
            if isinstance(norm, nn.BatchNorm2d):
                factor = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
                weight *= factor[:, None, None, None]
                bias = norm.bias.detach() - norm.running_mean * factor
            else:
                bias = convolution.bias.detach().clone()
            if index == 0:  # pixels as they are: (p - mean) * scale goes into the weights
                bias = bias - MEAN * SCALE * weight.sum((1, 2, 3))
                weight = weight * SCALE
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(bias))
        self.ends: list[float] | None = None
        """Largest activation behind each ReLU once calibrated: from then on quantised."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.activations(pixels)[-1]

    def activations(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """What each layer makes."""
        y, made = pixels, []
        for index, layer in enumerate(LAYERS):
            weight = self.weights[index]
            if self.ends is not None:
                weight = rounded_weight(weight)
            y = functional.conv2d(
                padded(y, layer), weight, self.biases[index], layer.stride, 0, layer.dilation,
                layer.groups,
            )  # fmt: skip
            if layer is not LAYERS[-1]:
                y = functional.relu(y)
                if self.ends is not None:
                    step = self.ends[index] / 255
                    y = _through(torch.clamp(torch.round(y / step), 0, 255) * step, y)
            elif self.ends is not None and not self.training:
                y = torch.clamp(torch.round(y / LOGIT_STEP), -128, 127) * LOGIT_STEP
            made.append(y)
        return made

    @torch.no_grad()
    def calibrate(self, pictures: list[torch.Tensor], share: float = 0.99995) -> None:
        """Fix the activations' ranges on some pictures (n, 1, h, w)."""
        self.ends = None
        ends = np.zeros(len(LAYERS) - 1)
        for picture in pictures:
            for index, made in enumerate(self.activations(picture)[:-1]):
                flat = made.flatten()
                rank = max(1, int(len(flat) * (1 - share)))
                ends[index] = max(ends[index], float(torch.topk(flat, rank).values[-1]))
        self.ends = [float(end) for end in ends]


def rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """Each output channel in 127 steps."""
    step = weight_steps(weight)
    return _through(torch.round(weight / step) * step, weight)


def weight_steps(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8) / WEIGHT_LEVELS


def _through(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`value` forwards, the gradient of `like` backwards."""
    return like + (value - like).detach()
