"""Quantization as a command line or a script names it: formats as text, DeepShift parameters as a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from hwshift.data import Dataset
from hwshift.errors import QuantizeError
from hwshift.evaluation import Advance, parse_weight_format
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.quantization.deepshift import PS_FORMAT, apply_ps, load_ps
from hwshift.quantization.report import Rounding, quantize_network

__all__ = ["quantize_named"]


def quantize_named(
    network: Network | FixedNetwork,
    weights: Literal["pow2", "fixed"],
    act: str | int | QFormat = "Q16.16",
    weight_format: str | int | Pow2Format | QFormat | None = None,
    ps: str | Path | Mapping[str, np.ndarray] | None = None,
    percentile: float = 100.0,
    margin: float = 1.25,
    per_layer: bool = False,
    free_zero_code: bool = False,
    data: Dataset | None = None,
    *,
    advance: Advance | None = None,
) -> tuple[FixedNetwork, Rounding]:
    """As `quantize_network`, also with texts.

    Parameters
    ----------
    act : str, int or QFormat
        ``"Q8.8"``, or a number of bits.
    weight_format : str, int, Pow2Format, QFormat or None
        ``"Q2.14"``, ``"-15..0"``, or a number of bits. None: as `quantize_network`, with `ps` the powers -14 to 0.
    ps : path, mapping of str to ndarray, or None
        A file for `load_ps`, or arrays for `apply_ps`.

    Raises
    ------
    ConfigError
        For texts that name no format; otherwise as `quantize_network`, `load_ps` and `apply_ps`.
    """
    if isinstance(act, str):
        act = int(act) if act.isdecimal() else QFormat.parse(act)
    if isinstance(weight_format, str):
        bits = weight_format.isdecimal()
        weight_format = int(weight_format) if bits else parse_weight_format(weight_format, weights)
    if ps is not None:
        if isinstance(network, FixedNetwork):
            raise QuantizeError("it is quantized already: name a float network", where=network.name)
        powers = weight_format if isinstance(weight_format, Pow2Format) else PS_FORMAT
        arrays = ps if isinstance(ps, Mapping) else load_ps(ps)
        network = apply_ps(network, arrays, powers, where="ps" if isinstance(ps, Mapping) else str(ps))
        if weight_format is None and weights == "pow2":
            weight_format = powers
    return quantize_network(
        network,
        weights=weights,
        act=act,
        weight_format=weight_format,
        percentile=percentile,
        margin=margin,
        per_layer=per_layer,
        free_zero_code=free_zero_code,
        data=data,
        advance=advance,
    )
