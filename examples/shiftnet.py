"""A small ShiftNet in PyTorch, and its bit-shift twin with weights that are signed powers of two.

Modules of 1x1 convolution, BatchNorm, ReLU, spatial shift, 1x1 convolution with the module's stride,
BatchNorm and ReLU; then the module's input is added, through a 1x1 convolution and BatchNorm where the shape
changes. This is the order of the published ShiftResNet code.
"""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from hwshift.network.shifts import modulo_shifts

__all__ = ["CscModule", "PowerOfTwo", "ShiftNet", "SpatialShift", "twin_of"]

P_MIN, P_MAX = -15, 0
"""Powers of the twin's weights: with the sign 5 bits."""


class _Moves(torch.autograd.Function):
    """``out[:, c, y, x] = in[:, c, y + dy_c, x + dx_c]``, zero outside; the gradient moves back."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, groups: list) -> torch.Tensor:
        ctx.groups = groups
        return _move(x, groups, 1)

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _move(grad, ctx.groups, -1), None


def _move(x: torch.Tensor, groups: list, sign: int) -> torch.Tensor:
    out = torch.zeros_like(x)
    height, width = x.shape[2:]
    for dy, dx, channels in groups:
        dy, dx = sign * dy, sign * dx
        source = x[:, channels, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        out[:, channels, max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)] = source
    return out


class SpatialShift(nn.Module):
    """3x3 spatial shift without parameters: each channel moves by its own (dy, dx)."""

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.offsets = modulo_shifts(channels, kernel)
        last = channels - channels % kernel**2  # the channels from here on do not move
        self._groups = [(int(dy), int(dx), slice(c, last, kernel**2))
                        for c, (dy, dx) in enumerate(self.offsets[: min(kernel**2, last)])]  # fmt: skip
        if last < channels:
            self._groups.append((0, 0, slice(last, channels)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The moved map."""
        return _Moves.apply(x, self._groups)


class CscModule(nn.Module):
    """Convolution, shift, convolution, and the module's input added."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.shift = SpatialShift(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 1, stride=stride, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.short = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of both branches; no ReLU after it."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(self.shift(y))))
        return y + (x if self.short is None else self.short(x))


class ShiftNet(nn.Module):
    """3x3 stem, modules, global average pool, classifier; for maps of one channel.

    Parameters
    ----------
    width : int
        Channels of the stem; a module with stride 2 doubles them.
    strides : sequence of int
        Of the modules.
    classes : int
    """

    def __init__(self, width: int = 16, strides: Sequence[int] = (2, 1, 2, 1), classes: int = 10) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(1, width, 3, padding=1, bias=False)
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
