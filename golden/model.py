"""The golden model: a bound fixed network on integer inputs, bit for bit what the accelerator has to give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.convolution import convolve
from hwshift.golden.difference import Difference, compare
from hwshift.golden.epilogue import activation_range, apply_epilogue
from hwshift.golden.formats import Arithmetic
from hwshift.golden.general import aligned, apply_general
from hwshift.golden.maps import pool_counts, pool_max, pool_sum, shift_map, sum_maps, upsample_map
from hwshift.golden.norm import gate_mantissas, norm_scales
from hwshift.golden.scale import GATE_SHIFT, average_scale
from hwshift.golden.validate import check
from hwshift.network.fixed import (
    ChannelScale,
    Concat,
    Conv,
    FixedLayer,
    FixedNetwork,
    Input,
    InstanceNorm,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
    Upsample,
)
from hwshift.network.layer_formats import LayerFormats, layer_formats

__all__ = ["Difference", "Trace", "compare", "run", "trace"]

_CHUNK_BYTES = 64 << 20  # accumulators held at once; larger batches are cut


@dataclass(frozen=True)
class Trace(Mapping[str, np.ndarray]):
    """Every layer's map: a mapping from layer name to array, in execution order.

    Parameters
    ----------
    maps : dict of str to ndarray of int32, shape (images, channels, height, width)
        Without the first axis where the input had none.
    saturated : dict of str to int
        Per layer with an epilogue, the number of values that saturation changed.
    """

    maps: dict[str, np.ndarray]
    saturated: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def output(self) -> np.ndarray:
        """The last layer's map."""
        return self.maps[next(reversed(self.maps))]


def run(network: FixedNetwork, arithmetic: Arithmetic, x: np.ndarray) -> np.ndarray:
    """The network's output.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``arithmetic``: weights of the array's kind, scales with few enough digits, no overflow.
    arithmetic : Arithmetic
    x : ndarray of integers, shape (images, channels, height, width) or (channels, height, width)
        Codes in the input layer's format.

    Returns
    -------
    ndarray of int32, shape (images, channels, height, width), or without the first axis as in x

    Raises
    ------
    NetworkError
        For a malformed network, or an x of the wrong shape.
    QuantizeError
        For a network that is not bound to ``arithmetic``, or codes outside the input's format.
    TypeError
        If x does not hold integers.
    """
    return _execute(network, arithmetic, x, keep=False).output


def trace(network: FixedNetwork, arithmetic: Arithmetic, x: np.ndarray) -> Trace:
    """Every layer's map and saturation count; parameters and errors as in `run`."""
    return _execute(network, arithmetic, x, keep=True)


def _execute(network: FixedNetwork, arithmetic: Arithmetic, x: np.ndarray, keep: bool) -> Trace:
    check(network, arithmetic)
    formats = layer_formats(network)
    batch = _as_batch(network, formats, np.asarray(x))
    last_use = {name: layer.name for layer in network.layers for name in (*layer.inputs, layer.residual)}
    maps: dict[str, np.ndarray] = {}
    saturated: dict[str, int] = {}
    for layer in network.layers:
        if isinstance(layer.op, Input):
            maps[layer.name] = batch
            continue
        inputs = [maps[name] for name in layer.inputs]
        if layer.epilogue is None:
            maps[layer.name] = _move(layer, inputs)
        else:
            residual = None if layer.residual is None else maps[layer.residual]
            maps[layer.name], saturated[layer.name] = _compute(
                layer, formats[layer.name], inputs, residual, arithmetic
            )
        if not keep:
            for name in [name for name in maps if last_use.get(name) == layer.name]:
                del maps[name]
    if np.ndim(x) == 3:
        maps = {name: data[0] for name, data in maps.items()}
    return Trace(maps, saturated)


def _as_batch(network: FixedNetwork, formats: dict[str, LayerFormats], x: np.ndarray) -> np.ndarray:
    """The checked input as contiguous int32 with four axes."""
    if x.dtype.kind not in "iu":
        raise TypeError(f"x must hold integers, not {x.dtype}")
    shape = tuple(network.input.shape)
    if x.ndim not in (3, 4) or x.shape[-3:] != shape or len(x) == 0:
        raise NetworkError(
            f"the input must have shape {shape} or (images, {str(shape)[1:]}, not {x.shape}",
            where=network.input.name,
        )
    act = formats[network.input.name].output
    if x.min() < act.min or x.max() > act.max:
        raise QuantizeError(
            f"input codes must fit {act} ({act.min}..{act.max}), not {x.min()}..{x.max()}",
            where=network.input.name,
        )
    return np.ascontiguousarray(x.reshape(-1, *shape), np.int32)


def _move(layer: FixedLayer, inputs: list[np.ndarray]) -> np.ndarray:
    """Layers without an epilogue."""
    op = layer.op
    if isinstance(op, Shift):
        return shift_map(inputs[0], op.offsets)
    if isinstance(op, Concat):
        return np.concatenate(inputs, axis=1)
    if isinstance(op, Slice):
        return np.ascontiguousarray(inputs[0][:, op.start : op.stop])
    if isinstance(op, Upsample):
        return upsample_map(inputs[0], op.factor)
    assert isinstance(op, Shuffle)
    return np.ascontiguousarray(inputs[0][:, op.order])


