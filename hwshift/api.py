"""The public interface: what the command line does, as functions.

A network is given as a name of the zoo, a file (``.onnx``, ``.hwnet``) or an object; a configuration as a preset's
name, a TOML file or an object; images as a `Dataset`, a path or None for seeded noise. Every function raises a
`hwshift.errors.HwshiftError` with one line that says what is wrong.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from warnings import warn

import numpy as np

from hwshift.compiler import compile as _compile
from hwshift.compiler.shift_mode import ShiftMode, with_shifts
from hwshift.config import AcceleratorConfig, load_config
from hwshift.cost.tables import load_table
from hwshift.data import Dataset, Images, load_for
from hwshift.data.dataset import Statistic
from hwshift.data.fit import Size
from hwshift.errors import SimulationError, ToolError
from hwshift.evaluation import Evaluation, parse_formats
from hwshift.evaluation import evaluate as _evaluate
from hwshift.generation import Design
from hwshift.generation import generate as _generate
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.hls.generation import HlsDesign, Style, generate_hls
from hwshift.hls.verification import HlsReport, verify_hls
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.program.image import Program
from hwshift.quantization import SaturationWarning, quantize_named
from hwshift.reports.report import Report
from hwshift.resolve import WeightKind, load_network, prepare
from hwshift.search import Goal, compile_for
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.stalls import StallPattern
from hwshift.simulation import SimulationReport
from hwshift.simulation import simulate as _simulate
from hwshift.tools import SIMULATORS
from hwshift.verification import VerifyReport
from hwshift.verification import verify as _verify
from hwshift.writing import check_writable

if TYPE_CHECKING:
    import torch

__all__ = [
    "compile",
    "evaluate",
    "from_torch",
    "generate",
    "load",
    "load_images",
    "quantize",
    "report",
    "simulate",
    "verify",
]

Net = str | Path | Network | FixedNetwork
Config = str | Path | AcceleratorConfig
Data = str | Path | Dataset | None
Keep = Literal["all", "outputs"]


def load(net: str | Path) -> Network | FixedNetwork:
    """A network of the zoo, an ONNX file or a saved network.

    Examples
    --------
    >>> hwshift.load("csc-small").parameters
    1170
    """
    return load_network(net)


def from_torch(module: "torch.nn.Module", example: "torch.Tensor", *, dynamo: bool = True) -> Network:
    """A PyTorch module as it computes at inference, read through PyTorch's ONNX exporter.

    Parameters
    ----------
    module : torch.nn.Module
    example : torch.Tensor of float32, shape (1, channels, height, width)
        An input; its size is that of the network.
    dynamo : bool
        Which exporter: the newer one, or the one that traces TorchScript.
    """
    from hwshift.importers import from_torch as read

    return read(module, example, dynamo=dynamo)


def load_images(
    net: Net,
    source: str | Path | None = None,
    *,
    mean: Statistic | None = None,
    std: Statistic | None = None,
    size: Size | None = None,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Images as a network takes them, normalised as its ``meta`` says.

    Parameters
    ----------
    net : name, path or network
    source : path, name or None
        A file or folder of PNG, JPEG, WebP or BMP images (sub-folders are classes), ``.npz``, ``.npy``, idx files,
        CIFAR-10 python batches, or ``fashion-test``; None: seeded noise.
    mean, std : float, or one per channel, or None
        In the place of the network's own.
    size : int, (height, width) or None
        Resize so that the shorter side has this length, or to this size, then cut out the centre.
    split : "train", "test" or None
    limit : int or None
        At most so many images, evenly spread over the source.
    seed : int
        Of the noise.
    """
    return load_for(_network(net), source, mean=mean, std=std, size=size, split=split, limit=limit, seed=seed)


def quantize(
    net: Net,
    *,
    weights: WeightKind = "pow2",
    act: str | int | QFormat = "Q16.16",
    weight_format: str | int | Pow2Format | QFormat | None = None,
    data: Data = None,
    limit: int | None = 256,
    percentile: float = 100.0,
    margin: float = 1.25,
    per_layer: bool = False,
    free_zero_code: bool = False,
    ps: str | Path | Mapping[str, np.ndarray] | None = None,
) -> FixedNetwork:
    """Round a float network to fixed point.

    A layer whose weights or, on `data`, values saturate gives a `hwshift.quantization.SaturationWarning`.

    Parameters
    ----------
    net : name, path or network
    weights : "pow2" or "fixed"
    act : str, QFormat or int
        Of maps and biases. A number of bits: chosen from the values on `data` (at most `limit` images).
    weight_format : str, Pow2Format, QFormat, int or None
        ``"-15..0"`` or ``"Q16.16"``; None: these (``"-14..0"`` with `ps`). A number of bits: chosen for the weights.
    percentile, margin : float
        Share of each layer's values, in percent, that a chosen format holds, and a factor for other images' values.
    per_layer, free_zero_code : bool
        Choose m and n for each layer, which `compile` refuses; round -2**p_min away in layers that need zero too.
    ps : path, mapping of str to ndarray, or None
        DeepShift-PS parameters (`hwshift.quantization.apply_ps`) to take the weights from.
    """
    network = _network(net)
    images = None if data is None else _data(network, data, limit, 0)
    rounded, told = quantize_named(
        network, weights, act, weight_format, ps, percentile, margin, per_layer, free_zero_code, images
    )
    for line in told.warnings:
        warn(line, SaturationWarning, stacklevel=2)
    return rounded


