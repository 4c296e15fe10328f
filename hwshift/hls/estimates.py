"""Estimates of a streaming design: cycles and resources from models of our own. No tool has measured any of them."""

import math
from dataclasses import asdict, dataclass

from hwshift.config import AcceleratorConfig
from hwshift.hls.plan import Plan, image_times, plan_stream
from hwshift.hls.process import Process, events_of
from hwshift.network.fixed import FixedNetwork

__all__ = ["Estimate", "ProcessEstimate", "estimate", "estimate_plan"]

LABEL = "estimates from hwshift's own models; no tool has measured them"

# Per processing element with its share of adders and accumulator, of 32-bit activations and an exact accumulator:
# Yosys synth_xilinx, family xcup, of the RTL's elements. Scaled linearly with the width of a term.
_LUT_PER_ELEMENT = {"shift_add": 240.0, "mac": 190.0}
_TERM_BITS = {"shift_add": 48.0, "mac": 64.0}
_LUT_EPILOGUE = 150.0  # adder, saturation and comparisons of one lane
_LUT_PER_PROCESS = 120.0  # counters and handshakes
_BRAM_BITS = 36_864  # of one RAMB36
_LUTRAM_BITS = 64  # of one LUT as memory
_SMALL = 1024  # words up to which a FIFO or memory goes to LUTs if it has few bits
_SCALE_BITS = 47 + 34  # accumulator in two parts, as the epilogue multiplies it


@dataclass(frozen=True)
class ProcessEstimate:
    """One process: ``cycles`` per image when nothing holds it up, and what it takes."""

    name: str
    kind: str
    layer: str
    lanes: int
    out_lanes: int
    multipliers: int
    cycles: int
    dsp: int
    lut: int
    memory_bits: int


@dataclass(frozen=True)
class Estimate:
    """A streaming design in figures; all of them are estimates.

    Members
    -------
    network, config : str
    label : str
        Says what the figures are, for those who show them.
    target_ii, initiation_interval : int
        Cycles between images: what the folding aims at, and what the model finds, FIFOs and line buffers included.
    latency : int
        Cycles from the first word of an image in to its last word out.
    multipliers : int
        Processing elements.
    utilisation : float
        Useful multiply-accumulates over elements times cycles.
    dsp, lut, ramb36 : int
    memory_bits : int
        Weights, parameters, line buffers, FIFOs.
    fifo_words : int
        Of FIFOs deeper than a pixel, which residual branches need.
    processes : tuple of ProcessEstimate
    """

    network: str
    config: str
    label: str
    target_ii: int
    initiation_interval: int
    latency: int
    multipliers: int
    utilisation: float
    dsp: int
    lut: int
    ramb36: int
    memory_bits: int
    fifo_words: int
    processes: tuple[ProcessEstimate, ...]

    def as_dict(self) -> dict:
        """All members, for JSON."""
        return asdict(self)


def estimate(network: FixedNetwork, config: AcceleratorConfig, target_ii: int | None = None) -> Estimate:
    """Estimate the streaming design of a network; parameters and errors as for `hwshift.hls.plan.plan_stream`."""
    return estimate_plan(plan_stream(network, config, target_ii))


def estimate_plan(plan: Plan) -> Estimate:
    """Estimate a planned design."""
    latency, interval = image_times(plan)
    memories = [bits for item in plan.processes for bits in _memories(item, plan.config)]
    fifos = [(item.depth, item.lanes * plan.config.act.bits) for item in plan.channels[2:]]
    rows = tuple(_process(item, plan.config, int(events_of(item)[:, 1].sum())) for item in plan.processes)
    blocks, lutram = _blocks([*memories, *fifos])
    useful = sum(
        item.work.weights * item.work.pixels for item in plan.processes if item.work and item.multipliers
    )
    return Estimate(
        network=plan.network.name,
        config=plan.config.name,
        label=LABEL,
        target_ii=plan.target_ii,
        initiation_interval=interval,
        latency=latency,
        multipliers=plan.multipliers,
        utilisation=useful / (plan.multipliers * interval) if plan.multipliers else 0.0,
        dsp=sum(row.dsp for row in rows),
        lut=sum(row.lut for row in rows) + lutram,
        ramb36=blocks,
        memory_bits=sum(depth * width for depth, width in [*memories, *fifos]),
        fifo_words=sum(item.depth for item in plan.channels[2:] if item.depth > item.pixel_words + 1),
        processes=rows,
    )


def _process(process: Process, config: AcceleratorConfig, cycles: int) -> ProcessEstimate:
    lut, dsp, arithmetic = _LUT_PER_PROCESS, 0, config.arithmetic
    if process.multipliers:
        bits = config.act.bits + (arithmetic.guard if config.pe == "shift_add" else config.weights.bits)
        lut += process.multipliers * _LUT_PER_ELEMENT[config.pe] * bits / _TERM_BITS[config.pe]
        if config.pe == "mac":
            dsp += process.multipliers * _dsp(config.act.bits, config.weights.bits)
    if process.kind in ("matrix", "channelwise", "sum"):
        lut += process.out_lanes * _LUT_EPILOGUE
        if config.scale_digits is None:
            dsp += process.out_lanes * (_dsp(47, 18) + _dsp(34, 18))
        else:
            lut += process.out_lanes * config.scale_digits * _SCALE_BITS
    memory = sum(depth * width for depth, width in _memories(process, config))
    return ProcessEstimate(
        process.name, process.kind, process.layer, process.lanes, process.out_lanes, process.multipliers, cycles, dsp,
        round(lut), memory,
    )  # fmt: skip


def _dsp(a: int, b: int) -> int:
    """DSP48E2 blocks (27 x 18 bits, signed) of a product."""
    return min(math.ceil(a / 27) * math.ceil(b / 18), math.ceil(a / 18) * math.ceil(b / 27))


def _memories(process: Process, config: AcceleratorConfig) -> list[tuple[int, int]]:
    """(words, bits of a word) of every memory of a process."""
    work, act = process.work, config.act.bits
    if work is None:
        return []
    if process.kind == "window":
        depth = work.kept_rows * work.in_width * process.channels // process.lanes
        return [(depth, act)] * process.lanes
    found = []
    if process.kind in ("matrix", "channelwise", "sum"):
        found.append((work.out_channels // process.out_lanes, process.out_lanes * (act + 30)))
    if process.kind == "matrix":
        inside = work.taps * process.channels // process.lanes
        outside = work.out_channels // process.out_lanes
        code = config.chip_code_bits
        found += [(inside, act * process.lanes), (inside * outside, code * process.lanes * process.out_lanes)]
    if process.kind == "channelwise":
        words = process.channels // process.lanes
        found.append((words, config.acc_width * process.lanes))
    return found


def _blocks(memories: list[tuple[int, int]]) -> tuple[int, int]:
    """RAMB36 blocks, and LUTs of memories too small for one."""
    blocks, luts = 0, 0
    for depth, width in memories:
        if depth <= 64 or (depth <= _SMALL and depth * width < _BRAM_BITS // 8):
            luts += math.ceil(depth / _LUTRAM_BITS) * width if depth > 2 else 0
        else:
            blocks += (
                math.ceil(width / 36) * math.ceil(depth / 1024) if depth >= 512 else math.ceil(width / 72)
            )
    return blocks, luts
