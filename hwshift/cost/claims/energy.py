"""The same network in four styles: energy, cycles and traffic."""

from hwshift.cost.analysis import CostAnalysis
from hwshift.cost.claims.bench import Bench
from hwshift.cost.claims.claim import Claim, Verdict, three
from hwshift.cost.energy import energy_of, rates_of
from hwshift.cost.tables import TABLES, load_table

__all__ = ["microjoules", "storage_claims", "style_claims"]

_WU = "Wu et al., Shift (CVPR 2018)"
_NAS = "ShiftNAS"
FIXED, POW2 = "shift, fixed", "shift, pow2"
CONV, DEPTHWISE = "convolution, fixed", "depthwise-separable, fixed"


def microjoules(analysis: CostAnalysis, table: str) -> float:
    """Energy of one image by a table of hwshift."""
    return energy_of(analysis.counts, analysis.config, load_table(table)).total_pj / 1e6


def style_claims(bench: Bench) -> list[Claim]:
    """Ordinary, depthwise-separable, shift with multipliers, shift with powers of two."""
    found = bench.styles
    energy = {name: item.energy.total_pj / 1e6 for name, item in found.items()}
    cycles = {name: item.simulation.counters["total"] for name, item in found.items()}
    macs = {name: item.simulation.macs for name, item in found.items()}
    figures = {f"{name}, uJ": value for name, value in energy.items()}
    figures |= {f"{name}, cycles": value for name, value in cycles.items()}
    figures |= {f"{name}, MACs": value for name, value in macs.items()}
    return [
        Claim(
            "shift for convolution",
            f"{_WU}, section 4",
            "shifts with 1x1 convolutions replace 3x3 convolutions at less computation and fewer parameters",
            f"{three(macs[CONV] / macs[FIXED])} times fewer multiplications, {three(energy[CONV] / energy[FIXED])} "
            f"times less energy, {three(cycles[CONV] / cycles[FIXED])} times fewer cycles ({bench.NETWORK} with "
            "multipliers)",
            "reproduced" if energy[CONV] > energy[FIXED] and cycles[CONV] > cycles[FIXED] else "refuted",
            "energy follows multiplications and weights alike, because both shrink; accuracy is another matter",
            figures,
        ),
        Claim(
            "depthwise against shift",
            f"{_WU}, section 2",
            "depthwise convolutions need little computation in theory, but memory access dominates in practice",
            f"{three(macs[DEPTHWISE] / macs[FIXED])} times the multiplications of the shift network, but "
            f"{three(energy[DEPTHWISE] / energy[FIXED])} times its energy and "
            f"{three(cycles[DEPTHWISE] / cycles[FIXED])} times its cycles",
            _depthwise_verdict(
                found[DEPTHWISE], energy[DEPTHWISE] / energy[FIXED] > macs[DEPTHWISE] / macs[FIXED]
            ),
            _depthwise_why(found[DEPTHWISE]),
            figures,
        ),
        *_pow2_claims(bench, figures),
    ]


def _depthwise_verdict(analysis: CostAnalysis, dearer: bool) -> Verdict:
    """Dearer than its multiplications tell, and because of memory: both are claimed."""
    parts = analysis.energy.by_part_pj
    return (
        "refuted"
        if not dearer
        else "reproduced"
        if max(parts, key=parts.__getitem__) == "memory"
        else "in part"
    )


def _depthwise_why(analysis: CostAnalysis) -> str:
    """What an array that multiplies by zeros costs."""
    rates = {rate.count: rate.energy_pj for rate in rates_of(analysis.config, analysis.energy.table)}
    array = analysis.counts.total.array
    wasted = (array.operations - array.nonzero_operations) * rates["array.operations"]
    share = wasted / analysis.energy.total_pj
    return (
        f"here it is the array more than memory: it multiplies by the zeros beside each channel's own weight, "
        f"{share:.0%} of the energy where a multiplication by zero is charged in full"
    )


def _pow2_claims(bench: Bench, figures: dict[str, float]) -> list[Claim]:
    found = bench.styles
    ratios = {table: microjoules(found[FIXED], table) / microjoules(found[POW2], table) for table in TABLES}
    parts = {name: found[name].energy.by_part_pj for name in (FIXED, POW2)}
    array = parts[FIXED]["array"] / parts[POW2]["array"]
    memory = parts[FIXED]["memory"] / parts[POW2]["memory"]
    rest = sum(
        parts[POW2][part] for part in ("shift_buffer", "accumulator", "tables", "epilogue", "weight_buffer")
    )
    speed = found[FIXED].simulation.counters["total"] / found[POW2].simulation.counters["total"]
    return [
        Claim(
            "bit shifts for multiplications",
            f"{_NAS}, section 5.5",
            "replacing weights by bit shifts and sign flips improves efficiency significantly",
            f"the whole network takes {three(min(ratios.values()))} to {three(max(ratios.values()))} times less "
            f"energy, by table ({', '.join(f'{name} {three(value)}' for name, value in ratios.items())})",
            "reproduced" if min(ratios.values()) > 1 else "refuted",
            f"by 45nm the array alone takes {three(array)} times less and external memory {three(memory)} times; "
            f"buffers, accumulators, tables and epilogue change little and are "
            f"{rest / found[POW2].energy.total_pj:.0%} of what is left",
            figures | {f"fixed over pow2, {name}": value for name, value in ratios.items()},
        ),
        Claim(
            "5x cycles",
            f"{_NAS}, section 5.5, from Agner Fog",
            "a floating-point multiplication takes at least 5 times the clock cycles of a bit shift",
            f"{speed:.3f} times the cycles for the whole network, fixed-point multipliers against shifters",
            "reproduced" if speed >= 5 else "refuted",
            "a processor's latency says nothing about an array: every place starts one operation per cycle",
            {"cycles, fixed over pow2": speed},
        ),
    ]


def storage_claims(bench: Bench) -> list[Claim]:
    """Weights of 5 bits against 32."""
    fixed, pow2 = (bench.styles[name].counts.total.memory for name in (FIXED, POW2))
    weights = fixed.weight_bits / pow2.weight_bits
    image = {name: _image_bytes(bench.styles[name]) for name in (FIXED, POW2)}
    whole = image[FIXED] / image[POW2]
    return [
        Claim(
            "5-bit weights",
            f"{_NAS}, section 5.5",
            "weights of 5 bits (4 and a sign) in place of 32 greatly compress the network: 6.4 times",
            f"{three(weights)} times in the weights, {three(whole)} times in the memory image with tables and "
            f"instructions ({bench.NETWORK})",
            "reproduced" if abs(weights - 6.4) < 0.01 else "in part",
            "ternary signs and 16 shifts are 33 values, 5 bits hold 32: a flag for each layer says whether one code "
            "means zero; what BatchNorm leaves is 64 bits per channel in both",
            {
                "weights, times": weights,
                "image, times": whole,
                "image, fixed, bytes": image[FIXED],
                "image, pow2, bytes": image[POW2],
            },  # fmt: skip
        )
    ]


def _image_bytes(analysis: CostAnalysis) -> int:
    """Instructions, tables and weights in memory."""
    kept = ("program", "tables", "weights")
    return sum(item.size for item in analysis.program.segments if item.name in kept)
