"""The files as their own tools read them: headers byte for byte, totals against counters and plain arithmetic."""

import csv
import io
import json
import math
import os
import re
import stat

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.cost.analysis import analyse
from hwshift.cost.interchange import finn_files, scale_sim_files, topology, write_files
from hwshift.errors import DataError, NetworkError
from hwshift.network import ops
from hwshift.network.fixed import Conv
from hwshift.network.graph import Network, Node
from hwshift.resolve import prepare

from .examples import CASES, analysis

# As simulator.py of SCALE-Sim writes them.
HEADERS = {
    "COMPUTE_REPORT.csv": "LayerID, Total Cycles (incl. prefetch), Total Cycles, Stall Cycles, Overall Util %, "
    "Mapping Efficiency %, Compute Util %,",
    "BANDWIDTH_REPORT.csv": "LayerID, Avg IFMAP SRAM BW, Avg FILTER SRAM BW, Avg OFMAP SRAM BW, Avg IFMAP DRAM BW, "
    "Avg FILTER DRAM BW, Avg OFMAP DRAM BW,",
    "DETAILED_ACCESS_REPORT.csv": "LayerID, "
    "SRAM IFMAP Start Cycle, SRAM IFMAP Stop Cycle, SRAM IFMAP Reads, "
    "SRAM Filter Start Cycle, SRAM Filter Stop Cycle, SRAM Filter Reads, "
    "SRAM OFMAP Start Cycle, SRAM OFMAP Stop Cycle, SRAM OFMAP Writes, "
    "DRAM IFMAP Start Cycle, DRAM IFMAP Stop Cycle, DRAM IFMAP Reads, "
    "DRAM Filter Start Cycle, DRAM Filter Stop Cycle, DRAM Filter Reads, "
    "DRAM OFMAP Start Cycle, DRAM OFMAP Stop Cycle, DRAM OFMAP Writes,",
    "topology.csv": "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, "
    "Num Filter, Strides,",
    "LAYERS.csv": "LayerID, Layer name, Operation, Topology row,",
}


def read(content):
    return list(csv.DictReader(io.StringIO(content.decode()), skipinitialspace=True))


@pytest.mark.parametrize("case", CASES[:6], ids="-".join)
def test_scale_sim(case):
    found = analysis(*case)
    files = scale_sim_files(found)
    assert {name: content.decode().splitlines()[0] for name, content in files.items()} == HEADERS
    compute, bandwidth, detailed, layers = (
        read(files[name])
        for name in ("COMPUTE_REPORT.csv", "BANDWIDTH_REPORT.csv", "DETAILED_ACCESS_REPORT.csv", "LAYERS.csv")
    )
    assert [row["LayerID"] for row in compute] == [str(i) for i in range(len(compute))]
    assert len(compute) == len(bandwidth) == len(detailed) == len(layers)
    counters, total = found.simulation.counters, found.counts.total
    assert sum(int(row["Total Cycles"]) for row in compute) == counters["total"] - counters["tail"]
    assert (
        sum(int(row["Stall Cycles"]) for row in compute)
        == counters["total"] - counters["tail"] - counters["busy"]
    )
    assert all(
        int(row["Total Cycles (incl. prefetch)"]) >= int(row["Total Cycles"]) > int(row["Stall Cycles"])
        for row in compute
    )
    act, code = found.config.act.storage_bits, found.config.code_bits
    assert sum(int(row["SRAM IFMAP Reads"]) for row in detailed) == total.shift_buffer.port_a_reads
    assert sum(int(row["SRAM OFMAP Writes"]) for row in detailed) == total.shift_buffer.epilogue_writes
    assert sum(int(row["DRAM OFMAP Writes"]) for row in detailed) == total.memory.map_write_bits // act
    assert sum(int(row["DRAM IFMAP Reads"]) for row in detailed) == (
        (total.memory.input_bits + total.memory.map_read_bits) // act
    )
    assert sum(int(row["DRAM Filter Reads"]) for row in detailed) <= total.memory.weight_bits // code
    for row, rates, cycles in zip(detailed, bandwidth, compute, strict=True):
        span = int(row["DRAM Filter Stop Cycle"]) - int(row["DRAM Filter Start Cycle"]) + 1
        assert float(rates["Avg FILTER DRAM BW"]) == pytest.approx(int(row["DRAM Filter Reads"]) / span)
        assert float(rates["Avg OFMAP SRAM BW"]) == pytest.approx(
            int(row["SRAM OFMAP Writes"]) / int(cycles["Total Cycles"])
        )
        assert 0 <= float(cycles["Overall Util %"]) <= float(cycles["Compute Util %"]) <= 100
        assert float(cycles["Compute Util %"]) <= float(cycles["Mapping Efficiency %"]) + 1e-9 <= 100 + 1e-9


