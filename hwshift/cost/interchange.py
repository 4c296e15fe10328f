"""An analysis in the files of other tools: SCALE-Sim's reports and topology, FINN's estimates.

What every column means here, and its unit, stands in `docs/costs.md`.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hwshift.cost.analysis import CostAnalysis, LayerAnalysis
from hwshift.errors import DataError, NetworkError
from hwshift.network.fixed import Conv, FixedLayer
from hwshift.program.isa import LoadKind, Opcode
from hwshift.writing import refusals_as

__all__ = ["finn_files", "scale_sim_files", "topology", "write_files"]

_COMPUTE = (
    "LayerID, Total Cycles (incl. prefetch), Total Cycles, Stall Cycles, Overall Util %, Mapping Efficiency %, "
    "Compute Util %,"
)
_BANDWIDTH = (
    "LayerID, Avg IFMAP SRAM BW, Avg FILTER SRAM BW, Avg OFMAP SRAM BW, "
    "Avg IFMAP DRAM BW, Avg FILTER DRAM BW, Avg OFMAP DRAM BW,"
)
_DETAILED = "LayerID, " + ", ".join(
    f"{memory} {what} Start Cycle, {memory} {what} Stop Cycle, {memory} {what} {kind}"
    for memory in ("SRAM", "DRAM")
    for what, kind in (("IFMAP", "Reads"), ("Filter", "Reads"), ("OFMAP", "Writes"))
) + ","  # fmt: skip
_LAYERS = "LayerID, Layer name, Operation, Topology row,"
_TOPOLOGY = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
)
_NONE = -1


@dataclass(frozen=True)
class _Span:
    """First and last cycle of a transfer, -1 without one, and words."""

    start: int
    stop: int
    words: int

    @property
    def rate(self) -> float:
        """Words per cycle from start to stop."""
        return self.words / (self.stop - self.start + 1) if self.words else 0.0


def scale_sim_files(analysis: CostAnalysis) -> dict[str, bytes]:
    """SCALE-Sim's three reports, the topology, and which layer is which.

    Parameters
    ----------
    analysis : CostAnalysis

    Returns
    -------
    dict of str to bytes
        Contents by file name. A line for each layer that the array works for, in the order of the program.

    Raises
    ------
    NetworkError
        When a convolution has no line in a topology; names it.
    """
    layers = [layer for layer in analysis.layers if layer.cycles.busy]
    transfers = _transfers(analysis)
    rows = [(layer, transfers[layer.name]) for layer in layers]
    names, lines = topology(analysis)
    index = {name: number for number, name in enumerate(names)}
    known = [(layer.name, layer.op, index.get(layer.name, _NONE)) for layer in layers]
    return {
        "COMPUTE_REPORT.csv": _csv(_COMPUTE, (_compute(layer, analysis, moved) for layer, moved in rows)),
        "BANDWIDTH_REPORT.csv": _csv(_BANDWIDTH, (_bandwidth(layer, analysis, moved) for layer, moved in rows)),
        "DETAILED_ACCESS_REPORT.csv": _csv(
            _DETAILED, (_detailed(layer, analysis, moved) for layer, moved in rows)
        ),
        "LAYERS.csv": _csv(_LAYERS, known),
        "topology.csv": ("\n".join([_TOPOLOGY, *lines]) + "\n").encode(),
    }  # fmt: skip


def _csv(header: str, rows: Iterator[tuple[object, ...]] | list) -> bytes:
    """As SCALE-Sim writes it: a blank after each comma, a comma at the end."""
    lines = [", ".join(map(str, (number, *row))) + "," for number, row in enumerate(rows)]
    return ("\n".join([header, *lines]) + "\n").encode()


def _compute(layer: LayerAnalysis, analysis: CostAnalysis, moved: dict[str, _Span]) -> tuple[object, ...]:
    """Cycles and utilisation."""
    peak, array, last = layer.roofline.peak, layer.counts.array, _steps(layer, analysis)[1]
    starts = [span.start for name, span in moved.items() if name != "OFMAP" and span.start >= 0]
    prefetch = last + 1 - min([*starts, last + 1 - layer.cycles.total])
    total = layer.cycles.total
    return (prefetch, total, layer.cycles.idle, 100 * layer.macs / (peak * total),
            100 * array.operations / array.places, 100 * layer.macs / (peak * layer.cycles.busy))  # fmt: skip


def _on_chip(layer: LayerAnalysis, analysis: CostAnalysis) -> tuple[int, int, int]:
    """Activations read, weights read, activations written."""
    config, counts = analysis.config, layer.counts
    weights = counts.weight_buffer.words_read * config.weight_rows * config.columns
    return counts.shift_buffer.port_a_reads, weights, counts.shift_buffer.epilogue_writes


def _bandwidth(layer: LayerAnalysis, analysis: CostAnalysis, moved: dict[str, _Span]) -> tuple[object, ...]:
    """Words per cycle."""
    chip = (words / layer.cycles.total for words in _on_chip(layer, analysis))
    return (*chip, *(span.rate for span in moved.values()))


def _detailed(layer: LayerAnalysis, analysis: CostAnalysis, moved: dict[str, _Span]) -> tuple[object, ...]:
    """First cycle, last cycle and words of each kind of access."""
    first, last = _steps(layer, analysis)
    chip = [value for words in _on_chip(layer, analysis) for value in (first, last, words)]
    return (*chip, *(value for span in moved.values() for value in (span.start, span.stop, span.words)))


def _steps(layer: LayerAnalysis, analysis: CostAnalysis) -> tuple[int, int]:
    """Cycles of the first and last step."""
    found = next(item for item in analysis.simulation.layers if item.name == layer.name)
    assert found.first is not None and found.last is not None
    return found.first, found.last


def _transfers(analysis: CostAnalysis) -> dict[str, dict[str, _Span]]:
    """Per layer the spans of IFMAP, Filter and OFMAP on the bus."""
    program, timeline, config = analysis.program, analysis.timeline, analysis.config
    width = {"IFMAP": config.act.storage_bits, "Filter": config.code_bits, "OFMAP": config.act.storage_bits}
    kinds = {LoadKind.MAP: "IFMAP", LoadKind.INPUT: "IFMAP", LoadKind.WEIGHTS: "Filter"}
    out = {}
    for record, counts in zip(program.layers, analysis.counts.layers, strict=False):
        memory = counts.memory
        bits = {"IFMAP": memory.input_bits + memory.map_read_bits, "Filter": memory.weight_bits,
                "OFMAP": memory.map_write_bits}  # fmt: skip
        begun: dict[str, list[int]] = {name: [] for name in bits}
        for span in record.get("instruction_ranges", ()):
            for index in range(*span):
                item = program.instructions[index]
                name = kinds.get(LoadKind(item["kind"])) if item.opcode == Opcode.LOAD else None
                name = "OFMAP" if item.opcode == Opcode.STORE else name
                if name is not None and timeline.begin[index] >= 0:
                    begun[name] += [int(timeline.begin[index]), int(timeline.end[index])]
        out[record["name"]] = {
            name: _Span(
                min(begun[name], default=_NONE), max(begun[name], default=_NONE), bits[name] // width[name]
            )
            for name in bits
        }
    return out


def topology(analysis: CostAnalysis) -> tuple[list[str], list[str]]:
    """SCALE-Sim's description of the convolutions.

    Returns
    -------
    tuple of (list of str, list of str)
        Names of layers, and their lines. Grouped convolutions have a line for each group, which counts as one here;
        depthwise ones have one line whose name begins with ``DP``, as SCALE-Sim takes it. Heights and widths of maps
        are those that give the output without padding.

    Raises
    ------
    NetworkError
        For strides that differ; names the layer.
    """
    layers = {layer.name: layer for layer in analysis.network.layers}
    worked = [layer.name for layer in analysis.layers if layer.cycles.busy]
    names, lines = [], []
    for name in worked:
        if isinstance(layers[name].op, Conv):
            for line in _topology_lines(layers[name]):
                names.append(name)
                lines.append(line)
    return names, lines


def _topology_lines(layer: FixedLayer) -> Iterator[str]:
    op = layer.op
    assert isinstance(op, Conv)
    if op.stride[0] != op.stride[1]:
        raise NetworkError(
            f"SCALE-Sim's topology has one stride for rows and columns, not {op.stride[0]} and {op.stride[1]}",
            where=layer.name,
        )
    out, inner, rows, columns = op.weights.values.shape
    stride, (_, height, width) = op.stride[0], layer.shape
    size = ((height - 1) * stride + rows, (width - 1) * stride + columns, rows, columns)
    name = layer.name.replace(",", ";").replace("DP", "dp")
    if op.groups > 1 and inner == 1:
        yield _line(f"DP_{name}", *size, op.groups, out // op.groups, stride)
        return
    for group in range(op.groups):
        suffix = f"_group{group}" if op.groups > 1 else ""
        yield _line(name + suffix, *size, inner, out // op.groups, stride)


def _line(name: str, *values: int) -> str:
    return ", ".join([name, *map(str, values)]) + ","


def finn_files(analysis: CostAnalysis) -> dict[str, bytes]:
    """FINN's ``estimate_layer_cycles.json`` and ``estimate_network_performance.json``.

    FINN builds a pipeline in which every layer has its own hardware, and the slowest sets the rate. Here layers take
    turns: an image takes their sum, so that throughput and latency follow from the total and not from ``max_cycles``.

    Parameters
    ----------
    analysis : CostAnalysis

    Returns
    -------
    dict of str to bytes
        Contents by file name.
    """
    cycles = {layer.name: layer.cycles.total for layer in analysis.layers if layer.cycles.total}
    slowest = max(cycles, key=lambda name: cycles[name])
    total, clock = analysis.simulation.counters["total"], analysis.simulation.clock_mhz
    performance = {
        "critical_path_cycles": total,
        "max_cycles": cycles[slowest],
        "max_cycles_node_name": slowest,
        "estimated_throughput_fps": 1e6 * clock / total,
        "estimated_latency_ns": 1e3 * total / clock,
    }
    return {
        "estimate_layer_cycles.json": (json.dumps(cycles, indent=2) + "\n").encode(),
        "estimate_network_performance.json": (json.dumps(performance, indent=2) + "\n").encode(),
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files of a folder, which is made if it is not there; other files in it stay.

    Parameters
    ----------
    folder : Path
        Its parent has to be there.
    files : mapping of str to bytes
        Contents by name.

    Raises
    ------
    DataError
        When one cannot be written; then none is in its place.
    """
    with refusals_as(DataError, folder):
        blocked = next((name for name in files if (folder / name).is_dir()), None)
        if blocked is not None:
            raise IsADirectoryError(None, f"{blocked} is a directory")
        made = not folder.is_dir()
        if made and (folder.exists() or not folder.parent.is_dir()):
            raise NotADirectoryError(
                None, "Not a directory" if folder.exists() else "No such file or directory"
            )
        work = Path(tempfile.mkdtemp(prefix=".hwshift.", dir=folder.parent if made else folder))
        try:
            new = work / "new"
            new.mkdir()
            for name, data in files.items():
                (new / name).write_bytes(data)
            if made:
                os.rename(new, folder)
            else:
                for name in files:
                    os.replace(new / name, folder / name)
        finally:
            shutil.rmtree(work, ignore_errors=True)
