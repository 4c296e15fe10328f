"""Ranges of a network's values on images, and the format they ask for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from hwshift.data import Dataset
from hwshift.errors import ConfigError, QuantizeError
from hwshift.evaluation import Advance, batch_size, float_maps, in_batches
from hwshift.golden.formats import QFormat
from hwshift.network import ops
from hwshift.network.fuse import Chain
from hwshift.network.graph import Network
from hwshift.network.quantize import float_layers
from hwshift.quantization.formats import fixed_format

__all__ = ["Calibration", "LayerRange", "calibrate"]

_KEEPING = (
    ops.SpatialShift | ops.Concat | ops.ChannelShuffle | ops.ChannelSlice | ops.UpsampleNearest | ops.MaxPool
)
_KEYS = 1 << 15  # of a magnitude's float32: 8 bits of exponent and 7 of mantissa


@dataclass(frozen=True)
class LayerRange:
    """Values of one layer.

    Members
    -------
    name : str
    low, high : float
        Smallest and largest value on the images, what a residual is added to included.
    reach : float
        The magnitude that a format should hold: of the percentile times the margin, but no less than the largest
        bias, which cannot saturate.
    format : str
        The finest format of as many bits that holds it, and the reach of the layers that need the same one: those
        that only move data and maxima keep the format of what they read.
    """

    name: str
    low: float
    high: float
    reach: float
    format: str


@dataclass(frozen=True)
class Calibration:
    """Ranges of all layers.

    Members
    -------
    act : QFormat
        The finest format that suits all layers.
    bits : int
    percentile : float
        Share of each layer's values, in percent, that `reach` holds.
    margin : float
    images : int
    origin : str
        What they are.
    layers : tuple of LayerRange
    """

    act: QFormat
    bits: int
    percentile: float
    margin: float
    images: int
    origin: str
    layers: tuple[LayerRange, ...]

    @property
    def formats(self) -> dict[str, QFormat]:
        """For each layer the one that suits it best."""
        return {layer.name: QFormat.parse(layer.format) for layer in self.layers}

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON."""
        return asdict(replace(self, layers=())) | {
            "act": str(self.act),
            "layers": [asdict(layer) for layer in self.layers],
        }


def calibrate(
    network: Network,
    data: Dataset,
    *,
    bits: int,
    weights: Literal["pow2", "fixed"] = "pow2",
    percentile: float = 100.0,
    margin: float = 1.25,
    advance: Advance | None = None,
) -> Calibration:
    """Choose m and n of a network's maps from their values in floating point.

    Parameters
    ----------
    network : Network
    data : Dataset
        Images like those it is made for.
    bits : int
        m + n.
    weights : "pow2" or "fixed"
        BatchNorms are folded for fixed weights, which makes other biases.
    percentile : float
        100: the largest value counts. Less: this share of each layer's values, in percent, has to fit before the
        margin; the magnitude is then rounded up by at most 1/128.
    margin : float
        Factor for images that are not among these.
    advance : callable or None
        Is told how far it is.

    Raises
    ------
    ConfigError
        For a number of bits, percentile or margin that cannot be.
    QuantizeError
        When no format of so many bits holds the values; names the layer.
    """
    fixed_format(0, bits)
    if not 0 < percentile <= 100:
        raise ConfigError(f"must be more than 0 and at most 100, not {percentile!r}", where="percentile")
    if not 1 <= margin < math.inf:
        raise ConfigError(f"must be 1 or more, not {margin!r}", where="margin")
    source, chains = float_layers(network, weights)
    watched = {chain.name: _nodes(source, chain) for chain in chains}
    ranges = _measure(source, sorted({name for names in watched.values() for name in names}), data,
                      percentile, advance)  # fmt: skip
    reaches: dict[str, float] = {}
    for chain in chains:
        magnitude = max(ranges[name].magnitude(percentile) for name in watched[chain.name])
        reaches[chain.name] = max(magnitude * margin, _largest_bias(chain))
        try:
            fixed_format(reaches[chain.name], bits)
        except QuantizeError as error:
            raise QuantizeError(error.message, where=chain.name) from None
    layers = []
    for name, group in _groups(chains).items():
        low, high = (
            min(ranges[item].low for item in watched[name]),
            max(ranges[item].high for item in watched[name]),
        )
        fmt = fixed_format(max(reaches[other] for other in group), bits)
        layers.append(LayerRange(name, low, high, reaches[name], str(fmt)))
    act = fixed_format(max(reaches.values()), bits)
    return Calibration(act, bits, percentile, margin, len(data), data.origin, tuple(layers))


