"""Checks of a fixed-point network: links, shapes, and that every number fits its field."""

import numpy as np

from hwshift.errors import NetworkError
from hwshift.golden.formats import MANTISSA_BITS, MAX_SHIFT, Pow2Format, QFormat
from hwshift.network import fixed
from hwshift.network.checks import Shape, check_array, check_padding, check_positive, window_size
from hwshift.network.layer_formats import LayerFormats, formats_of

__all__ = ["verify_fixed"]


_ARITY = {
    fixed.Input: (0, 0),
    fixed.Sum: (1, 2),
    fixed.ChannelScale: (2, 2),
    fixed.Concat: (1, 1 << 16),
}


def verify_fixed(network: fixed.FixedNetwork) -> fixed.FixedNetwork:
    """Check a whole network.

    Returns
    -------
    FixedNetwork
        Itself.

    Raises
    ------
    NetworkError
        One line that names the first layer found wrong.
    """
    if not isinstance(network.act, QFormat):
        raise NetworkError(f"its maps need a QFormat, not {network.act!r}", where=network.name)
    if not network.layers or not isinstance(network.layers[0].op, fixed.Input):
        raise NetworkError("the first layer must be the input", where=network.name)
    shapes: dict[str, Shape] = {}
    formats: dict[str, LayerFormats] = {}
    for layer in network.layers:
        try:
            _check_links(layer, shapes)
            expected = _shape(layer, [shapes[name] for name in layer.inputs])
            if layer.shape != expected:
                raise ValueError(f"its shape must be {expected}, not {layer.shape}")
            if not isinstance(layer.act, QFormat | None):
                raise ValueError(f"its map needs a QFormat or None, not {layer.act!r}")
            formats[layer.name] = formats_of(layer, network.act, formats)
            _check_epilogue(layer, formats[layer.name].output, shapes)
        except ValueError as error:
            raise NetworkError(str(error), where=layer.name) from None
        shapes[layer.name] = layer.shape
    return network


def _check_links(layer: fixed.FixedLayer, shapes: dict[str, Shape]) -> None:
    if not isinstance(layer.name, str) or not layer.name:
        raise ValueError("a layer needs a name")
    if layer.name in shapes:
        raise ValueError("two layers have this name")
    if isinstance(layer.op, fixed.Input) and shapes:
        raise ValueError("a network has one input, and it comes first")
    for name in (*layer.inputs, *([] if layer.residual is None else [layer.residual])):
        if name not in shapes:
            raise ValueError(f"its input {name!r} is no earlier layer")
    low, high = _ARITY.get(type(layer.op), (1, 1))
    if not low <= len(layer.inputs) <= high:
        raise ValueError(f"{type(layer.op).__name__} takes {low} to {high} inputs, not {len(layer.inputs)}")


def _shape(layer: fixed.FixedLayer, inputs: list[Shape]) -> Shape:
    """The output's shape that follows from the operation; checks its parameters."""
    match layer.op:
        case fixed.Input():
            return layer.shape
        case fixed.Conv() as op:
            return _conv_shape(op, inputs[0])
        case fixed.Pool() as op:
            check_positive(op.kernel, "kernel")
            check_positive(op.stride, "stride")
            check_padding(op.padding)
            if op.kind not in ("avg", "max"):
                raise ValueError(f"a pool is 'avg' or 'max', not {op.kind!r}")
            if any(op.padding[i] >= op.kernel[i % 2] for i in range(4)):
                raise ValueError(f"the padding {op.padding} must be smaller than the kernel {op.kernel}")
            return inputs[0][0], *window_size(inputs[0][1:], op.kernel, op.stride, op.padding)
        case fixed.Shift() as op:
            _check_ints(op.offsets, "offsets", (inputs[0][0], 2))
        case fixed.Shuffle() as op:
            _check_ints(op.order, "order", (inputs[0][0],))
            if not np.array_equal(np.sort(op.order), np.arange(inputs[0][0])):
                raise ValueError(f"order must be a permutation of 0..{inputs[0][0] - 1}")
        case fixed.Concat():
            if len({shape[1:] for shape in inputs}) > 1:
                raise ValueError(f"all inputs need the same rows and columns, not {inputs}")
            return sum(shape[0] for shape in inputs), *inputs[0][1:]
        case fixed.Sum():
            if len(set(inputs)) > 1:
                raise ValueError(f"both inputs need the same shape, not {inputs[0]} and {inputs[1]}")
        case fixed.ChannelScale():
            gate = inputs[0][0], 1, 1
            if inputs[1] != gate:
                raise ValueError(f"its gate must have the shape {gate}, not {inputs[1]}")
        case fixed.InstanceNorm() as op:
            _check_norm(op, inputs[0][0])
        case fixed.Slice() as op:
            if not all(isinstance(v, int) for v in (op.start, op.stop)) or not (
                0 <= op.start < op.stop <= inputs[0][0]
            ):
                raise ValueError(
                    f"a slice needs integers 0 <= start < stop <= {inputs[0][0]}, "
                    f"not {op.start!r} and {op.stop!r}"
                )
            return op.stop - op.start, *inputs[0][1:]
        case fixed.Upsample() as op:
            check_positive(op.factor, "factor")
            return inputs[0][0], op.factor[0] * inputs[0][1], op.factor[1] * inputs[0][2]
        case _:
            raise ValueError(f"unknown operation {type(layer.op).__name__}")
    return inputs[0]


