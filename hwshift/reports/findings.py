"""What a report says in a few sentences: where cycles, energy and traffic go, and what would change them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hwshift.cost.bound import compulsory_bytes, multiplications
from hwshift.cost.energy import PARTS
from hwshift.errors import DataError
from hwshift.network.fixed import Conv
from hwshift.program.counters import CAUSES, Cause
from hwshift.reports.report import Report
from hwshift.reports.text import size

__all__ = ["ADVICE", "Finding", "findings"]

ADVICE: dict[Cause, str] = {
    Cause.PORT: "rows of an odd number of steps cause it; there is little to gain",
    Cause.DRAIN: "short layers one after the other cause it; larger maps or fewer lanes hide it",
    Cause.WEIGHT_LOAD: "tiles serve few pixels: a larger weight_rows loads them faster",
    Cause.WEIGHT_WAIT: "weights come too late: a wider bus, fewer bits per weight, more weight_tiles",
    Cause.TOKEN_FULL: "loads or stores cannot follow: a faster memory",
    Cause.WAIT_LOAD: "maps or tables come too late: a wider bus, less latency, a larger feature_depth",
    Cause.WAIT_STORE: "space is not free in time: a wider bus, a larger feature_depth",
    Cause.SETUP: "passes are short: larger chunks (acc_depth)",
    Cause.FETCH: "instructions come too late: less latency; at the start it cannot be avoided",
    Cause.TAIL: "the last stores; there is nothing to gain",
}
"""What to change where a cause takes many cycles."""

_MUCH = 0.02  # of all cycles: a cause that is told
_LOW = 0.9  # utilisation of busy cycles below which layers are named
_TWICE = 1.5  # times the compulsory traffic that are told
_GAIN = 0.9  # of the energy: another style that is told


@dataclass(frozen=True)
class Finding:
    """One sentence.

    Members
    -------
    topic : str
        What it is about.
    text : str
    change : str
        What would change it; may be empty.
    """

    topic: str
    text: str
    change: str = ""


def findings(report: Report) -> tuple[Finding, ...]:
    """The sentences, most cycles and energy first."""
    return (*_energy(report), *_array(report), *_stalls(report), *_traffic(report), *_styles(report))


def _energy(report: Report) -> Iterator[Finding]:
    parts = report.energy.by_part_pj
    part = max(parts, key=parts.__getitem__)
    layers = report.energy.by_layer_pj
    layer = max(layers, key=lambda name: layers[name][part])
    share = layers[layer][part] / parts[part] if parts[part] else 0.0
    yield Finding(
        "energy",
        f"{PARTS[part]} takes {parts[part] / report.energy.total_pj:.0%} of the energy, {share:.0%} of that in {layer}",
        "larger buffers and fewer bits mean less of it" if part == "memory" else "",
    )


def _array(report: Report) -> Iterator[Finding]:
    """Layers whose steps do useless work, if they are many."""
    busy = report.simulation.utilisation["busy"]
    if busy >= _LOW or not report.simulation.macs:
        return
    peak = report.simulation.peak
    lost = {row.name: row.busy_cycles - row.macs / peak for row in report.rows}
    worst = sorted(lost, key=lambda name: -lost[name])[:3]
    total = report.simulation.counters["total"]
    told = ", ".join(f"{name} {lost[name] / total:.0%}" for name in worst if lost[name] > 0)
    yield Finding(
        "array",
        f"{1 - busy:.0%} of the multiplications that the array could do while it works are not useful; of all cycles: "
        f"{told}",
        "channels that fill lanes and columns, an array that fits them, pixels (P) in the place of columns",
    )


def _stalls(report: Report) -> Iterator[Finding]:
    counters = report.simulation.counters
    found = {cause: counters[cause.name.lower()] / counters["total"] for cause in ADVICE}
    for cause in sorted(found, key=lambda cause: -found[cause])[:2]:
        if found[cause] >= _MUCH:
            yield Finding("stalls", f"{found[cause]:.1%} of the cycles: {CAUSES[cause]}", ADVICE[cause])


def _traffic(report: Report) -> Iterator[Finding]:
    total = report.counts.total.memory.total_bits // 8
    try:
        least = compulsory_bytes(report.analysis.network, report.config)
    except DataError:
        return
    if total >= _TWICE * least:
        more = _beyond(report)
        kind = max(more, key=more.__getitem__)
        yield Finding(
            "traffic",
            f"{size(total)} are {total / least:.1f} times what has to move (weights, input and output once); most "
            f"of the rest are {kind}",
            "a larger feature_depth" if kind in ("weights", "maps") else "",
        )


def _beyond(report: Report) -> dict[str, float]:
    """Bytes beyond what has to move, by kind."""
    memory, network, config = report.counts.total.memory, report.analysis.network, report.config
    weights = sum(
        multiplications(layer.op) * config.code_bits for layer in network.layers if isinstance(layer.op, Conv)
    )
    values = math.prod(network.input.shape), math.prod(network.output.shape)
    source, result = (value * config.act.storage_bits for value in values)
    bits = {
        "weights": memory.weight_bits - weights,
        "maps": memory.map_read_bits + memory.map_write_bits - result,
        "tables and instructions": memory.table_bits + memory.instruction_bits,
        "copies of the input": memory.input_bits - source,
    }
    return {kind: value / 8 for kind, value in bits.items()}


def _styles(report: Report) -> Iterator[Finding]:
    """The other style that takes least energy, if that is less."""
    first, *others = report.styles or [None]
    known = [style for style in others if style is not None and style.energy_pj is not None]
    if first is None or not known or first.energy_pj is None or first.cycles is None:
        return
    best = min(known, key=lambda style: style.energy_pj or 0.0)
    assert best.energy_pj is not None and best.cycles is not None
    if best.energy_pj < _GAIN * first.energy_pj:
        yield Finding(
            "other hardware",
            f"{best.title} ({best.array}) takes {best.energy_pj / first.energy_pj:.2f} times the energy and "
            f"{best.cycles / first.cycles:.2f} times the cycles",
        )
