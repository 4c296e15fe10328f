"""What no schedule of the engine beats: a bound on cycles, and the traffic that cannot be avoided.

Both come from the network and the configuration alone; nothing of the compiler is used. Two servers, the bus and the
array, work on the weight tiles in order, without any latency::

    loaded[i] = max(loaded[i - 1], begun[i - B - 1]) + beats of a tile
    begun[i]  = max(ended[i - 1], loaded[i])
    ended[i]  = begun[i] + max(steps, ceil(R / W_r))

The weight buffer is a FIFO of B tiles; the array's second set of weight registers holds one more. The first layer does
not end before the input has arrived, which the bus carries behind that layer's weights.

Steps of a tile are output pixels / P. A convolution has ``taps * ceil(Cin / R) * ceil(Cout / C)`` tiles per group, or
per as many whole groups as fit the array together: a depthwise convolution has ``taps * ceil(channels / R)``. Channels
of a network input of at most four stand side by side, as many kernel positions as fit: ``ceil(taps / floor(R / 3))``.
Pools, sums and shifts that move data are depthwise with one constant tile. Concatenations, shuffles and slices are
names. With ``row_taps`` a depthwise convolution or average pool has a tile for every `row_windows` of its kernel, where
these take fewer cycles, and two steps more for every row.
"""

import math
from dataclasses import dataclass

from hwshift.config import AcceleratorConfig
from hwshift.errors import DataError
from hwshift.network.depthwise import depthwise_kernel
from hwshift.network.fixed import (
    ChannelScale,
    Concat,
    Conv,
    FixedLayer,
    FixedNetwork,
    Input,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
    Upsample,
)
from hwshift.program.isa import INPUT_CHANNELS
from hwshift.program.row_taps import LEAD_STEPS, share_a_tile, windows_that_pay

__all__ = ["Bound", "LayerWork", "compulsory_bytes", "cycle_bound", "layer_works", "multiplications"]


@dataclass(frozen=True)
class LayerWork:
    """What the array has to do for one layer.

    Members
    -------
    name : str
    passes : int
        k-tiles of all output tiles.
    steps : int
        Of each pass.
    constant : bool
        Whether one weight tile serves all passes.
    diagonal : bool
        Whether each column has one lane only: at most one multiplication in R is useful.
    macs : int
        Useful multiplications; those of convolutions.
    """

    name: str
    passes: int
    steps: int
    constant: bool = False
    diagonal: bool = False
    macs: int = 0


@dataclass(frozen=True)
class Bound:
    """The recursion's result.

    Members
    -------
    cycles : int
        At least so many from start to end.
    steps : int
        Steps of all passes.
    compute : int
        Cycles of the array alone: passes are at least as long as a weight tile takes to load into the array.
    load_beats : int
        Beats of weight tiles and input.
    diagonal_steps, diagonal_macs : int
        Of diagonal layers: steps and useful multiplications.
    """

    cycles: int
    steps: int
    compute: int
    load_beats: int
    diagonal_steps: int
    diagonal_macs: int


def layer_works(network: FixedNetwork, config: AcceleratorConfig) -> list[LayerWork]:
    """Every layer's passes, in order; layers that take none are left out.

    Raises
    ------
    DataError
        For an operation that the engine has no schedule for.
    """
    shapes = {layer.name: layer.shape for layer in network.layers}
    broadcast = network.input.name if network.input.shape[0] <= INPUT_CHANNELS else None
    works = [_work(layer, shapes, broadcast, config) for layer in network.layers]
    return [work for work in works if work is not None]


