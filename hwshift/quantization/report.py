"""What rounding does to a network: errors of the weights and, on images, of every layer's values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np

from hwshift.data import Dataset
from hwshift.errors import QuantizeError
from hwshift.evaluation import (
    Advance,
    FixedModel,
    LayerScore,
    LayerTally,
    Score,
    batch_size,
    check_labels,
    describe,
    finite,
    float_maps,
    in_batches,
    own_arithmetic,
    sqnr_db,
    tally,
    tally_layers,
)
from hwshift.evaluation.scores import Tally
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, FixedNetwork
from hwshift.network.fuse import Chain
from hwshift.network.graph import Network
from hwshift.network.quantize import float_layers, quantize
from hwshift.quantization.calibrate import Calibration, calibrate
from hwshift.quantization.formats import weight_format as chosen_format
from hwshift.quantization.formats import weights_of
from hwshift.quantization.zero_code import free_zero_code as zero_code_freed
from hwshift.quantization.zero_code import in_conflict

__all__ = ["LayerRounding", "Rounding", "SaturationWarning", "quantize_network"]

_SQRT2 = 2**0.5


class SaturationWarning(UserWarning):
    """Values or weights of a layer are beyond their format."""


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
    moved : int
        Weights that would be the negative smallest power and were rounded to a neighbour, to have a code for zero.
    conflict : bool
        Whether zero and the negative smallest power are among the weights, which shift_add arrays refuse.
    weight_format : str or None
        The format of as many bits that would suit its weights alone, where a format was chosen.
    output : LayerScore or None
        The layer's values on the images, in exact arithmetic, against the float network.
    """

    name: str
    kind: str
    weights: int = 0
    low: float | None = None
    high: float | None = None
    weight_sqnr_db: float | None = None
    clamped: int = 0
    raised: int = 0
    moved: int = 0
    conflict: bool = False
    weight_format: str | None = None
    output: LayerScore | None = None


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
    calibration : Calibration or None
        The ranges that the format of the maps was chosen from.
    """

    network: str
    act: str
    weight_format: str
    layers: tuple[LayerRounding, ...]
    images: int = 0
    origin: str | None = None
    scores: tuple[Score, ...] = ()
    calibration: Calibration | None = None

    @property
    def warnings(self) -> list[str]:
        """One line for each layer whose weights or values saturate, or that shift_add arrays refuse."""
        lines = []
        for layer in self.layers:
            if layer.clamped:
                lines.append(f"{layer.name}: {layer.clamped:,} of {layer.weights:,} weights are beyond "
                             f"{self.weight_format} and become its largest")  # fmt: skip
            if layer.output is not None and layer.output.saturated:
                saturated, values = layer.output.saturated, layer.output.values
                lines.append(
                    f"{layer.name}: {saturated:,} of {values:,} values saturate in {layer.output.format}"
                )
            if layer.conflict:
                lines.append(f"{layer.name}: its weights hold 0 and the negative smallest power, which share a code: "
                             "free the zero code for a shift_add array")  # fmt: skip
        return lines

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON; an infinite ratio is null."""
        layers = [
            asdict(replace(layer, output=None))
            | {
                "weight_sqnr_db": finite(layer.weight_sqnr_db),
                "output": None if layer.output is None else layer.output.as_dict(),
            }
            for layer in self.layers
        ]
        return {
            "network": self.network,
            "act": self.act,
            "weight_format": self.weight_format,
            "images": self.images,
            "origin": self.origin,
            "layers": layers,
            "scores": [item.as_dict(self.images) for item in self.scores],
            "calibration": None if self.calibration is None else self.calibration.as_dict(),
            "warnings": self.warnings,
        }


