"""The number contract in unbounded Python integers and plain loops, sharing nothing with the kernels."""

import math
from bisect import bisect
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import combinations, product

import numpy as np

from hwshift.network.fixed import (
    ChannelScale,
    Concat,
    Conv,
    Input,
    InstanceNorm,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
    Upsample,
)


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


@cache
def sigmoid(value, n, top):
    """The entry of the bin of ``value / 2**n``, from the definition, in 60 decimal digits."""
    index = math.floor((Fraction(value, 1 << n) + 8) * 64)
    centre = Fraction(-8) + Fraction(2 * min(max(index, 0), 1023) + 1, 128)
    with localcontext() as context:
        context.prec = 60
        exact = 1 / (1 + (-Decimal(centre.numerator) / Decimal(centre.denominator)).exp())
        return min(int((exact * (1 << n)).to_integral_value(ROUND_HALF_EVEN)), top)


def activate(activation, value, act):
    if activation.kind == "sigmoid":
        return sigmoid(value, act.n, (1 << (act.m + act.n - 1)) - 1)
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


def nearest_digits(m, digits):
    """The value nearest to m with so few digits; of two, the smaller in magnitude."""
    values = few_digits(digits, 17)
    above = bisect(values, m)
    return min(values[max(0, above - 1) : above + 1], key=lambda value: (abs(value - m), abs(value)))


def average(count, digits):
    """(m, s) with m = round(2**s / count), the largest s for which m < 2**17."""
    s = 62
    while (m := round(Fraction(1 << s, count))) >= 1 << 17:
        s -= 1
    assert m >= 1 << 16
    if digits is not None:
        m = nearest_digits(m, digits)
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


def pool(op, arithmetic, x, shape, act):
    """Accumulators, and (m, s) per pixel for averages; the input is in ``act``."""
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
                values.append(-(1 << (act.m + act.n - 1)))
            elif op.include_border:
                values.append(0)
        if op.kind == "avg":
            scales[c, oy, ox] = average(len(values), arithmetic.scale_digits)
        out[c][oy][ox] = (sum(values) if op.kind == "avg" else max(values)) << arithmetic.guard
    return out, scales


def scaled(value, m, places):
    """``floor(value * m / 2**places)``."""
    return math.floor(Fraction(value * m) / Fraction(2) ** places)


def gate_scales(gate, n, shape):
    """(m, s) of each value: the gate in 16 fraction bits."""
    mantissas = [math.floor(Fraction(channel[0][0] << 16, 1 << n)) for channel in gate]
    return {(c, y, x): (mantissas[c], 16) for c, y, x in product(*(range(extent) for extent in shape))}


def nearest_scale(value, limit, digits):
    """The (m, s) nearest to a float with 2**16 <= |m| < 2**17 or the largest s allowed, then with few digits."""
    exact, s = abs(Fraction(value)), limit
    if exact == 0:
        return 0, 0
    while round(exact * 2**s) >= 1 << 17:
        s -= 1
    assert s >= 0
    m = round(exact * 2**s)
    if digits is not None:
        m = nearest_digits(m, digits)
        if m == 1 << 17:
            m, s = 1 << 16, s - 1
    return (m if value > 0 else -m), s


def norm_scales(op, arithmetic, x, shape, fmt, out):
    """(m, s) and bias of each value of an instance normalisation."""
    scales, biases = {}, {}
    for c in range(shape[0]):
        values = [value for row in x[c] for value in row]
        count, total = len(values), sum(values)
        spread = count * sum(value * value for value in values) - total * total
        variance = np.float64(spread) / np.float64(count * count) / np.float64(4**fmt.n)
        mean = np.float64(total) / np.float64(count) / np.float64(2**fmt.n)
        scale = op.gamma[c] / np.sqrt(variance + np.float64(op.eps))
        offset = op.beta[c] - mean * scale
        pair = nearest_scale(float(scale), 62 - (arithmetic.guard + fmt.n - out.n), arithmetic.scale_digits)
        bias = round(Fraction(float(offset)) * 2**out.n)
        for y, z in product(range(shape[1]), range(shape[2])):
            scales[c, y, z], biases[c, y, z] = pair, bias
    return scales, biases


