"""The number contract in unbounded Python integers and plain loops, sharing nothing with the kernels."""

from fractions import Fraction
from functools import cache
from itertools import combinations, product

import numpy as np

from hwshift.network.fixed import Concat, Conv, Input, Pool, Shift, Shuffle, Sum


def term(arithmetic, x, value, power=None):
    """One weight's contribution to an accumulator."""
    if arithmetic.pe == "mac":
        return (x * value) >> (arithmetic.weights.n - arithmetic.guard)
    shifted = (x << (arithmetic.guard + arithmetic.weights.p_max)) >> (arithmetic.weights.p_max - power)
    return {-1: -shifted, 0: 0, 1: shifted}[value]


def clip(value, low, high):
    return low if value < low else high if value > high else value


def saturate(value, act):
    half = 1 << (act.m + act.n - 1)
    return clip(value, -half, half - 1)


def activate(activation, value):
    if activation.kind == "relu":
        return max(value, 0)
    if activation.kind == "clamp":
        return clip(value, activation.lo, activation.hi)
    return value


@cache
def few_digits(k, top):
    """All values with at most k signed digits at positions up to ``top``, ascending."""
    values = {0}
    for count in range(1, k + 1):
        for positions in combinations(range(top + 1), count):
            for signs in product((-1, 1), repeat=count):
                values.add(sum(sign << p for sign, p in zip(signs, positions, strict=True)))
    return sorted(values)


def average(count, digits):
    """(m, s) with m = round(2**s / count), the largest s for which m < 2**17."""
    s = 62
    while (m := round(Fraction(1 << s, count))) >= 1 << 17:
        s -= 1
    assert m >= 1 << 16
    if digits is not None:
        m = min(few_digits(digits, 17), key=lambda value: (abs(value - m), abs(value)))
        if m == 1 << 17:
            m, s = 1 << 16, s - 1
    return m, s


def conv(op, arithmetic, x, shape):
    inside = op.weights.values.shape[1]
    channels, rows, columns = shape
    height, width = len(x[0]), len(x[0][0])
    values = op.weights.values.tolist()
    powers = None if op.weights.powers is None else op.weights.powers.tolist()
    out = [[[0] * columns for _ in range(rows)] for _ in range(channels)]
    for o, oy, ox in product(range(channels), range(rows), range(columns)):
        for i in range(inside):
            c = o // (channels // op.groups) * inside + i
            move = (0, 0) if op.shift is None else op.shift[c].tolist()
            for u, v in product(range(len(values[o][i])), range(len(values[o][i][0]))):
                y = oy * op.stride[0] - op.padding[0] + u * op.dilation[0] + move[0]
                z = ox * op.stride[1] - op.padding[1] + v * op.dilation[1] + move[1]
                if 0 <= y < height and 0 <= z < width:
                    power = None if powers is None else powers[o][i][u][v]
                    out[o][oy][ox] += term(arithmetic, x[c][y][z], values[o][i][u][v], power)
    return out


def pool(op, arithmetic, x, shape):
    """Accumulators, and (m, s) per pixel for averages."""
    channels, rows, columns = shape
    height, width = len(x[0]), len(x[0][0])
    out = [[[0] * columns for _ in range(rows)] for _ in range(channels)]
    scales = {}
    for c, oy, ox in product(range(channels), range(rows), range(columns)):
        values = []
        for u, v in product(range(op.kernel[0]), range(op.kernel[1])):
            y, z = oy * op.stride[0] - op.padding[0] + u, ox * op.stride[1] - op.padding[1] + v
            if 0 <= y < height and 0 <= z < width:
                values.append(x[c][y][z])
            elif op.kind == "max":
                values.append(-(1 << (arithmetic.act.bits - 1)))
            elif op.include_border:
                values.append(0)
        if op.kind == "avg":
            scales[oy, ox] = average(len(values), arithmetic.scale_digits)
        out[c][oy][ox] = (sum(values) if op.kind == "avg" else max(values)) << arithmetic.guard
    return out, scales


def epilogue(layer, arithmetic, acc, scales, residual):
    """Values and how many of them saturated."""
    e, act = layer.epilogue, arithmetic.act
    saturated = 0
    out = [[[0] * layer.shape[2] for _ in range(layer.shape[1])] for _ in range(layer.shape[0])]
    for c, y, x in product(*(range(extent) for extent in layer.shape)):
        m, s = scales.get((y, x), (int(e.m[c]), int(e.s[c])))
        scaled = (acc[c][y][x] * m) // (1 << (arithmetic.guard + s)) + int(e.b[c])
        value = saturate(scaled, act)
        over = value != scaled
        value = activate(e.activation, value)
        if residual is not None:
            total = value + residual[c][y][x]
            value = saturate(total, act)
            over = over or value != total
            value = activate(e.residual_activation, value)
        saturated += over
        out[c][y][x] = value
    return out, saturated


def move(op, inputs):
    if isinstance(op, Concat):
        return [channel for data in inputs for channel in data]
    x = inputs[0]
    if isinstance(op, Shuffle):
        return [x[i] for i in op.order.tolist()]
    assert isinstance(op, Shift)
    height, width = len(x[0]), len(x[0][0])
    return [
        [
            [
                x[c][y + dy][z + dx] if 0 <= y + dy < height and 0 <= z + dx < width else 0
                for z in range(width)
            ]
            for y in range(height)
        ]
        for c, (dy, dx) in enumerate(op.offsets.tolist())
    ]


def trace(network, arithmetic, x):
    """One image through a network: (name -> int64 map, name -> saturated values)."""
    maps, saturated = {}, {}
    for layer in network.layers:
        op, scales = layer.op, {}
        inputs = [maps[name] for name in layer.inputs]
        if isinstance(op, Input):
            maps[layer.name] = np.asarray(x).tolist()
            continue
        if layer.epilogue is None:
            maps[layer.name] = move(op, inputs)
            continue
        if isinstance(op, Conv):
            acc = conv(op, arithmetic, inputs[0], layer.shape)
        elif isinstance(op, Pool):
            acc, scales = pool(op, arithmetic, inputs[0], layer.shape)
        else:
            assert isinstance(op, Sum)
            acc = [
                [
                    [sum(data[c][y][z] for data in inputs) << arithmetic.guard for z in range(layer.shape[2])]
                    for y in range(layer.shape[1])
                ]
                for c in range(layer.shape[0])
            ]
        residual = None if layer.residual is None else maps[layer.residual]
        maps[layer.name], saturated[layer.name] = epilogue(layer, arithmetic, acc, scales, residual)
    return {name: np.array(data, dtype=np.int64) for name, data in maps.items()}, saturated
