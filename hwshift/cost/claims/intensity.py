"""Arithmetic intensity: the formulas of the Shift paper, and traffic as it is counted."""

from hwshift.cost import closed_form
from hwshift.cost.analysis import CostAnalysis
from hwshift.cost.claims.bench import Bench
from hwshift.cost.claims.claim import Claim, three

__all__ = ["counted_values", "intensity_claims", "roofline_claims"]

_WU = "Wu et al., Shift (CVPR 2018)"


def counted_values(analysis: CostAnalysis) -> float:
    """Values of maps and weights that cross the bus, 32 bits each."""
    memory = analysis.counts.total.memory
    bits = memory.input_bits + memory.map_read_bits + memory.map_write_bits + memory.weight_bits
    return bits / 32


def intensity_claims(bench: Bench) -> list[Claim]:
    """Equations 4 and 5, and what they leave out."""
    channels, size, kernel = bench.CHANNELS, bench.SIZE, bench.KERNEL
    formula = {
        "convolution": closed_form.standard(channels, channels, kernel, size),
        "depthwise": closed_form.depthwise(channels, kernel, size),
        "pointwise": closed_form.pointwise(channels, channels, size),
    }
    counted = {name: formula[name].flops / counted_values(bench.layers[name]) for name in formula}
    where = f"{channels} channels, {size} x {size}, {kernel} x {kernel}"
    figures = {f"{name}, formula": cost.intensity for name, cost in formula.items()} | {
        f"{name}, counted": value for name, value in counted.items()
    }
    equal = counted["convolution"] == formula["convolution"].intensity
    low = formula["depthwise"].intensity
    pair = closed_form.depthwise(channels, kernel, size) + formula["pointwise"]
    fused = closed_form.shift_pointwise(channels, channels, size)
    moved = closed_form.shift_pointwise(channels, channels, size, moved=True)
    return [
        Claim(
            "Eq. 4",
            f"{_WU}, section 2",
            "computation over memory access of a convolution is MN DF² DK² / (DF² (M + N) + DK² MN)",
            f"{three(formula['convolution'].intensity)} by the formula, {three(counted['convolution'])} counted "
            f"({where})",
            "reproduced" if equal else "in part",
            "counted on the bus of the accelerator, maps and 32-bit weights: the same number of values",
            figures,
        ),
        Claim(
            "Eq. 5",
            f"{_WU}, section 2",
            "of a depthwise convolution it is M DF² DK² / (2M DF² + DK² M), which is lower",
            f"{three(low)} by the formula, {three(counted['depthwise'])} counted; a convolution has "
            f"{three(formula['convolution'].intensity / low)} times as much",
            "reproduced" if counted["depthwise"] <= low < counted["convolution"] else "refuted",
            "the direction and the formula hold; counted it is lower still, since a tile of weights for 16 x 16 "
            "places is stored whole and holds one channel in each row",
            figures,
        ),
        Claim(
            "shift in its place",
            f"{_WU}, section 2.1",
            "a shift in place of the depthwise convolution needs no parameters and no FLOPs",
            f"{three(fused.intensity)} operations per value with the shift in the reads, {three(moved.intensity)} as "
            f"a pass of its own, {three(pair.intensity)} with the depthwise convolution",
            "reproduced" if fused.intensity > pair.intensity > moved.intensity else "in part",
            "free only where the shift is part of the next layer's reads: as a pass of its own through memory it has "
            "the lowest ratio of the three",
            {"fused": fused.intensity, "moved": moved.intensity, "depthwise + 1x1": pair.intensity},
        ),
    ]


def roofline_claims(bench: Bench) -> list[Claim]:
    """Whether the bus or the array is the limit."""
    layers = {name: item.roofline for name, item in bench.layers.items()}
    depthwise, ordinary = layers["depthwise"], layers["convolution"]
    figures = {
        f"{name}, {what}": value
        for name, item in layers.items()
        for what, value in (
            ("MACs per byte", item.intensity),
            ("roof, MACs per cycle", item.roof),
            ("achieved, MACs per cycle", item.achieved),
        )
    }
    bound = depthwise.memory_bound and not ordinary.memory_bound
    return [
        Claim(
            "I/O-bound",
            f"{_WU}, section 2",
            "a device bound by I/O cannot reach its computational efficiency with depthwise convolutions",
            f"the bus allows a depthwise convolution {three(depthwise.roof)} of {ordinary.peak} multiplications per "
            f"cycle, a convolution {three(ordinary.roof)}; they reach {three(depthwise.achieved)} and "
            f"{three(ordinary.achieved)}",
            "reproduced" if bound else "refuted",
            "an array that sums over channels has a second limit, which is tighter: a depthwise convolution uses one "
            f"place in {bench.mac.columns} of each column's {bench.mac.rows}",
            figures,
        )
    ]