def epilogue(layer, places, acc, scales, biases, residual, act):
    """Values and how many of them saturated; the product is shifted by ``places`` and s, into ``act``."""
    e = layer.epilogue
    saturated = 0
    out = [[[0] * layer.shape[2] for _ in range(layer.shape[1])] for _ in range(layer.shape[0])]
    for c, y, x in product(*(range(extent) for extent in layer.shape)):
        m, s = scales.get((c, y, x), (int(e.m[c]), int(e.s[c])))
        total = scaled(acc[c][y][x], m, places + s) + biases.get((c, y, x), int(e.b[c]))
        value = saturate(total, act)
        over = value != total
        value = activate(e.activation, value, act)
        if residual is not None:
            total = value + residual[c][y][x]
            value = saturate(total, act)
            over = over or value != total
            value = activate(e.residual_activation, value, act)
        saturated += over
        out[c][y][x] = value
    return out, saturated


def move(op, inputs):
    if isinstance(op, Concat):
        return [channel for data in inputs for channel in data]
    x = inputs[0]
    if isinstance(op, Shuffle):
        return [x[i] for i in op.order.tolist()]
    if isinstance(op, Slice):
        return [x[c] for c in range(op.start, op.stop)]
    if isinstance(op, Upsample):
        rows, columns = op.factor
        return [
            [[channel[y // rows][z // columns] for z in range(len(channel[0]) * columns)]
             for y in range(len(channel) * rows)]
            for channel in x
        ]  # fmt: skip
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


def refraction(data, places):
    """Every code with that many more fraction bits: exactly, or by floor where they are fewer."""
    return [[[scaled(value, 1, -places) for value in row] for row in channel] for channel in data]


def accumulate(op, arithmetic, inputs, formats, shape, out):
    """Accumulators, their fraction bits beside G, scales and biases per value."""
    guard, n = arithmetic.guard, formats[0].n
    if isinstance(op, Conv):
        return conv(op, arithmetic, inputs[0], shape), n, {}, {}
    if isinstance(op, Pool):
        acc, scales = pool(op, arithmetic, inputs[0], shape, formats[0])
        return acc, n, scales, {}
    scales, biases, summed = {}, {}, inputs
    if isinstance(op, ChannelScale):
        scales, summed = gate_scales(inputs[1], formats[1].n, shape), inputs[:1]
    elif isinstance(op, InstanceNorm):
        scales, biases = norm_scales(op, arithmetic, inputs[0], shape, formats[0], out)
    else:
        assert isinstance(op, Sum)
        n = max(fmt.n for fmt in formats)
        summed = [refraction(data, n - fmt.n) for data, fmt in zip(inputs, formats, strict=True)]
    acc = [
        [[sum(data[c][y][z] for data in summed) << guard for z in range(shape[2])] for y in range(shape[1])]
        for c in range(shape[0])
    ]
    return acc, n, scales, biases


def trace(network, arithmetic, x):
    """One image through a network: (name -> int64 map, name -> saturated values)."""
    maps, saturated, formats = {}, {}, {}
    for layer in network.layers:
        op = layer.op
        inputs, own = [maps[name] for name in layer.inputs], [formats[name] for name in layer.inputs]
        act = layer.act or network.act
        if isinstance(op, Input):
            maps[layer.name] = np.asarray(x).tolist()
        elif layer.epilogue is None:
            maps[layer.name], act = move(op, inputs), own[0]
        else:
            act = own[0] if isinstance(op, Pool) and op.kind == "max" else act
            acc, n, scales, biases = accumulate(op, arithmetic, inputs, own, layer.shape, act)
            residual = None
            if layer.residual is not None:
                residual = refraction(maps[layer.residual], act.n - formats[layer.residual].n)
            maps[layer.name], saturated[layer.name] = epilogue(
                layer, arithmetic.guard + n - act.n, acc, scales, biases, residual, act
            )
        formats[layer.name] = act
    return {name: np.array(data, dtype=np.int64) for name, data in maps.items()}, saturated
