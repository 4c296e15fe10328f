"""PyTorch modules whose exported forms are the fixtures in ``data``; needs torch.

Written for these tests. Shift layers are written as people write them: with pads, slices, assignments, or a
depthwise convolution.
"""

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, kernel=1, stride=1, groups=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


class Subsample(nn.Module):
    """The parameter-free shortcut: every second pixel, channels of zeros on both sides."""

    def __init__(self, extra):
        super().__init__()
        self.extra = extra

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra // 2, self.extra // 2))


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.shortcut = shortcut

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn = conv(3, 8, 3), nn.BatchNorm2d(8)
        projection = nn.Sequential(conv(16, 24, 1, 2), nn.BatchNorm2d(24))
        self.blocks = nn.Sequential(
            Basic(8, 8, 1, nn.Identity()), Basic(8, 16, 2, Subsample(8)), Basic(16, 24, 2, projection)
        )
        self.classifier = nn.Linear(24, 10)

    def forward(self, x):
        y = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.classifier(F.adaptive_avg_pool2d(y, 1).flatten(1))


def shuffle(x, groups):
    count, channels, height, width = x.size()
    x = x.view(count, groups, channels // groups, height, width)
    return x.transpose(1, 2).contiguous().view(count, channels, height, width)


class ShuffleUnit(nn.Module):
    def __init__(self, inputs, outputs, groups, stride):
        super().__init__()
        self.groups, self.stride = groups, stride
        branch = outputs - inputs if stride == 2 else outputs
        middle = outputs // 4
        self.compress = nn.Sequential(conv(inputs, middle, groups=groups), nn.BatchNorm2d(middle), nn.ReLU())
        self.depthwise = nn.Sequential(conv(middle, middle, 3, stride, middle), nn.BatchNorm2d(middle))
        self.expand = nn.Sequential(conv(middle, branch, groups=groups), nn.BatchNorm2d(branch))

    def forward(self, x):
        y = self.expand(self.depthwise(shuffle(self.compress(x), self.groups)))
        if self.stride == 2:
            return F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1))
        return F.relu(x + y)


class ShuffleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 12, 3, 2), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.units = nn.Sequential(ShuffleUnit(12, 36, 3, 2), ShuffleUnit(36, 36, 3, 1))
        self.classifier = nn.Linear(36, 10)

    def forward(self, x):
        y = self.units(self.stem(x))
        return F.log_softmax(self.classifier(y.mean([2, 3])), dim=1)


class ShuffleUnitV2(nn.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            conv(half, half), nn.BatchNorm2d(half), nn.ReLU(), conv(half, half, 3, groups=half),
            nn.BatchNorm2d(half), conv(half, half), nn.BatchNorm2d(half), nn.ReLU())  # fmt: skip

    def forward(self, x):
        left, right = x.chunk(2, 1)
        return shuffle(torch.cat([left, self.branch(right)], 1), 2)


class ShuffleNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 8, 3, 2)
        self.units = nn.Sequential(ShuffleUnitV2(8), ShuffleUnitV2(8))

    def forward(self, x):
        return self.units(self.stem(x)).mean(3).mean(2)


OFFSETS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)]


class PadThenSlice(nn.Module):
    """Nine groups, each a window of the padded map."""

    def forward(self, x):
        height, width, size = x.shape[2], x.shape[3], x.shape[1] // 9
        padded = F.pad(x, (1, 1, 1, 1))
        parts = []
        for number, (dy, dx) in enumerate(OFFSETS):
            stop = x.shape[1] if number == 8 else (number + 1) * size
            parts.append(padded[:, number * size : stop, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width])
        return torch.cat(parts, 1)