def _groups(chains: Sequence[Chain]) -> dict[str, set[str]]:
    """For each layer those that have to have its format, itself among them."""
    groups: dict[str, set[str]] = {}
    for chain in chains:
        groups[chain.name] = {chain.name}
        if isinstance(chain.root.op, _KEEPING):
            joined = set().union(groups[chain.name], *(groups[name] for name in chain.inputs))
            groups |= dict.fromkeys(joined, joined)
    return groups


@dataclass(frozen=True, eq=False)
class _Range:
    """Values of one node; ranges of parts add up to that of the whole.

    Members
    -------
    counts : ndarray of int64, shape (_KEYS,), or None
        Values by the upper 15 bits of the float32 nearest to their magnitude: 128 steps per power of two.
    """

    low: float
    high: float
    counts: np.ndarray | None

    @classmethod
    def of(cls, values: np.ndarray, histogram: bool) -> "_Range":
        counts = None
        if histogram:
            keys = np.abs(values).astype(np.float32).view(np.uint32) >> 16
            counts = np.bincount(keys.ravel(), minlength=_KEYS)
        return cls(float(values.min()), float(values.max()), counts)

    def __add__(self, other: "_Range") -> "_Range":
        counts = None if self.counts is None or other.counts is None else self.counts + other.counts
        return _Range(min(self.low, other.low), max(self.high, other.high), counts)

    def magnitude(self, percentile: float) -> float:
        """The least magnitude, up to a step, that so many percent of the values do not exceed."""
        largest = max(-self.low, self.high)
        if self.counts is None:
            return largest
        total = np.cumsum(self.counts)
        key = int(np.searchsorted(total, math.ceil(percentile / 100 * int(total[-1]))))
        upper = np.array([(key + 1) << 16], np.uint32).view(np.float32)[0]
        return min(float(upper), largest)


def _measure(
    network: Network, names: Sequence[str], data: Dataset, percentile: float, advance: Advance | None
) -> Mapping[str, _Range]:
    def work(images: np.ndarray) -> list[_Range]:
        maps = float_maps(network, names, images)
        return [_Range.of(maps[name], percentile < 100) for name in names]

    size = batch_size(network, len(data), every_map=True)
    totals: list[_Range] = []
    for _, found in in_batches(work, data.images, size, "ranges", advance):
        totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
    return dict(zip(names, totals, strict=True))


def _nodes(network: Network, chain: Chain) -> tuple[str, ...]:
    """Nodes whose values a layer's format has to hold: the layer's own, and what a residual is added to."""
    if chain.residual is None:
        return (chain.name,)
    node = network.node(chain.name)
    while not isinstance(node.op, ops.Add):
        node = network.node(node.inputs[0])
    return (chain.name, *node.inputs)


def _largest_bias(chain: Chain) -> float:
    """Magnitude of a layer's largest bias once its BatchNorms are a scale and an offset."""
    bias = chain.root.op.bias if isinstance(chain.root.op, ops.Conv2d | ops.Linear) else None
    offset = np.zeros(1) if bias is None else bias.astype(np.float64)
    for norm in chain.norms:
        factor, constant = norm.affine
        offset = offset * factor + constant
    return float(np.abs(offset).max())