def _check_norm(op: fixed.InstanceNorm, channels: int) -> None:
    for name, values in (("gamma", op.gamma), ("beta", op.beta)):
        check_array(values, name, channels)
        if values.dtype != np.float64:
            raise ValueError(f"{name} must be a float64 array, not {values.dtype}")
    if not isinstance(op.eps, float) or not 0 < op.eps < np.inf:
        raise ValueError(f"eps must be a positive finite float, not {op.eps!r}")


def _conv_shape(op: fixed.Conv, source: Shape) -> Shape:
    values = op.weights.values
    if values.ndim != 4 or values.size == 0:
        raise ValueError(f"weights need the shape (out, in / groups, rows, columns), not {values.shape}")
    _check_weights(op.weights)
    check_positive(op.stride, "stride")
    check_positive(op.dilation, "dilation")
    check_padding(op.padding)
    if op.groups < 1 or values.shape[0] % op.groups or values.shape[1] * op.groups != source[0]:
        raise ValueError(
            f"weights of the shape {values.shape} in {op.groups} groups do not fit {source[0]} input channels"
        )
    if op.shift is not None:
        _check_ints(op.shift, "shift", (source[0], 2))
        if values.shape[2:] != (1, 1) or any(op.padding):
            raise ValueError("only a 1x1 convolution without padding can carry a shift")
    size = window_size(source[1:], values.shape[2:], op.stride, op.padding, op.dilation)
    return values.shape[0], *size


def _check_weights(weights: fixed.FixedWeights) -> None:
    values, fmt = weights.values, weights.fmt
    if isinstance(fmt, Pow2Format):
        _check_ints(values, "weight signs", values.shape, -1, 1)
        if weights.powers is None:
            raise ValueError("pow2 weights need powers")
        _check_ints(weights.powers, "weight powers", values.shape, fmt.p_min, fmt.p_max)
        if (weights.powers[values == 0] != fmt.p_min).any():
            raise ValueError(f"the power beside a zero weight must be {fmt.p_min}")
    else:
        if weights.powers is not None:
            raise ValueError("fixed weights have no powers")
        _check_ints(values, "weights", values.shape, fmt.min, fmt.max)


def _check_epilogue(layer: fixed.FixedLayer, act: QFormat, shapes: dict[str, Shape]) -> None:
    moves = isinstance(layer.op, fixed.Input | fixed.Move)
    if moves != (layer.epilogue is None):
        raise ValueError(f"{type(layer.op).__name__} {'takes no' if moves else 'needs an'} epilogue")
    if layer.residual is not None and (moves or shapes[layer.residual] != layer.shape):
        raise ValueError(f"a residual of shape {shapes[layer.residual]} cannot be added to {layer.shape}")
    if layer.epilogue is None:
        return
    epilogue, channels = layer.epilogue, (layer.shape[0],)
    top = 1 << (MANTISSA_BITS - 1)
    _check_ints(epilogue.m, "scale mantissas", channels, -top, top - 1)
    _check_ints(epilogue.s, "scale shifts", channels, 0, MAX_SHIFT)
    _check_ints(epilogue.b, "biases", channels, act.min, act.max)
    for activation in (epilogue.activation, epilogue.residual_activation):
        if activation.kind not in ("none", "relu", "clamp", "sigmoid"):
            raise ValueError(f"unknown activation {activation.kind!r}")
        if activation.kind == "clamp" and not act.min <= activation.lo <= activation.hi <= act.max:
            limits = f"{activation.lo} and {activation.hi}"
            raise ValueError(f"clamp codes must be ordered within {act.min}..{act.max}, not {limits}")


def _check_ints(
    values: np.ndarray, name: str, shape: tuple[int, ...], low: int | None = None, high: int | None = None
) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != np.int64 or values.shape != shape:
        got = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise ValueError(f"{name} must be an int64 array of the shape {shape}, not {got}")
    if low is None or high is None or not values.size:
        return
    if not low <= values.min() <= values.max() <= high:
        worst = values.min() if values.min() < low else values.max()
        raise ValueError(f"{name} must lie in {low}..{high}, not {worst}")
