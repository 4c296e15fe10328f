"""A small ShiftNet in PyTorch, and its bit-shift twin with weights that are signed powers of two.

Modules of 1x1 convolution, BatchNorm, ReLU, spatial shift, 1x1 convolution with the module's stride,
BatchNorm and ReLU; then the module's input is added, through a 1x1 convolution and BatchNorm where the shape
changes. This is the order of the published ShiftResNet code.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from hwshift.network.shifts import modulo_shifts

__all__ = ["CscModule", "PowerOfTwo", "ShiftNet", "twin_of"]

P_MIN, P_MAX = -15, 0
"""Powers of the twin's weights: with the sign 5 bits."""


class CscModule(nn.Module):
    """Convolution, shift, convolution, and the module's input added."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.offsets = modulo_shifts(outputs)
        self.register_buffer("taps", _taps(self.offsets), persistent=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 1, stride=stride, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.short = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of both branches; no ReLU after it."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = functional.conv2d(y, self.conv2.weight * self.taps, stride=self.conv2.stride, padding=1)
        y = torch.relu(self.bn2(y))
        return y + (x if self.short is None else self.short(x))


def _taps(offsets: np.ndarray) -> torch.Tensor:
    """Per channel a 3x3 neighbourhood that is 1 at (dy, dx): times a 1x1 kernel it is shift and convolution."""
    taps = torch.zeros(1, len(offsets), 3, 3)
    taps[0, range(len(offsets)), offsets[:, 0] + 1, offsets[:, 1] + 1] = 1
    return taps


class ShiftNet(nn.Module):
    """3x3 stem, modules, global average pool, classifier.

    Parameters
    ----------
    inputs : int
        Channels of the image.
    width : int
        Channels of the stem; a module with stride 2 doubles them.
    strides : sequence of int
        Of the modules. Width 16 and strides 1 1 1 2 1 1 2 1 1 are ShiftResNet20-1.
    classes : int
    """

    def __init__(self, inputs: int, width: int, strides: Sequence[int], classes: int = 10) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(width)
        modules = []
        for stride in strides:
            modules.append(CscModule(width, width * stride, stride))
            width *= stride
        self.body = nn.Sequential(*modules)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = self.body(torch.relu(self.stem_bn(self.stem_conv(x))))
        return self.classifier(x.mean(dim=(2, 3)))


class _Round(torch.autograd.Function):
    """Round to powers of two; the gradient passes straight through."""

    @staticmethod
    def forward(_ctx, weight: torch.Tensor) -> torch.Tensor:
        powers = weight.abs().clamp(2.0**P_MIN, 2.0**P_MAX).log2().round().to(torch.int32)
        return torch.ldexp(weight.sign(), powers)

    @staticmethod
    def backward(_ctx, grad: torch.Tensor) -> torch.Tensor:
        return grad


class PowerOfTwo(nn.Module):
    """DeepShift-Q: ``sign(w) * 2**round(log2 |w|)``, |w| clamped to the powers; only an exact zero gives zero."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The rounded weights."""
        return _Round.apply(weight)


def twin_of(model: ShiftNet) -> ShiftNet:
    """A copy whose every convolution and linear weight is rounded to a power of two; BatchNorm stays."""
    twin = copy.deepcopy(model)
    for module in list(twin.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrize.register_parametrization(module, "weight", PowerOfTwo())
    return twin
