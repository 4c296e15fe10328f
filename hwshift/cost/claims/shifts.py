"""Spatial shifts: fused into reads or moved through memory, and how many of them there are."""

from collections.abc import Callable

from hwshift.cost.analysis import CostAnalysis
from hwshift.cost.claims.bench import Bench
from hwshift.cost.claims.claim import Claim, three
from hwshift.network.fixed import Conv

__all__ = ["depthwise_share", "runtime_claims", "shift_claims", "shift_share"]

_CHEN = "Chen et al., All You Need is a Few Shifts (CVPR 2019)"
_WU = "Wu et al., Shift (CVPR 2018)"


def shift_share(analysis: CostAnalysis) -> float:
    """Share of all cycles that belong to shifts as layers."""
    own = sum(layer.cycles.total for layer in analysis.layers if layer.op == "Shift")
    return own / analysis.simulation.counters["total"]


def depthwise_share(analysis: CostAnalysis) -> float:
    """Share of all cycles that belong to depthwise convolutions."""
    names = {
        layer.name
        for layer in analysis.network.layers
        if isinstance(layer.op, Conv) and layer.op.groups == layer.shape[0] > 1
    }
    own = sum(layer.cycles.total for layer in analysis.layers if layer.name in names)
    return own / analysis.simulation.counters["total"]


def shift_claims(bench: Bench) -> list[Claim]:
    """Fused against moved, and the effect of sparsity."""
    found = bench.sparse
    dense_fused, dense_moved = found[0.0]
    figures: dict[str, float] = {}
    for share, (fused, moved) in found.items():
        for name, item in (("fused", fused), ("moved", moved)):
            label = f"{name}, {share:.0%} unshifted"
            figures[f"{label}, moved elements"] = item.counts.total.moves.shifted_elements
            figures[f"{label}, cycles"] = item.simulation.counters["total"]
            figures[f"{label}, uJ"] = item.energy.total_pj / 1e6
    cycles = _more(dense_fused, dense_moved, lambda item: item.simulation.counters["total"])
    energy = _more(dense_fused, dense_moved, lambda item: item.energy.total_pj)
    macs = dense_fused.simulation.macs == found[1.0][0].simulation.macs
    same = dense_fused.counts.total.array.operations == found[1.0][0].counts.total.array.operations
    return [
        Claim(
            "zero FLOPs",
            f"{_WU}, title",
            "a shift takes no FLOPs and no parameters",
            "no operation of the array and no bit of weights more than without any shift, if the shift is part of "
            f"the reads; moved through memory {cycles:.1%} more cycles and {energy:.1%} more energy ({bench.SPARSE})",
            "reproduced" if macs and same else "refuted",
            "fused, it is an offset in the address of a read that happens anyway; its table of offsets is there for "
            "every layer",
            figures,
        ),
        _sparsity_claim(bench, figures),
    ]


def _more(fused: CostAnalysis, moved: CostAnalysis, value: Callable[[CostAnalysis], float]) -> float:
    return value(moved) / value(fused) - 1


def _sparsity_claim(bench: Bench, figures: dict[str, float]) -> Claim:
    found = bench.sparse
    moved = {share: pair[1] for share, pair in found.items()}
    dense, sparse, none = moved[0.0], moved[0.8], moved[1.0]
    elements = {share: item.counts.total.moves.shifted_elements for share, item in moved.items()}
    falling = list(elements.values()) == sorted(elements.values(), reverse=True)
    saved = (dense.simulation.counters["total"] - sparse.simulation.counters["total"]) / (
        dense.simulation.counters["total"] - none.simulation.counters["total"]
    )
    spread = {found[share][0].simulation.counters["total"] for share in found}
    fused = (max(spread) - min(spread)) / max(spread)
    return Claim(
        "sparse shifts",
        f"{_CHEN}, section 1",
        "shifts that are not needed cost memory movement, which a sparse shift layer removes",
        f"moved: at 80 % unshifted {three(elements[0.8] / elements[0.0] * 100)} % of the elements move and "
        f"{three(saved * 100)} % of the cycles that shifts cost are gone; fused: cycles differ by {fused:.1%}",
        "in part" if falling and fused < 0.02 else "refuted",
        "true where a shift is a pass of its own; fused there is no movement to remove, and sparsity buys nothing",
        figures,
    )


def runtime_claims(bench: Bench) -> list[Claim]:
    """Shares of the run time of ShiftNet-A."""
    large = bench.large
    moved, fused = shift_share(large["moved"]), shift_share(large["fused"])
    depthwise = depthwise_share(large["depthwise"])
    small = depthwise_share(large["depthwise, 3x3"])
    macs = {name: item.simulation.macs for name, item in large.items()}
    work = 1 - macs["fused"] / macs["depthwise"]
    total = {name: float(item.simulation.counters["total"]) for name, item in large.items()}
    figures = {f"{name}, cycles": value for name, value in total.items()} | {
        "shift share, moved": moved,
        "shift share, fused": fused,
        "depthwise share": depthwise,
        "depthwise share of MACs": work,
        "depthwise share, 3x3": small,
    }
    return [
        Claim(
            "shift's share of time",
            f"{_CHEN}, figure 2",
            "in ShiftNet-A shifts take 3.6 % of the run time on a CPU, 28.1 % on a GPU",
            f"{moved:.1%} of the cycles as passes of their own, {fused:.1%} in the reads",
            "in part" if fused == 0 < moved < 0.281 else "refuted",
            "between CPU and GPU if data is moved; the cost is the implementation's, not the operation's",
            figures,
        ),
        Claim(
            "depthwise's share of time",
            f"{_CHEN}, figure 2",
            "depthwise convolutions in their place take 79.2 % on the GPU, with 3 x 3 kernels for 5 x 5 62.1 %",
            f"{depthwise:.1%} of the cycles, with 3 x 3 kernels {small:.1%}; the network takes "
            f"{three(total['depthwise'] / total['fused'])} times the cycles of the one with shifts",
            "in part" if small < depthwise and depthwise > 0.5 else "refuted",
            f"another machine, the same picture: {work:.0%} of the multiplications, {depthwise:.0%} of the time, more "
            "with larger kernels; a shift does not depend on the kernel's size",
            figures,
        ),
    ]
