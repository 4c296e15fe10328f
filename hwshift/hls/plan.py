"""Streaming designs: which processes a network becomes, and how far each is folded.

Every layer is a few processes that run at the same time and hand maps on pixel by pixel: a line buffer that delivers
what a pixel needs, and what computes with it. A process takes and gives words of so many channels per cycle (its
lanes); `plan_stream` chooses the fewest for which no process takes longer than a target per image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.hls.fifos import fifo_depths, image_ends
from hwshift.hls.layers import Work, work_of
from hwshift.hls.process import LATENCY, Channel, Process, events_of
from hwshift.network import fixed
from hwshift.network.fixed import FixedLayer, FixedNetwork

__all__ = ["IMAGES", "Plan", "image_times", "plan_stream"]

IMAGES = 3
"""Images in the stream that FIFO depths are computed for: a first, a last and one between others."""

_LARGEST = 1 << 20
_MAX_LANES = 1024
_LARGEST_FIFO = 512  # words, of those that no branch needs deeper: a pixel's otherwise
_SLACK = (1.0, 1.25, 1.5, 2.0, 3.0)  # what FIFOs behind forks get beyond what they need
_CLOSE = 1.01  # of the slowest process's cycles: as fast as it gets
_STREAM = 8  # images after which intervals are even; the last ones end sooner, since no image follows


@dataclass(frozen=True, eq=False)
class Plan:
    """A streaming design.

    Members
    -------
    network : FixedNetwork
    config : AcceleratorConfig
        Its arithmetic counts.
    target_ii : int
        Cycles per image that the folding keeps to.
    processes : tuple of Process
        In execution order.
    channels : tuple of Channel
        The first is the design's input, the second its output.
    work : dict of str to Work
        By layer.
    """

    network: FixedNetwork
    config: AcceleratorConfig
    target_ii: int
    processes: tuple[Process, ...]
    channels: tuple[Channel, ...]
    work: dict[str, Work]

    @property
    def multipliers(self) -> int:
        """Processing elements of all processes."""
        return sum(item.multipliers for item in self.processes)


def plan_stream(network: FixedNetwork, config: AcceleratorConfig, target_ii: int | None = None) -> Plan:
    """Plan a streaming design.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
    target_ii : int or None
        Cycles per image that no process may exceed. None: the least for which all processes together have no more
        processing elements than the configuration's array, or as many as one for each layer if that is more.

    Raises
    ------
    CompileError
        For a layer that has no streaming form, or that cannot keep to the target; names it.
    """
    work = {layer.name: work_of(layer, network, config) for layer in network.layers}
    _check_size(network, work)
    _check_readers(network)
    if target_ii is None:
        return _finish(_smallest(network, config, work))
    return _finish(_fold(network, config, work, target_ii))


def _check_size(network: FixedNetwork, work: dict[str, Work]) -> None:
    weights = sum(item.weights for item in work.values())
    if weights > _LARGEST:
        raise CompileError(
            f"it has {weights} weights; a streaming design keeps all on chip and is for networks of up to {_LARGEST}: "
            "use the engine",
            where=network.name,
        )


def _readers(network: FixedNetwork) -> dict[str, int]:
    """How many times each layer's map is read."""
    count = {layer.name: 0 for layer in network.layers}
    for layer in network.layers:
        for name in (*layer.inputs, *([layer.residual] if layer.residual else [])):
            count[name] += 1
    return count


def _check_readers(network: FixedNetwork) -> None:
    readers = _readers(network)
    for layer in network.layers[:-1]:
        if not readers[layer.name]:
            raise CompileError("nobody reads its map, which a stream cannot leave", where=layer.name)
    if len(network.layers) < 2:
        raise CompileError("it has no layer beside the input", where=network.name)


def _smallest(network: FixedNetwork, config: AcceleratorConfig, work: dict[str, Work]) -> Plan:
    """The plan with the least target whose processing elements fit the configuration's number."""
    budget = config.rows * config.columns * config.pixels
    high = max(item.cycles(1, 1) for item in work.values())
    low = 1
    best = _fold(network, config, work, high)
    budget = max(budget, best.multipliers)
    while low < high:
        middle = (low + high) // 2
        try:
            plan = _fold(network, config, work, middle)
        except CompileError:
            low = middle + 1
            continue
        if plan.multipliers > budget:
            low = middle + 1
        else:
            high, best = middle, plan
    return best


