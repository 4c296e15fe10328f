"""From what a user names to what the tools work on: network files and built-in networks, quantized and bound."""

from importlib import import_module
from pathlib import Path
from typing import Literal

from hwshift.config import AcceleratorConfig
from hwshift.errors import NetworkError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.bind import bind
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.zoo import NETWORKS, from_text, suggest

__all__ = ["LOADERS", "WeightKind", "load_network", "prepare"]

WeightKind = Literal["pow2", "fixed"]

LOADERS: dict[str, str] = {
    ".hwnet": "hwshift.network.serialize:load",
    ".onnx": "hwshift.importers.onnx_file:from_onnx",
}
"""Suffix of a network file to the function that reads it, ``module:function``; imported when it is needed."""


def load_network(text: str | Path, *, outline: bool = False) -> Network | FixedNetwork:
    """The network of a name or file.

    Parameters
    ----------
    text : str or Path
        A name of `hwshift.zoo.NETWORKS`; a file with a suffix of `LOADERS`; or the name of a published network,
        with options if wanted: ``ShiftNet-A@128,classes=10``.
    outline : bool
        A published network without weights, to count or draw; those whose weights are asked for keep them.

    Raises
    ------
    NetworkError
        When there is no such network, its options do not fit, or its file cannot be read.
    """
    name = str(text)
    if name.lower() in NETWORKS:
        return NETWORKS[name.lower()]()
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix in LOADERS and path.is_file():
        module, _, function = LOADERS[suffix].partition(":")
        return getattr(import_module(module), function)(path)
    network = None if suffix in LOADERS else from_text(name, weights="none" if outline else "float")
    if network is None:
        raise NetworkError(_unknown(path, suffix), where=name)
    return network


def _unknown(path: Path, suffix: str) -> str:
    if suffix in LOADERS:
        return "no such network file"
    if path.is_file():
        return f"a network file must end in {', '.join(LOADERS)}"
    near = suggest(path.name.partition("@")[0].partition(",")[0], tuple(NETWORKS))
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"no such network; {hint}built-in: {', '.join(NETWORKS)} and those of `hwshift networks`; "
        f"or a file that ends in {', '.join(LOADERS)}"
    )


def prepare(
    network: Network | FixedNetwork, config: AcceleratorConfig, weights: WeightKind | None = None
) -> FixedNetwork:
    """Quantize a float network as the accelerator needs it, and bind it to the accelerator's arithmetic.

    Parameters
    ----------
    network : Network or FixedNetwork
        A fixed-point network keeps its weights.
    config : AcceleratorConfig
    weights : "pow2", "fixed" or None
        How the weights of a float network are rounded; None: pow2 for shift_add, fixed for mac.

    Returns
    -------
    FixedNetwork
        Bound to ``config.arithmetic``.

    Raises
    ------
    NetworkError, QuantizeError
        When it cannot run in this arithmetic; names the layer.
    """
    if isinstance(network, Network):
        own: WeightKind = "pow2" if config.pe == "shift_add" else "fixed"
        kind = weights or own
        formats: dict[str, Pow2Format | QFormat | None] = {own: config.weights}
        network = quantize(network, act=config.act, weights=kind, weight_format=formats.get(kind))
    return bind(network, config.arithmetic)
