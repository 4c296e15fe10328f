"""What a network is evaluated as: one model for each arithmetic that was asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.data import to_codes
from hwshift.errors import ConfigError, QuantizeError
from hwshift.evaluation.notation import parse_any_weight_format, parse_guard
from hwshift.golden import run, trace
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import Trace
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.layer_formats import LayerFormats, layer_formats
from hwshift.network.quantize import quantize
from hwshift.resolve import prepare

__all__ = [
    "Candidate",
    "FixedModel",
    "Formats",
    "Kind",
    "candidates",
    "describe",
    "own_arithmetic",
    "parse_formats",
]

Kind = Literal["pow2", "fixed"]


@dataclass(frozen=True)
class Formats:
    """Arithmetics to evaluate a network in: every combination of the three.

    Members
    -------
    maps : tuple of QFormat
        Of maps and biases. Empty: Q16.16.
    weights : tuple of QFormat or Pow2Format
        Of fixed weights and of powers of two. Empty: Q16.16 and the powers -15 to 0.
    guards : tuple of int or None
        Guard bits; None: as many as no term loses a bit with. Empty: these.
    """

    maps: tuple[QFormat, ...] = ()
    weights: tuple[QFormat | Pow2Format, ...] = ()
    guards: tuple[int | None, ...] = ()

    @property
    def given(self) -> bool:
        """Whether any of them is."""
        return bool(self.maps or self.weights or self.guards)


@dataclass(frozen=True, eq=False)
class FixedModel:
    """A network bound to an arithmetic, on float images.

    Members
    -------
    network : FixedNetwork
    arithmetic : Arithmetic
    """

    network: FixedNetwork
    arithmetic: Arithmetic

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """float64 outputs, shape (images, channels, height, width); on one thread."""
        return self._floats(run(self.network, self.arithmetic, self.codes(images), threads=1))

    def trace(self, images: np.ndarray) -> Trace:
        """Every layer's codes and saturation counts; on one thread."""
        return trace(self.network, self.arithmetic, self.codes(images), threads=1)

    def codes(self, images: np.ndarray) -> np.ndarray:
        """The images in the format of the input."""
        return to_codes(images, self._formats[self.network.input.name].output)

    def output_of(self, found: Trace) -> np.ndarray:
        """The outputs in a trace, as `outputs` gives them."""
        return self._floats(found.output)

    @property
    def lsb(self) -> float:
        """Value of the outputs' last bit."""
        return 2.0 ** -self._formats[self.network.output.name].output.n

    def _floats(self, codes: np.ndarray) -> np.ndarray:
        return np.asarray(self._formats[self.network.output.name].output.to_float(codes))

    @cached_property
    def _formats(self) -> dict[str, LayerFormats]:
        return layer_formats(self.network)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that may turn out not to be possible.

    Members
    -------
    name, detail : str
        For people.
    kind : "pow2" or "fixed"
        Of its weights: which float network its layers are compared with.
    make : callable
        Gives the `FixedModel`. Raises HwshiftError where the network does not fit.
    """

    name: str
    detail: str
    kind: Kind
    make: Callable[[], FixedModel]


def candidates(
    network: Network | FixedNetwork, config: AcceleratorConfig | None, formats: Formats
) -> list[Candidate]:
    """The models of a network that were asked for.

    Raises
    ------
    ConfigError
        For formats beside a configuration.
    QuantizeError
        For formats of a network that has its own.
    """
    if config is not None:
        if formats.given:
            raise ConfigError("it has formats and guard bits of its own: name either", where=config.name)
        own = config.arithmetic
        return [
            Candidate(
                config.name, describe(own), _kind(own), lambda: FixedModel(prepare(network, config), own)
            )
        ]
    if isinstance(network, FixedNetwork):
        return _of_fixed(network, formats)
    return list(_of_float(network, formats))


def _of_fixed(network: FixedNetwork, formats: Formats) -> list[Candidate]:
    if formats.maps or formats.weights:
        raise QuantizeError(
            f"it is quantized (maps {network.act}): for other formats name the float network",
            where=network.name,
        )
    own = own_arithmetic(network)
    kind = _kind(own)

    def candidate(guard: int | None) -> Candidate:
        def make() -> FixedModel:
            arithmetic = own.with_(guard=guard)
            return FixedModel(bind(network, arithmetic), arithmetic)

        return Candidate(kind + _guard_name(guard, formats), _words(own, guard), kind, make)

    return [candidate(guard) for guard in _unique(formats.guards) or (None,)]


def _of_float(network: Network, formats: Formats) -> Iterator[Candidate]:
    maps = _unique(formats.maps) or (QFormat(),)
    weights = _unique(formats.weights) or (QFormat(), Pow2Format())
    guards = _unique(formats.guards) or (None,)
    kinds = [type(fmt) for fmt in weights]
    for fmt in weights:
        several = kinds.count(type(fmt)) > 1
        for act in maps:
            for guard in guards:
                name = _weights_name(fmt, several) + (f" {act}" if len(maps) > 1 else "")
                yield _rounded(network, act, fmt, guard, name + _guard_name(guard, formats))


def _rounded(
    network: Network, act: QFormat, weights: QFormat | Pow2Format, guard: int | None, name: str
) -> Candidate:
    exact = _exact(act, weights)
    kind = _kind(exact)

    def make() -> FixedModel:
        arithmetic = exact.with_(guard=guard)
        rounded = quantize(network, act=act, weights=kind, weight_format=weights)
        return FixedModel(bind(rounded, arithmetic), arithmetic)

    return Candidate(name, _words(exact, guard), kind, make)


def _exact(act: QFormat, weights: QFormat | Pow2Format) -> Arithmetic:
    """The exact arithmetic of these formats, with the default accumulator or, where that is too narrow, 64 bits."""
    if isinstance(weights, QFormat):
        return Arithmetic("mac", act, weights)
    needed = act.bits - weights.p_min + 1
    return Arithmetic("shift_add", act, weights, acc_width=56 if needed <= 56 else 64)


def _weights_name(fmt: QFormat | Pow2Format, several: bool) -> str:
    if isinstance(fmt, Pow2Format):
        return str(fmt) if several else "pow2"
    return f"fixed[{fmt}]" if several else "fixed"


def _guard_name(guard: int | None, formats: Formats) -> str:
    if len(_unique(formats.guards)) < 2:
        return ""
    return " exact" if guard is None else f" G={guard}"


def _unique(items: Iterable) -> tuple:
    return tuple(dict.fromkeys(items))


def _kind(arithmetic: Arithmetic) -> Kind:
    return "pow2" if arithmetic.pe == "shift_add" else "fixed"


def own_arithmetic(network: FixedNetwork) -> Arithmetic:
    """The exact arithmetic of a network's own weights; mac where it has both kinds, or none."""
    found = [layer.op.weights.fmt for layer in network.layers if isinstance(layer.op, Conv)]
    powers = [fmt for fmt in found if isinstance(fmt, Pow2Format)]
    if powers and len(powers) == len(found):
        fmt = Pow2Format(min(item.p_min for item in powers), max(item.p_max for item in powers))
        return _exact(network.act, fmt)
    fixed = [fmt for fmt in found if isinstance(fmt, QFormat)]
    return _exact(network.act, fixed[0] if fixed else QFormat())


def describe(arithmetic: Arithmetic) -> str:
    """An arithmetic in a few words: array, weights and maps, guard bits."""
    return _words(arithmetic, None if arithmetic.exact else arithmetic.guard)


def _words(arithmetic: Arithmetic, guard: int | None) -> str:
    """An arithmetic with other guard bits, which it may turn out not to take."""
    exactness = "exact" if guard in (None, arithmetic.exact_guard) else f"G = {guard}"
    digits = "" if arithmetic.scale_digits is None else f", {arithmetic.scale_digits}-digit scales"
    return f"{arithmetic.pe} {arithmetic.weights} x {arithmetic.act}, {exactness}{digits}"


def parse_formats(maps: Sequence[str], weights: Sequence[str], guards: Sequence[str]) -> Formats:
    """Read arithmetics: Qm.n of maps; Qm.n, ``-15..0`` or ``pow2[-15,0]`` of weights; guard bits or ``exact``.

    Raises
    ------
    ConfigError
        For anything else.
    """
    return Formats(
        tuple(map(QFormat.parse, maps)),
        tuple(map(parse_any_weight_format, weights)),
        tuple(map(parse_guard, guards)),
    )