def _fold(network: FixedNetwork, config: AcceleratorConfig, work: dict[str, Work], target: int) -> Plan:
    builder = _Builder(network, work, target)
    for layer in network.layers:
        builder.add(layer)
    return Plan(network, config, target, tuple(builder.processes), tuple(builder.channels), work)


def _finish(plan: Plan) -> Plan:
    """With FIFOs deep enough to go on for ever, and then for full speed."""
    least = [min(item.pixel_words + 1, _LARGEST_FIFO) for item in plan.channels]
    needed = fifo_depths(
        [events_of(item, IMAGES) for item in plan.processes],
        [item.words for item in plan.channels],
        [item.kind == "fork" for item in plan.processes],
        IMAGES,
        least,
    )
    aim = max(int(events_of(item)[:, 1].sum()) for item in plan.processes)
    found: list[tuple[int, Plan]] = []
    for slack in _SLACK:
        channels = tuple(
            replace(item, needed=depth, depth=math.ceil(depth * slack) if depth > low else depth)
            for item, depth, low in zip(plan.channels, needed, least, strict=True)
        )
        found.append((image_times(replace(plan, channels=channels))[1], replace(plan, channels=channels)))
        if found[-1][0] <= aim * _CLOSE:
            break
    return min(found, key=lambda pair: pair[0])[1]


def image_times(plan: Plan) -> tuple[int, int]:
    """Cycles of one image on its own, and between images of a stream: a model's, with assumed latencies."""
    words, depths = [item.words for item in plan.channels], [item.depth for item in plan.channels]
    latencies = [LATENCY[item.kind] for item in plan.processes]

    def ends(images: int) -> list[int]:
        events = [events_of(item, images) for item in plan.processes]
        return image_ends(events, words, depths, latencies, images).tolist()

    stream = ends(_STREAM)
    return ends(1)[0], (stream[_STREAM - 3] - stream[_STREAM - 5]) // 2


