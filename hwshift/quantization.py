"""What rounding does to a network: errors of the weights and, on images, of every layer's values."""

from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from hwshift.data import Dataset, to_codes
from hwshift.errors import ConfigError, QuantizeError
from hwshift.evaluation import (
    Advance,
    Score,
    batch_size,
    check_labels,
    describe,
    finite,
    in_batches,
    own_arithmetic,
    score,
    sqnr_db,
)
from hwshift.golden import trace
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, FixedNetwork, FixedWeights
from hwshift.network.float_model import evaluate_all
from hwshift.network.graph import Network
from hwshift.network.quantize import float_layers, quantize

__all__ = ["LayerRounding", "Rounding", "parse_weight_format", "quantize_network"]

_SQRT2 = 2**0.5


@dataclass(frozen=True)
class LayerRounding:
    """One layer.

    Members
    -------
    name, kind : str
    weights : int
    low, high : float or None
        Smallest and largest float weight.
    weight_sqnr_db : float or None
        Signal to quantization noise of the weights; infinite where they are exact.
    clamped : int
        Weights beyond the largest power of two (a value beyond a fixed format is refused).
    raised : int
        Weights that are not 0 and below the smallest power of two, which they become.
    output_sqnr_db : float or None
        Of the layer's values on the images, against the float network.
    values, saturated : int or None
        The layer's values on the images, and how many of them saturation changed.
    """

    name: str
    kind: str
    weights: int = 0
    low: float | None = None
    high: float | None = None
    weight_sqnr_db: float | None = None
    clamped: int = 0
    raised: int = 0
    output_sqnr_db: float | None = None
    values: int | None = None
    saturated: int | None = None