def _work(
    layer: FixedLayer,
    shapes: dict[str, tuple[int, int, int]],
    broadcast: str | None,
    config: AcceleratorConfig,
) -> LayerWork | None:
    op, (channels, height, width) = layer.op, layer.shape
    steps = -(-height * width // config.pixels)
    if config.row_taps and layer.inputs and layer.inputs[0] != broadcast:
        work = _row_taps_work(layer, config)
        if work is not None:
            return work
    if isinstance(op, Conv):
        passes, diagonal = _conv_passes(op, layer.inputs[0] == broadcast, config)
        return LayerWork(layer.name, passes, steps, False, diagonal, multiplications(op) * height * width)
    match op:
        case Pool():
            taps = math.prod(op.kernel)
        case Sum():
            taps = len(layer.inputs)
        case ChannelScale():
            taps = 1
        case Shift():
            taps, channels = 1, int((op.offsets != 0).any(axis=1).sum())
        case Input() | Concat() | Shuffle() | Slice() | Upsample():
            return None
        case _:
            raise DataError(f"the engine has no schedule for {type(op).__name__}", where=layer.name)
    if layer.inputs[0] == broadcast and isinstance(op, Pool) and op.kind == "avg":
        taps = -(-taps // (config.rows // shapes[layer.inputs[0]][0]))
    passes = -(-channels // config.rows) * taps
    return LayerWork(layer.name, passes, steps, True, True) if passes else None


def _row_taps_work(layer: FixedLayer, config: AcceleratorConfig) -> LayerWork | None:
    """The work of a layer that sums three taps of a row in a step; None for others."""
    kernel, (channels, height, width) = depthwise_kernel(layer), layer.shape
    windows = windows_that_pay(kernel, (height, width), config.tile_words) if kernel else ()
    if kernel is None or not windows:
        return None
    macs = multiplications(layer.op) * height * width if isinstance(layer.op, Conv) else 0
    return LayerWork(
        layer.name,
        len(kernel.rows) * len(windows) * -(-channels // config.rows),
        height * (width + LEAD_STEPS),
        share_a_tile(kernel, windows),
        True,
        macs,
    )


def _conv_passes(op: Conv, broadcast: bool, config: AcceleratorConfig) -> tuple[int, bool]:
    """k-tiles of all output tiles; whether they are diagonal."""
    total, inner, rows, columns = op.weights.values.shape
    taps, outer = rows * columns, total // op.groups
    if broadcast and op.groups == 1:
        return -(-taps // (config.rows // inner)) * -(-outer // config.columns), False
    together = max(1, min(config.rows // inner, config.columns // outer))
    tiles = -(-op.groups // together) * -(-inner // config.rows) * -(-outer // config.columns)
    return tiles * taps, inner == 1 and op.groups > 1


def multiplications(op: Conv) -> int:
    """Multiplications of one output pixel, zero padding included."""
    return int(op.weights.values.size)


def cycle_bound(network: FixedNetwork, config: AcceleratorConfig) -> Bound:
    """The recursion over all weight tiles of a network; batch 1.

    Raises
    ------
    DataError
        As `layer_works`.
    """
    works = layer_works(network, config)
    begun: list[int] = []
    loaded = ended = compute = 0
    places = config.weight_tiles + 1
    for number, work in enumerate(works):
        fill = -(-config.rows // config.weight_rows)
        for index in range(work.passes):
            if not work.constant or index == 0:
                free = begun[-places] if len(begun) >= places else 0
                loaded = max(loaded, free) + config.tile_beats
                start = max(ended, loaded)
                begun.append(start)
                length = max(work.steps, fill)
            else:
                start, length = ended, work.steps
            ended, compute = start + length, compute + length
        if number == 0:
            loaded += _input_beats(network, config)
            ended = max(ended, loaded)
    tiles = len(begun)
    return Bound(
        ended,
        sum(work.passes * work.steps for work in works),
        compute,
        tiles * config.tile_beats + _input_beats(network, config),
        sum(work.passes * work.steps for work in works if work.diagonal),
        sum(work.macs for work in works if work.diagonal),
    )


def _input_beats(network: FixedNetwork, config: AcceleratorConfig) -> int:
    return -(-math.prod(network.input.shape) * config.act.storage_bits // config.bus_width)


def compulsory_bytes(network: FixedNetwork, config: AcceleratorConfig) -> int:
    """Weights at code width, input and output, once each."""
    weights = sum(
        multiplications(layer.op) * config.code_bits for layer in network.layers if isinstance(layer.op, Conv)
    )
    maps = math.prod(network.input.shape) + math.prod(network.output.shape)
    return -(-weights // 8) + maps * config.act.storage_bits // 8