def quantize_network(
    network: Network | FixedNetwork,
    *,
    weights: Literal["pow2", "fixed"] = "pow2",
    act: QFormat | int = QFormat(),
    weight_format: Pow2Format | QFormat | int | None = None,
    percentile: float = 100.0,
    margin: float = 1.25,
    per_layer: bool = False,
    free_zero_code: bool = False,
    data: Dataset | None = None,
    advance: Advance | None = None,
) -> tuple[FixedNetwork, Rounding]:
    """Round a network as `hwshift.network.quantize.quantize` does, and say what that does to it.

    Parameters
    ----------
    network : Network
    weights : "pow2" or "fixed"
    act : QFormat or int
        Of maps and biases. A number of bits: m and n are chosen by `calibrate` from the values on `data`.
    weight_format : Pow2Format, QFormat, int or None
        None: powers -15 to 0, or Q16.16. A number of bits: the finest format that holds the largest weight, or
        powers of two that end at it.
    percentile, margin : float
        Of `calibrate`.
    per_layer : bool
        Give each layer's map its own m and n of as many bits, for studies in the golden model: `compile` refuses them.
    free_zero_code : bool
        Round ``-2**p_min`` away in layers that need zero too, which shift_add arrays refuse otherwise.
    data : Dataset or None
        With images, the layers' values are compared with the float network's, in exact arithmetic.
    advance : callable or None
        Is told how far it is.

    Raises
    ------
    NetworkError, QuantizeError
        As `quantize` and `calibrate`; also for a network that is rounded already, or bits without images.
    ConfigError
        For a number of bits, percentile or margin that cannot be.
    DataError
        For labels that do not fit the network.
    """
    if isinstance(network, FixedNetwork):
        raise QuantizeError("it is quantized already: name a float network", where=network.name)
    source, chains = float_layers(network, weights)
    own: Mapping[str, str] = {}
    if isinstance(weight_format, int):
        weight_format, own = chosen_format(chains, weights, weight_format)
    if per_layer and not isinstance(act, int):
        raise QuantizeError(
            f"formats per layer are chosen for a number of bits, not {act}", where=network.name
        )
    calibration, formats = None, None
    if isinstance(act, int):
        if data is None:
            raise QuantizeError(
                f"images are needed to choose a format of {act} bits from", where=network.name
            )
        calibration = calibrate(
            network, data, bits=act, weights=weights, percentile=percentile, margin=margin, advance=advance
        )
        act = calibration.act
        formats = calibration.formats if per_layer else None
    rounded = quantize(network, act=act, weights=weights, weight_format=weight_format, formats=formats)
    moved: Mapping[str, int] = {}
    if free_zero_code:
        floats = {chain.name: values for chain in chains if (values := weights_of(chain)) is not None}
        rounded, moved = zero_code_freed(rounded, floats)
    fmt = weight_format or (Pow2Format() if weights == "pow2" else QFormat())
    layers = tuple(
        replace(item, moved=moved.get(item.name, 0), weight_format=own.get(item.name))
        for item in _weight_roundings(rounded, chains)
    )
    result = Rounding(network.name, str(act), str(fmt), layers, calibration=calibration)
    return rounded, result if data is None else _on_images(result, source, rounded, data, advance)


def _weight_roundings(rounded: FixedNetwork, chains: list[Chain]) -> list[LayerRounding]:
    exact = {chain.name: chain.root.op for chain in chains}
    return [
        _weight_rounding(layer.name, exact[layer.name], layer.op)
        if isinstance(layer.op, Conv)
        else LayerRounding(layer.name, type(layer.op).__name__.lower())
        for layer in rounded.layers
    ]


def _weight_rounding(name: str, op: ops.Op, conv: Conv) -> LayerRounding:
    assert isinstance(op, ops.Conv2d | ops.Linear)
    values, weights = op.weight.astype(np.float64).ravel(), conv.weights
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
    return LayerRounding(
        name,
        "linear" if isinstance(op, ops.Linear) else "conv",
        values.size,
        float(values.min()),
        float(values.max()),
        ratio,
        clamped,
        raised,
        conflict=in_conflict(conv),
    )


def _on_images(
    result: Rounding, source: Network, rounded: FixedNetwork, data: Dataset, advance: Advance | None
) -> Rounding:
    """Add what the images show."""
    classes = check_labels(source, data)
    arithmetic = own_arithmetic(rounded)
    model = FixedModel(bind(rounded, arithmetic), arithmetic)
    names = [layer.name for layer in rounded.layers]

    def compare(index: np.ndarray) -> tuple[LayerTally, Tally, Tally]:
        images = data.images[index[0] : index[-1] + 1]
        labels = None if data.labels is None else data.labels[index]
        expected = float_maps(source, names, images)
        found = model.trace(images)
        wanted = expected[names[-1]]
        return (
            tally_layers(rounded, found, images, expected),
            tally(wanted, labels, None, classes),
            tally(model.output_of(found), labels, wanted, classes),
        )

    totals: tuple[LayerTally, Tally, Tally] | None = None
    size = batch_size(source, len(data), every_map=True)
    for _, (layers, *pair) in in_batches(compare, np.arange(len(data)), size, "comparing", advance):
        if totals is None:
            totals = layers, pair[0], pair[1]
        else:
            totals = totals[0] + layers, totals[1] + pair[0], totals[2] + pair[1]
    assert totals is not None
    outputs = totals[0].scores(rounded, {item.name: item.kind for item in result.layers})
    kind = "pow2" if arithmetic.pe == "shift_add" else "fixed"
    scores = (
        totals[1].score("float", "float64"),
        totals[2].score(kind, describe(arithmetic), model.lsb),
    )
    layers_ = tuple(
        replace(layer, output=output) for layer, output in zip(result.layers, outputs, strict=True)
    )
    return replace(result, layers=layers_, images=len(data), origin=data.origin, scores=scores)