class SliceThenPad(nn.Module):
    """Interleaved groups: what moves in is cut, zeros are added on the other side."""

    def forward(self, x):
        height, width = x.shape[2:]
        parts = []
        for number, (dy, dx) in enumerate(OFFSETS):
            cut = x[:, number::9, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
            parts.append(F.pad(cut, (max(-dx, 0), max(dx, 0), max(-dy, 0), max(dy, 0))))
        return torch.cat(parts, 1)


class NegativePad(nn.Module):
    """Four neighbours and the centre with pads of both signs."""

    def forward(self, x):
        up, down, left, right, rest = x.split([4, 4, 4, 4, x.shape[1] - 16], 1)
        moved = [
            F.pad(up, (0, 0, -1, 1)),
            F.pad(down, (0, 0, 1, -1)),
            F.pad(left, (-2, 2)),
            F.pad(right, (2, -2)),
        ]
        return torch.cat([*moved, rest], 1)


class Assigned(nn.Module):
    """Slices assigned into zeros, as in temporal shift modules."""

    def forward(self, x):
        out = torch.zeros_like(x)
        out[:, :5, 1:] = x[:, :5, :-1]
        out[:, 5:10, :-1] = x[:, 5:10, 1:]
        out[:, 10:15, :, 1:] = x[:, 10:15, :, :-1]
        out[:, 15:] = x[:, 15:]
        return out


class JoinedZeros(nn.Module):
    """First rows, then columns, with zeros joined to what is left."""

    def forward(self, x):
        row = torch.zeros_like(x[:, :, :1])
        down = torch.cat([row, x[:, :, :-1]], 2)
        return torch.cat([down[:, :, :, 1:], torch.zeros_like(x[:, :, :, :1])], 3)


class Depthwise(nn.Module):
    """A fixed kernel with one 1 per channel; every fifth channel has none."""

    def __init__(self, channels, dilation):
        super().__init__()
        self.dilation = dilation
        weight = torch.zeros(channels, 1, 3, 3)
        for channel in range(channels):
            if channel % 5 != 4:
                weight[channel, 0, channel // 3 % 3, channel % 3] = 1
        self.register_buffer("weight", weight)

    def forward(self, x):
        padding, channels = self.dilation, x.shape[1]
        return F.conv2d(x, self.weight, None, 1, padding, self.dilation, channels)


class ShiftNet(nn.Module):
    """Conv-shift-conv modules, one for every way to write a shift."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 20, 3)
        shifts = [PadThenSlice(), SliceThenPad(), NegativePad(), Assigned(), JoinedZeros()]
        shifts += [Depthwise(20, 1), Depthwise(20, 2)]
        self.shifts = nn.ModuleList(shifts)
        self.before = nn.ModuleList(conv(20, 20) for _ in shifts)
        self.after = nn.ModuleList(conv(20, 20) for _ in shifts)
        self.norms = nn.ModuleList(nn.BatchNorm2d(20) for _ in shifts)

    def forward(self, x):
        y = self.stem(x)
        for before, norm, shift, after in zip(self.before, self.norms, self.shifts, self.after, strict=True):
            y = y + after(shift(F.relu(norm(before(y)))))
        return y


class SqueezeExcite(nn.Module):
    def __init__(self, channels, expand):
        super().__init__()
        self.reduce, self.expand = nn.Linear(channels, channels // 4), nn.Linear(channels // 4, channels)
        self.expands = expand

    def forward(self, x):
        gate = F.adaptive_avg_pool2d(x, 1).view(x.shape[0], x.shape[1])
        gate = torch.sigmoid(self.expand(F.relu(self.reduce(gate)))).view(x.shape[0], x.shape[1], 1, 1)
        return x * gate.expand_as(x) if self.expands else gate * x


class SENet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            conv(3, 12, 3, bias=True),
            SqueezeExcite(12, True),
            nn.ReLU(),
            conv(12, 12, 3),
            SqueezeExcite(12, False),
        )

    def forward(self, x):
        return self.body(x)


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        middle = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            conv(inputs, middle), nn.BatchNorm2d(middle), nn.ReLU6(),
            conv(middle, middle, 3, stride, middle), nn.BatchNorm2d(middle), nn.ReLU6(),
            conv(middle, outputs), nn.BatchNorm2d(outputs))  # fmt: skip

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            conv(3, 8, 3, 2), nn.BatchNorm2d(8), nn.Hardtanh(0.0, 6.0),
            Inverted(8, 8, 1, 3), Inverted(8, 12, 2, 3))  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(12, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Linear(16, 10),
            nn.Softmax(1),
        )

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class FactorizedReduce(nn.Module):
    """As in differentiable architecture search: the second convolution starts one pixel later."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 8, 3)
        self.conv1, self.conv2, self.bn = conv(8, 4, 1, 2), conv(8, 4, 1, 2), nn.BatchNorm2d(8)

    def forward(self, x):
        x = F.relu(self.stem(x))
        return self.bn(torch.cat([self.conv1(x), self.conv2(x[:, :, 1:, 1:])], dim=1))


class Style(nn.Module):
    """Instance normalisation, upsampling, a decoder's concatenation."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(conv(3, 8, 3, 2), nn.InstanceNorm2d(8, affine=True), nn.ReLU())
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"), nn.ZeroPad2d(1), nn.Conv2d(8, 6, 3)
        )
        self.last = nn.Conv2d(9, 3, 3, padding=1)

    def forward(self, x):
        y = self.up(self.down(x))
        return torch.sigmoid(self.last(torch.cat([x, y], 1)))


class Picked(nn.Module):
    """Channels picked with tensors of indices, in the ways in which shuffles are written."""

    def __init__(self):
        super().__init__()
        self.stem, self.mix, self.last = conv(3, 12, 3), conv(12, 12, groups=3), conv(6, 4)
        self.register_buffer("order", torch.tensor([5, 0, 11, 2, 9, 4, 7, 6, 1, 8, 3, 10]))

    def forward(self, x):
        y = F.relu(self.stem(x)[:, self.order])
        y = torch.index_select(self.mix(y), 1, self.order)
        return self.last(y[:, [1, 3, 5, 7, 9, 11]])


MODULES = {
    "resnet": ResNet,
    "shufflenet": ShuffleNet,
    "shufflenet_v2": ShuffleNetV2,
    "shiftnet": ShiftNet,
    "senet": SENet,
    "mobilenet_v2": MobileNetV2,
    "factorized_reduce": FactorizedReduce,
    "style": Style,
    "picked": Picked,
}
"""All modules; each reads (1, 3, 16, 14)."""

SIZE = (1, 3, 16, 14)


def build(name):
    """The module in evaluation mode with random parameters and statistics, and an input."""
    torch.manual_seed(sum(map(ord, name)))
    module = MODULES[name]()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return module.eval(), torch.randn(SIZE)
