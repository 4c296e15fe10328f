"""Errors of every layer's values against the float network, batch by batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from hwshift.evaluation.scores import finite, sqnr_db
from hwshift.golden.formats import QFormat
from hwshift.golden.model import Trace
from hwshift.network import ops
from hwshift.network.fixed import FixedNetwork
from hwshift.network.float_model import evaluate_all
from hwshift.network.fuse import Chain
from hwshift.network.graph import Network
from hwshift.network.layer_formats import layer_formats

__all__ = ["LayerScore", "LayerTally", "float_maps", "headroom_bits", "layer_kinds", "tally_layers"]


@dataclass(frozen=True)
class LayerScore:
    """One layer's values on a set of images.

    Members
    -------
    name, kind : str
    format : str
        Of the values.
    values : int
    saturated : int
        Values that saturation changed.
    largest : float
        Largest magnitude: of the float network's values, or of the layer's own where there is no float network.
    headroom_bits : float
        By how many doublings the format is larger than `largest`; negative where it is too small, infinite where
        all values are 0.
    sqnr_db, max_error, mean_error : float or None
        As in `Score`, of the layer's values; None without a float network.
    lsb : float
        Value of the last bit.
    """

    name: str
    kind: str
    format: str
    values: int
    saturated: int
    largest: float
    headroom_bits: float
    sqnr_db: float | None
    max_error: float | None
    mean_error: float | None
    lsb: float

    def as_dict(self) -> dict[str, object]:
        """All members, and errors in last bits, for JSON; what is infinite is null."""
        return asdict(self) | {
            "sqnr_db": finite(self.sqnr_db),
            "headroom_bits": finite(self.headroom_bits),
            "max_error_lsb": None if self.max_error is None else self.max_error / self.lsb,
            "mean_error_lsb": None if self.mean_error is None else self.mean_error / self.lsb,
        }


@dataclass(frozen=True, eq=False)
class LayerTally:
    """What the scores of all layers are made of; tallies of parts add up to that of the whole.

    Members
    -------
    images : int
    saturated : ndarray of int64, shape (layers,)
    sums : ndarray of float64, shape (layers, 3)
        Squares of the float values, squares of the differences, magnitudes of the differences.
    peaks : ndarray of float64, shape (layers, 2)
        Largest magnitude of a value and of a difference.
    compared : bool
        Whether there were float values.
    """

    images: int
    saturated: np.ndarray
    sums: np.ndarray
    peaks: np.ndarray
    compared: bool

    def __add__(self, other: "LayerTally") -> "LayerTally":
        return LayerTally(
            self.images + other.images,
            self.saturated + other.saturated,
            self.sums + other.sums,
            np.maximum(self.peaks, other.peaks),
            self.compared,
        )

    def scores(self, network: FixedNetwork, kinds: Mapping[str, str]) -> tuple[LayerScore, ...]:
        """One score per layer of the network that was counted."""
        out = []
        formats = layer_formats(network)
        for i, layer in enumerate(network.layers):
            values = self.images * math.prod(layer.shape)
            signal, noise, error = self.sums[i].tolist()
            largest, worst = self.peaks[i].tolist()
            act = formats[layer.name].output
            out.append(
                LayerScore(
                    layer.name,
                    kinds.get(layer.name, type(layer.op).__name__.lower()),
                    str(act),
                    values,
                    int(self.saturated[i]),
                    largest,
                    headroom_bits(act, largest),
                    sqnr_db(signal, noise) if self.compared else None,
                    worst if self.compared else None,
                    error / values if self.compared else None,
                    2.0**-act.n,
                )
            )
        return tuple(out)


def headroom_bits(fmt: QFormat, largest: float) -> float:
    """How often a magnitude can be doubled before it leaves a format; negative where it is outside."""
    return math.inf if largest == 0 else fmt.m - 1 - math.log2(largest)


def tally_layers(
    network: FixedNetwork, found: Trace, images: np.ndarray, expected: Mapping[str, np.ndarray] | None
) -> LayerTally:
    """Count one batch.

    Parameters
    ----------
    network : FixedNetwork
    found : Trace
        Its maps and saturation counts.
    images : ndarray of float, shape (images, channels, height, width)
        What the codes of its input were made of.
    expected : mapping of str to ndarray of float, or None
        The float network's maps, one for each layer's name.
    """
    count, formats = len(network.layers), layer_formats(network)
    saturated = np.zeros(count, np.int64)
    sums, peaks = np.zeros((count, 3)), np.zeros((count, 2))
    for i, layer in enumerate(network.layers):
        saturated[i] = found.saturated.get(layer.name, 0)
        own = np.asarray(formats[layer.name].output.to_float(found[layer.name]))
        if expected is None:
            peaks[i, 0] = np.abs(own).max()
            continue
        wanted = expected[layer.name].reshape(own.shape)
        difference = np.abs(own - wanted)
        sums[i] = (wanted**2).sum(), (difference**2).sum(), difference.sum()
        peaks[i] = np.abs(wanted).max(), difference.max()
    act = formats[network.input.name].output
    grid = np.floor(np.ldexp(images.astype(np.float64), act.n))
    saturated[0] = np.count_nonzero((grid < act.min) | (grid > act.max))
    return LayerTally(len(images), saturated, sums, peaks, expected is not None)


def layer_kinds(chains: Sequence[Chain]) -> dict[str, str]:
    """What each layer is, for people; a fully connected one differs from the convolution it becomes."""
    return {chain.name: "linear" for chain in chains if isinstance(chain.root.op, ops.Linear)}


def float_maps(network: Network, names: Sequence[str], images: np.ndarray) -> dict[str, np.ndarray]:
    """The float64 maps of some nodes."""
    maps = evaluate_all(network, images, dtype=np.float64)
    return {name: maps[name] for name in names}