@pytest.mark.parametrize("case", CASES[:6], ids="-".join)
def test_topology_as_scale_sim_computes_it(case):
    """Its output is ceil((map - filter + stride) / stride), its multiplications output times filter times channels."""
    found = analysis(*case)
    names, lines = topology(found)
    macs: dict[str, int] = {}
    for name, line in zip(names, lines, strict=True):
        assert line.endswith(",")
        label, *numbers = line[:-1].split(",")
        height, width, rows, columns, channels, filters, stride = map(int, numbers)
        out = math.ceil((height - rows + stride) / stride), math.ceil((width - columns + stride) / stride)
        assert out == found.network.layer(name).shape[1:]
        assert rows <= height and columns <= width
        layers = channels if "DP" in label else 1  # a line with DP stands for as many layers of one channel
        one = 1 if "DP" in label else channels
        macs[name] = macs.get(name, 0) + layers * out[0] * out[1] * rows * columns * one * filters
    convolutions = {layer.name for layer in found.network.layers if isinstance(layer.op, Conv)}
    assert set(macs) == convolutions
    assert sum(macs.values()) == found.simulation.macs


def test_a_topology_has_one_stride():
    conv = ops.Conv2d(np.full((4, 4, 1, 1), 0.25, np.float32), stride=(2, 1))
    nodes = (Node("input", ops.Input(4, 8, 8)), Node("odd", conv, ("input",)))
    config = PRESETS["4x4"]
    found = analyse(prepare(Network("net", nodes, "odd"), config), config)
    message = "odd: SCALE-Sim's topology has one stride for rows and columns, not 2 and 1"
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        scale_sim_files(found)


def test_finn():
    found = analysis("csc", "8x8")
    files = {name: json.loads(content) for name, content in finn_files(found).items()}
    cycles = files["estimate_layer_cycles.json"]
    total = found.simulation.counters["total"]
    assert sum(cycles.values()) == total
    assert all(isinstance(value, int) and value > 0 for value in cycles.values())
    performance = files["estimate_network_performance.json"]
    assert performance["critical_path_cycles"] == total
    assert performance["max_cycles"] == max(cycles.values()) == cycles[performance["max_cycles_node_name"]]
    assert performance["estimated_throughput_fps"] == pytest.approx(200e6 / total)
    assert performance["estimated_latency_ns"] == pytest.approx(5 * total)


def test_a_folder_is_made_or_filled(tmp_path):
    folder = tmp_path / "out"
    mask = os.umask(0o027)
    try:
        write_files(folder, {"a.csv": b"1", "b.csv": b"2"})
    finally:
        os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    (folder / "mine").write_bytes(b"kept")
    write_files(folder, {"a.csv": b"3"})
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {"a.csv": b"3", "b.csv": b"2", "mine": b"kept"}
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_cannot_be_written_stays_as_it_is(tmp_path, monkeypatch):
    folder, file = tmp_path / "out", tmp_path / "file"
    (folder / "b.csv").mkdir(parents=True)
    file.write_bytes(b"")
    for place, problem in (
        (folder, "b.csv is a directory"),
        (file, "Not a directory"),
        (tmp_path / "no" / "out", "No such file or directory"),
    ):
        with pytest.raises(DataError, match=f"^{re.escape(f'{place}: cannot be written: {problem}')}$"):
            write_files(place, {"a.csv": b"1", "b.csv": b"2"})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    for place in (tmp_path / "new", folder):
        with pytest.raises(DataError, match="cannot be written: No space left on device$"):
            write_files(place, {"a.csv": b"1"})
    assert sorted(os.listdir(tmp_path)) == ["file", "out"]
    assert os.listdir(folder) == ["b.csv"]