@dataclass
class _Builder:
    """Adds the processes of one layer after the other."""

    network: FixedNetwork
    work: dict[str, Work]
    target: int
    processes: list[Process] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ends: dict[str, list[int]] = {}  # channels with a layer's map that nobody has taken yet
        self._readers = _readers(self.network)
        self._names: set[str] = set()

    def add(self, layer: FixedLayer) -> None:
        work = self.work[layer.name]
        if isinstance(layer.op, fixed.Input):
            lanes = self._lanes(layer, lambda lanes: work.pixels * work.channels // lanes, work.channels)
            self._channel("in", work.pixels, work.channels, lanes, layer.name)
            self._channel("out", 1, 1, 1, None)  # set below
            self._publish(layer.name, 0)
            return
        sources = [self._take(name) for name in layer.inputs]
        end = self._layer(layer, work, sources)
        if layer.residual is not None:
            end = self._residual(layer, work, end)
        if layer is self.network.layers[-1]:
            self._close(end)
        else:
            self.channels[end] = replace(self.channels[end], layer=layer.name)
            self._publish(layer.name, end)

    # -- layers --------------------------------------------------------------------------------------------

    def _layer(self, layer: FixedLayer, work: Work, sources: list[int]) -> int:
        """The processes without the residual; returns the channel of the result."""
        unit = self.channels[sources[0]].lanes
        lanes, out_lanes = self._folds(layer, work, unit)
        sources = [self._resize(source, lanes, layer.name) for source in sources]
        if work.window is not None:
            wanted = work.window.taps * work.channels
            sources = [self._process("window", layer.name, work, sources, lanes, lanes, wanted)]
        if work.kind == "shift":
            return sources[0]
        return self._process(work.kind, layer.name, work, sources, lanes, out_lanes, work.out_channels)

    def _folds(self, layer: FixedLayer, work: Work, unit: int) -> tuple[int, int]:
        """The fewest lanes that keep to the target: of the input and of the output."""
        found: list[tuple[int, int, int, int, int]] = []
        for lanes in _divisors(work.channels):
            reading = work.in_pixels * work.channels // math.gcd(lanes, unit)
            if max(reading if lanes != unit else 0, work.window_cycles(lanes)) > self.target:
                continue
            for out in _divisors(work.out_channels) if work.kind == "matrix" else [lanes]:
                if work.cycles(lanes, out) <= self.target:
                    found.append((work.elements(lanes, out), lanes != unit, lanes + out, lanes, out))
        if not found:
            raise CompileError(
                f"its target is {self.target} cycles per image, {self._least(work, unit)} are the least: raise it",
                where=layer.name,
            )
        _, _, _, lanes, out = min(found)
        if max(lanes, out) > _MAX_LANES:
            raise CompileError(
                f"it needs words of {max(lanes, out)} channels for {self.target} cycles per image, at most "
                f"{_MAX_LANES} are allowed: raise the target",
                where=layer.name,
            )
        return lanes, out

    @staticmethod
    def _least(work: Work, unit: int) -> int:
        """The least cycles with any lanes, if its input comes in words of `unit`."""
        least = []
        for lanes in _divisors(work.channels):
            reading = work.in_pixels * work.channels // math.gcd(lanes, unit) if lanes != unit else 0
            least.append(max(reading, work.window_cycles(lanes), work.cycles(lanes, work.out_channels)))
        return min(least)

    def _residual(self, layer: FixedLayer, work: Work, end: int) -> int:
        assert layer.residual is not None
        added = self._resize(self._take(layer.residual), self.channels[end].lanes, layer.name)
        lanes = self.channels[end].lanes
        return self._process("residual", layer.name, work, [end, added], lanes, lanes, work.out_channels)

    def _lanes(self, layer: FixedLayer, cycles: Callable[[int], int], channels: int) -> int:
        for lanes in _divisors(channels):
            if cycles(lanes) <= self.target:
                return lanes
        raise CompileError(
            f"its target is {self.target} cycles per image, {cycles(channels)} are the least: raise it",
            where=layer.name,
        )

    # -- plumbing ------------------------------------------------------------------------------------------

    def _publish(self, layer: str, channel: int) -> None:
        """Fork a map for all who read it."""
        ends = [channel]
        for _ in range(self._readers[layer] - 1):
            source = self.channels[ends[-1]]
            process = self._fork(layer, ends.pop(), source)
            ends += process
        self._ends[layer] = ends

    def _take(self, layer: str) -> int:
        return self._ends[layer].pop(0)

    def _fork(self, layer: str, end: int, source: Channel) -> list[int]:
        name = self._name(layer, "fork")
        outs = [
            self._channel(f"{name}_{i}", source.pixels, source.channels, source.lanes, None) for i in range(2)
        ]
        self.processes.append(
            Process(
                "fork",
                name,
                layer,
                (end,),
                tuple(outs),
                source.lanes,
                source.lanes,
                source.pixels,
                source.channels,
            )
        )
        return outs

    def _resize(self, end: int, lanes: int, layer: str) -> int:
        """A map in words of so many lanes."""
        source = self.channels[end]
        if source.lanes == lanes:
            return end
        common = math.gcd(source.lanes, lanes)
        if common not in (source.lanes, lanes):
            return self._resize(self._resize(end, common, layer), lanes, layer)
        kind = "narrower" if lanes < source.lanes else "wider"
        name = self._name(layer, kind)
        out = self._channel(name, source.pixels, source.channels, lanes, None)
        self.processes.append(
            Process(kind, name, layer, (end,), (out,), source.lanes, lanes, source.pixels, source.channels)
        )
        return out

    def _process(
        self, kind: str, layer: str, work: Work, sources: list[int], lanes: int, out_lanes: int, channels: int
    ) -> int:
        name = self._name(layer, kind)
        out = self._channel(name, work.pixels, channels, out_lanes, None)
        multipliers = work.elements(lanes, out_lanes) if kind == work.kind else 0
        size = work.channels if kind != "residual" else work.out_channels
        self.processes.append(
            Process(
                kind,
                name,
                layer,
                tuple(sources),
                (out,),
                lanes,
                out_lanes,
                work.pixels,
                size,
                work,
                multipliers,
            )
        )
        return out

    def _channel(self, name: str, pixels: int, channels: int, lanes: int, layer: str | None) -> int:
        self.channels.append(Channel(name, pixels, channels, lanes, layer))
        return len(self.channels) - 1

    def _close(self, end: int) -> None:
        """The last layer writes the design's output instead of its own channel."""
        last = self.channels.pop(end)
        assert end == len(self.channels)
        self.channels[1] = replace(last, name="out", layer=self.network.layers[-1].name)
        self.processes[-1] = replace(self.processes[-1], outputs=(1,))

    def _name(self, layer: str, kind: str) -> str:
        base = "".join(c if c.isascii() and c.isalnum() else "_" for c in f"{layer}_{kind}")
        base = base if base[0].isalpha() else f"l{base}"
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}{number}"
        self._names.add(name)
        return name


def _divisors(value: int) -> list[int]:
    return [n for n in range(1, value + 1) if value % n == 0]