def compile(  # noqa: A001
    net: Net,
    config: Config = "8x8",
    *,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Keep = "outputs",
    minimize: Goal | None = None,
) -> Program:
    """Compile a network for an accelerator.

    Parameters
    ----------
    net : name, path or network
    config : preset, TOML file or AcceleratorConfig
    weights : "pow2", "fixed" or None
        How a float network is rounded; None: pow2 for shift_add, fixed for mac.
    shift : "fused", "moved" or None
        Spatial shifts within the reads of the layer after them, or as layers; None: as in the network.
    keep : "all" or "outputs"
        Which layers' maps are written to memory.
    minimize : "cycles", "dram", "energy" or None
        Compile in several ways and return the one that costs least; see `hwshift.search`.
    """
    network, accelerator = _bound(net, config, weights, shift)
    if minimize is not None:
        return compile_for(minimize, network, accelerator, keep=keep).program
    return _compile(network, accelerator, keep=keep)


def evaluate(
    net: Net,
    data: Data = None,
    *,
    config: Config | None = None,
    formats: Sequence[str] = (),
    weight_formats: Sequence[str] = (),
    guards: Sequence[str | int] = (),
    layers: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """Accuracy on images, agreement with the float network and errors against it, in each arithmetic asked for.

    Parameters
    ----------
    net : name, path or network
    data : Dataset, path or None
        None: 100 images of seeded noise, or `limit`.
    config : preset, TOML file, AcceleratorConfig or None
        Evaluate what this accelerator computes; None: fixed and pow2 weights in exact arithmetic.
    formats, weight_formats, guards : sequence of str
        Every combination is evaluated: of maps (``"Q8.8"``), of fixed weights (``"Q4.12"``) and powers of two
        (``"-15..0"``), of guard bits (``0``, ``"exact"``). Empty: Q16.16, Q16.16 and -15..0, exact.
    layers : bool
        Also compare the values of every layer: `Evaluation.layers`.
    limit : int or None
        At most so many images.
    """
    network = _network(net)
    images = _data(network, data, 100 if data is None and limit is None else limit, seed)
    chosen = parse_formats(formats, weight_formats, [str(guard) for guard in guards])
    accelerator = None if config is None else _config(config)
    return _evaluate(network, images, config=accelerator, formats=chosen, layers=layers)


def simulate(
    net: Net,
    config: Config = "8x8",
    *,
    data: Data = None,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Keep = "outputs",
    latency: int = 16,
    stalls: float = 0.0,
    clock_mhz: float = 200.0,
    seed: int = 0,
) -> SimulationReport:
    """Predict cycles, utilisation and traffic of one image, exactly as the RTL counts them.

    Parameters
    ----------
    net, config, weights, shift, keep
        As `compile`.
    data : Dataset, path or None
        Its first image is run; None: seeded noise.
    latency : int
        Cycles from a read address to its first data.
    stalls : float
        Share of cycles in which the memory holds up each channel of the bus.
    clock_mhz : float
        Clock to convert cycles with.
    """
    _check_clock(clock_mhz)
    network, accelerator = _bound(net, config, weights, shift)
    memory = _memory(latency, stalls, seed)
    image = _codes(network, data, 1, seed).codes[0]
    return _simulate(network, accelerator, image, keep=keep, memory=memory, clock_mhz=clock_mhz)


def generate(
    net: Net,
    out: str | Path,
    config: Config = "8x8",
    *,
    data: Data = None,
    limit: int = 1,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Keep = "all",
    hls: Style | None = None,
    target_ii: int | None = None,
    force: bool = False,
    seed: int = 0,
) -> Design | HlsDesign:
    """Write Verilog or C++, program and a self-checking bench into a folder.

    Parameters
    ----------
    net, config, weights, shift, keep
        As `compile`.
    out : path
        The folder; written as a whole or not at all.
    data : Dataset, path or None
        The bench runs its first `limit` images; None: seeded noise.
    hls : "engine", "stream" or None
        C++ for high-level synthesis instead of Verilog: the engine, or one process per layer.
    target_ii : int or None
        stream: cycles per image; None: the least for as many processing elements as the configuration has.
    force : bool
        Replace a folder that holds something.
    """
    network, accelerator = _bound(net, config, weights, shift)
    images = _codes(network, data, limit, seed)
    if hls is None:
        return _generate(network, accelerator, out, images, force=force, keep=keep)
    return generate_hls(
        network, accelerator, out, images, style=hls, target_ii=target_ii, keep=keep, force=force
    )


def verify(
    net: Net,
    config: Config = "8x8",
    *,
    data: Data = None,
    limit: int = 1,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Keep = "all",
    hls: Style | None = None,
    target_ii: int | None = None,
    simulator: str | None = "auto",
    stalls: float = 0.0,
    seed: int = 0,
) -> VerifyReport | HlsReport:
    """Compare golden model, functional simulator and RTL in every byte, cycle model and RTL in every counter.

    Parameters
    ----------
    net, config, weights, shift, keep
        As `compile`.
    data : Dataset, path or None
        Its first `limit` images are run; None: seeded noise.
    hls, target_ii
        As `generate`: the C simulation of that C++ is compared instead.
    simulator : "auto", "icarus", "verilator" or None
        None: without RTL.
    stalls : float
        As `simulate`.

    Returns
    -------
    VerifyReport or HlsReport
        Disagreement is reported (``ok``), not raised.
    """
    if simulator not in (None, "auto", *SIMULATORS):
        raise ToolError(f"must be None, auto, {', '.join(SIMULATORS)}, not {simulator!r}", where="simulator")
    network, accelerator = _bound(net, config, weights, shift)
    images = _codes(network, data, limit, seed).codes
    if hls is not None:
        return verify_hls(network, accelerator, images, style=hls, target_ii=target_ii, keep=keep)
    return _verify(network, accelerator, images, simulator=simulator, keep=keep, stalls=_stalls(stalls, seed))


def report(
    net: Net,
    out: str | Path,
    config: Config = "8x8",
    *,
    data: Data = None,
    limit: int | None = None,
    costs: str | Path = "45nm",
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Keep = "outputs",
    latency: int = 16,
    clock_mhz: float = 200.0,
    styles: bool = True,
) -> Report:
    """Write cycles, traffic and energy of one image, by layer, as a page.

    Parameters
    ----------
    net, config, weights, shift, keep
        As `compile`.
    out : path
        Of the page; JSON or the layer table as CSV where it ends in ``.json`` or ``.csv``.
    data : Dataset, path or None
        Labelled images to tell the accuracy on, at most `limit`.
    costs : str or path
        Unit costs: a name or a TOML file.
    latency, clock_mhz
        As `simulate`.
    styles : bool
        Compare with other elements, shifts and sizes of the array.
    """
    from hwshift.reports.html import write_html
    from hwshift.reports.make import make_report
    from hwshift.reports.writers import write_csv, write_json

    _check_clock(clock_mhz)
    check_writable(out)
    network = _network(net)
    result = make_report(
        network,
        _config(config),
        weights=weights,
        shift=shift,
        keep=keep,
        table=load_table(costs),
        memory=_memory(latency),
        clock_mhz=clock_mhz,
        images=None if data is None else lambda _: _data(network, data, limit, 0),
        styles=styles,
    )
    writers = {".json": write_json, ".csv": write_csv}
    writers.get(Path(out).suffix.lower(), write_html)(result, out)
    return result


def _network(net: Net) -> Network | FixedNetwork:
    return load_network(net) if isinstance(net, str | Path) else net


def _config(config: Config) -> AcceleratorConfig:
    return config if isinstance(config, AcceleratorConfig) else load_config(config)


def _bound(
    net: Net, config: Config, weights: WeightKind | None, shift: ShiftMode | None
) -> tuple[FixedNetwork, AcceleratorConfig]:
    accelerator = _config(config)
    return with_shifts(prepare(_network(net), accelerator, weights), shift), accelerator


def _data(network: Network | FixedNetwork, data: Data, limit: int | None, seed: int) -> Dataset:
    return data.first(limit) if isinstance(data, Dataset) else load_for(network, data, limit=limit, seed=seed)


def _codes(network: FixedNetwork, data: Data, limit: int, seed: int) -> Images:
    return Images.of(_data(network, data, limit, seed), network.act)


def _memory(latency: int, stalls: float = 0.0, seed: int = 0) -> MemoryTiming:
    if latency < 1:
        raise SimulationError(f"1 is the least, not {latency}", where="latency")
    return MemoryTiming(read_latency=latency, stalls=_stalls(stalls, seed))


def _stalls(density: float, seed: int) -> StallPattern | None:
    if seed < 0:
        raise SimulationError(f"0 is the least, not {seed}", where="seed")
    try:
        return StallPattern.random(density, seed) if density else None
    except ValueError as error:
        raise SimulationError(str(error)) from None


def _check_clock(clock_mhz: float) -> None:
    if not 0 < clock_mhz < math.inf:
        raise SimulationError(f"must be positive and finite, not {clock_mhz!r}", where="clock_mhz")