def _compute(
    layer: FixedLayer,
    formats: LayerFormats,
    inputs: list[np.ndarray],
    residual: np.ndarray | None,
    arithmetic: Arithmetic,
) -> tuple[np.ndarray, int]:
    """A layer with an epilogue, in parts of the batch; returns the map and the number of saturated values."""
    images = len(inputs[0])
    out = np.empty((images, *layer.shape), np.int32)
    part = max(1, _CHUNK_BYTES // (8 * int(np.prod(layer.shape))))
    saturated = 0
    for first in range(0, images, part):
        rows = slice(first, first + part)
        own = [data[rows] for data in inputs]
        acc = _accumulate(layer, formats, own, arithmetic)
        m, s, b = _scales(layer, formats, own, arithmetic)
        acc = acc.reshape(-1, len(m), acc.shape[2])
        places = s + (arithmetic.guard + formats.excess)
        added = None if residual is None else residual[rows].reshape(acc.shape)
        values, count = _epilogue(layer, formats, acc, m, places, b, added)
        out[rows] = values.reshape(-1, *layer.shape)
        saturated += count
    return out, saturated


def _accumulate(
    layer: FixedLayer, formats: LayerFormats, inputs: list[np.ndarray], arithmetic: Arithmetic
) -> np.ndarray:
    """Accumulators, int64, shape (images, channels, pixels)."""
    op, guard = layer.op, arithmetic.guard
    if isinstance(op, Conv):
        return convolve(inputs[0], op, arithmetic)
    if isinstance(op, Sum):
        return sum_maps(inputs, guard, tuple(formats.fraction - fmt.n for fmt in formats.inputs))
    if isinstance(op, ChannelScale | InstanceNorm):
        return sum_maps(inputs[:1], guard)
    assert isinstance(op, Pool)
    if op.kind == "avg":
        return pool_sum(inputs[0], op, guard)
    return pool_max(inputs[0], op, guard, formats.inputs[0].min)


def _scales(
    layer: FixedLayer, formats: LayerFormats, inputs: list[np.ndarray], arithmetic: Arithmetic
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """m, s and b as int64.

    m and s have the shape (channels, 1), or (channels, pixels) for an average that excludes borders, or (images *
    channels, 1) where they depend on the image.
    """
    op, epilogue = layer.op, layer.epilogue
    assert epilogue is not None
    if isinstance(op, ChannelScale):
        try:
            m = gate_mantissas(inputs[1], formats.inputs[1]).reshape(-1, 1)
        except QuantizeError as error:
            raise QuantizeError(error.message, where=layer.name) from None
        return m, np.full_like(m, GATE_SHIFT), np.tile(epilogue.b, len(inputs[0]))
    if isinstance(op, InstanceNorm):
        scales = norm_scales(
            inputs[0], op, formats.inputs[0], formats.output, arithmetic.guard, arithmetic.scale_digits
        )
        m, s, b = (values.reshape(-1, 1) for values in scales)
        return m, s, b.ravel()
    b = np.ascontiguousarray(epilogue.b, np.int64)
    if isinstance(op, Pool) and op.kind == "avg":
        return *_average_scales(op, layer.shape[0], inputs[0], arithmetic), b
    m, s = np.ascontiguousarray([epilogue.m, epilogue.s], np.int64)
    return m[:, None], s[:, None], b


def _average_scales(
    op: Pool, channels: int, x: np.ndarray, arithmetic: Arithmetic
) -> tuple[np.ndarray, np.ndarray]:
    sizes, index = np.unique(pool_counts(x.shape[2:], op), return_inverse=True)
    scales = np.array([average_scale(int(size), arithmetic.scale_digits) for size in sizes], np.int64)
    per_pixel = scales[index] if len(sizes) > 1 else scales
    shape = (channels, len(per_pixel))
    m, s = (np.ascontiguousarray(np.broadcast_to(per_pixel[:, i], shape)) for i in range(2))
    return m, s


def _epilogue(
    layer: FixedLayer,
    formats: LayerFormats,
    acc: np.ndarray,
    m: np.ndarray,
    places: np.ndarray,
    b: np.ndarray,
    residual: np.ndarray | None,
) -> tuple[np.ndarray, int]:
    """The map and the number of saturated values; by the compiled kernel where activations are clips."""
    assert layer.epilogue is not None
    act = formats.output
    activations = layer.epilogue.activation, layer.epilogue.residual_activation
    plain = all(activation.kind != "sigmoid" for activation in activations)
    if plain and formats.residual in (None, act):
        low, high = (activation_range(each.kind, each.lo, each.hi, act) for each in activations)
        return apply_epilogue(acc, m, places, b, 0, act, (low, high), residual)
    if residual is not None and formats.residual is not None:
        residual = aligned(residual, formats.residual, act)
    return apply_general(acc, m, places, b, act, activations, residual)