@dataclass(frozen=True)
class Rounding:
    """A whole network.

    Members
    -------
    network, act, weight_format : str
    layers : tuple of LayerRounding
    images : int
        0: only weights were looked at.
    origin : str or None
        What the images are.
    scores : tuple of Score
        Of the float and of the rounded network, on the images.
    """

    network: str
    act: str
    weight_format: str
    layers: tuple[LayerRounding, ...]
    images: int = 0
    origin: str | None = None
    scores: tuple[Score, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """One line for each layer in which values saturate."""
        lines = []
        for layer in self.layers:
            if layer.clamped:
                lines.append(f"{layer.name}: {layer.clamped:,} of {layer.weights:,} weights are beyond "
                             f"{self.weight_format} and become its largest")  # fmt: skip
            if layer.saturated:
                lines.append(
                    f"{layer.name}: {layer.saturated:,} of {layer.values:,} values saturate in {self.act}"
                )
        return lines

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON; an infinite ratio is null."""
        layers = [
            asdict(layer)
            | {
                "weight_sqnr_db": finite(layer.weight_sqnr_db),
                "output_sqnr_db": finite(layer.output_sqnr_db),
            }
            for layer in self.layers
        ]
        scores = [asdict(item) | {"sqnr_db": finite(item.sqnr_db)} for item in self.scores]
        return asdict(replace(self, layers=(), scores=())) | {
            "layers": layers,
            "scores": scores,
            "warnings": self.warnings,
        }


def quantize_network(
    network: Network | FixedNetwork,
    *,
    weights: Literal["pow2", "fixed"] = "pow2",
    act: QFormat = QFormat(),
    weight_format: Pow2Format | QFormat | None = None,
    data: Dataset | None = None,
    advance: Advance | None = None,
) -> tuple[FixedNetwork, Rounding]:
    """Round a network as `hwshift.network.quantize.quantize` does, and say what that does to it.

    Parameters
    ----------
    network : Network
    weights : "pow2" or "fixed"
    act : QFormat
    weight_format : Pow2Format, QFormat or None
        None: powers -15 to 0, or Q16.16.
    data : Dataset or None
        With images, the layers' values are compared with the float network's, in exact arithmetic.
    advance : callable or None
        Is told how far it is.

    Raises
    ------
    NetworkError, QuantizeError
        As `quantize`; also for a network that is rounded already.
    DataError
        For labels that do not fit the network.
    """
    if isinstance(network, FixedNetwork):
        raise QuantizeError("it is quantized already: name a float network", where=network.name)
    rounded = quantize(network, act=act, weights=weights, weight_format=weight_format)
    source, chains = float_layers(network, weights)
    exact = {chain.name: chain.root.op for chain in chains}
    layers = [
        _weight_rounding(layer.name, exact[layer.name], layer.op.weights)
        if isinstance(layer.op, Conv)
        else LayerRounding(layer.name, type(layer.op).__name__.lower())
        for layer in rounded.layers
    ]
    fmt = weight_format or (Pow2Format() if weights == "pow2" else QFormat())
    result = Rounding(network.name, str(act), str(fmt), tuple(layers))
    return rounded, result if data is None else _on_images(result, source, rounded, data, advance)


def parse_weight_format(text: str, kind: Literal["pow2", "fixed"]) -> Pow2Format | QFormat:
    """Read ``Q2.14`` for fixed weights, ``-15..0`` or ``pow2[-15,0]`` for powers of two.

    Raises
    ------
    ConfigError
        For anything else, or a format of the other kind.
    """
    if kind == "fixed":
        return QFormat.parse(text)
    low, comma, high = text.strip().removeprefix("pow2[").removesuffix("]").replace("..", ",").partition(",")
    try:
        powers = int(low), int(high)
    except ValueError:
        comma = ""
    if not comma:
        raise ConfigError(f"powers of two are written -15..0 (smallest..largest), not {text!r}")
    return Pow2Format(*powers)


def _weight_rounding(name: str, op: ops.Op, weights: FixedWeights) -> LayerRounding:
    assert isinstance(op, ops.Conv2d | ops.Linear)
    values = op.weight.astype(np.float64).ravel()
    fmt, clamped, raised = weights.fmt, 0, 0
    if isinstance(fmt, Pow2Format):
        assert weights.powers is not None
        rounded = fmt.to_float(weights.values, weights.powers).ravel()
        magnitude = np.abs(values)
        clamped = int((magnitude >= 2.0**fmt.p_max * _SQRT2).sum())
        raised = int(((magnitude > 0) & (magnitude < 2.0**fmt.p_min / _SQRT2)).sum())
    else:
        rounded = np.asarray(fmt.to_float(weights.values)).ravel()
    ratio = sqnr_db(float((values**2).sum()), float(((values - rounded) ** 2).sum()))
    kind = "linear" if isinstance(op, ops.Linear) else "conv"
    return LayerRounding(
        name, kind, values.size, float(values.min()), float(values.max()), ratio, clamped, raised
    )


def _on_images(
    result: Rounding, source: Network, rounded: FixedNetwork, data: Dataset, advance: Advance | None
) -> Rounding:
    """Add what the images show."""
    classes = check_labels(source, data)
    arithmetic = own_arithmetic(rounded)
    bound, act = bind(rounded, arithmetic), rounded.act
    first, last = rounded.input.name, rounded.output.name

    def compare(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        expected = evaluate_all(source, images, dtype=np.float64)
        found = trace(bound, arithmetic, to_codes(images, act))
        energies = np.zeros((len(rounded.layers), 2))
        saturated = np.zeros(len(rounded.layers), np.int64)
        for i, layer in enumerate(rounded.layers):
            wanted = expected[layer.name].reshape(len(images), *layer.shape)
            energies[i] = (wanted**2).sum(), ((act.to_float(found[layer.name]) - wanted) ** 2).sum()
            saturated[i] = found.saturated.get(layer.name, 0)
        grid = np.floor(np.ldexp(expected[first], act.n))
        saturated[0] = np.count_nonzero((grid < act.min) | (grid > act.max))
        return energies, saturated, expected[last], np.asarray(act.to_float(found[last]))

    parts = dict(in_batches(compare, data.images, batch_size(rounded, len(data)), "comparing", advance))
    ordered = [parts[start] for start in sorted(parts)]
    energies = np.sum([part[0] for part in ordered], axis=0)
    saturated = np.sum([part[1] for part in ordered], axis=0)
    layers = tuple(
        replace(
            layer,
            output_sqnr_db=sqnr_db(*energies[i].tolist()),
            values=len(data) * int(np.prod(rounded.layers[i].shape)),
            saturated=int(saturated[i]),
        )
        for i, layer in enumerate(result.layers)
    )
    wanted, got = (np.concatenate([part[i] for part in ordered]) for i in (2, 3))
    kind = "pow2" if arithmetic.pe == "shift_add" else "fixed"
    scores = (
        score("float", "float64", wanted, data.labels, None, classes),
        score(kind, describe(arithmetic), got, data.labels, wanted, classes),
    )
    return replace(result, layers=layers, images=len(data), origin=data.origin, scores=scores)
