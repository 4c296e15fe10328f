import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from hwshift.compiler.shift_mode import with_shifts
from hwshift.config import PRESETS
from hwshift.cost.analysis import analyse
from hwshift.cost.counting import count_program
from hwshift.cost.energy import PARTS
from hwshift.cost.views import (
    ACCESSES,
    Access,
    Operations,
    ShiftElements,
    accesses,
    operations,
    shift_elements,
)
from hwshift.network.fixed import Conv, Shift
from hwshift.program.counters import Cause
from hwshift.program.expected import launch_of
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.rtl_run import RtlRun, run_rtl
from hwshift.verification import choose_simulator

from .examples import CASES, analysis, example
from .test_counting import tiny


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_layers_add_up_to_the_whole(case):
    """Every count, operation, access, cycle, byte and picojoule of the image belongs to exactly one layer."""
    found = analysis(*case)
    total = found.counts.total
    for path in total.paths():
        assert sum(layer.counts.value(path) for layer in found.layers) == total.value(path)
    assert sum((layer.operations for layer in found.layers), Operations()) == found.operations
    for index, access in enumerate(found.accesses):
        assert sum(layer.accesses[index].words for layer in found.layers) == access.words
    assert sum(layer.cycles.total for layer in found.layers) == found.simulation.counters["total"]
    assert sum(layer.macs for layer in found.layers) == found.simulation.macs
    assert sum(layer.roofline.read_bytes for layer in found.layers) == found.roofline.read_bytes
    assert sum(layer.total_pj for layer in found.layers) == pytest.approx(found.energy.total_pj, rel=1e-12)
    for part in PARTS:
        whole = sum(layer.energy_pj[part] for layer in found.layers)
        assert whole == pytest.approx(found.energy.by_part_pj[part], rel=1e-12)


def test_operations_by_hand():
    """Four pixels, 3 lanes, 4 columns: 48 shifts and 32 additions of the trees; 16 outputs of four digits each."""
    program = tiny()
    layer = count_program(program).layers[0]
    assert operations(layer, program.config) == Operations(
        multiplies=0, shifts=48 + 16 * 5, adds=32 + 16 * 4, register_writes=32 + 12
    )
    mac = PRESETS["4x4-mac"]
    assert operations(layer, mac) == Operations(
        multiplies=48 + 16, shifts=16, adds=32 + 16, register_writes=32 + 12
    )


def test_accesses_by_hand():
    program = tiny()
    found = accesses(count_program(program).total, program.config)
    by_port = {(item.memory, item.port, item.kind): item for item in found}
    assert by_port["shift buffer", "port A: array", "read"] == Access(
        "shift buffer", "port A: array", "read", 12, 32
    )
    assert by_port["shift buffer", "port B: epilogue", "write"].bits == 16 * 32
    assert by_port["weight buffer", "array", "read"].bits == 4 * 4 * 6  # 5 bits and a zero bit
    assert by_port["external memory", "input", "read"].bits == 4 * 3 * 32
    assert by_port["external memory", "instructions", "read"].bits == 10 * 512


def test_every_memory_count_is_an_access():
    total = analysis("csc", "8x8").counts.total
    memories = ("shift_buffer.", "weight_buffer.", "tables.", "memory.", "accumulator.words")
    assert {line[3] for line in ACCESSES} == {path for path in total.paths() if path.startswith(memories)}


def test_counting_knows_no_unit_cost():
    """Counts do not change with a table because nothing of them imports one."""
    folder = Path(sys.modules["hwshift.cost"].__file__).parent
    for name in ("counts", "counting", "cycles", "views", "roofline"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not modules & {"hwshift.cost.energy", "hwshift.cost.tables", "hwshift.cost.analysis"}, name


def test_shift_elements_are_those_of_the_network():
    network, _, _ = example("csc", "8x8")
    found = shift_elements(network)
    for name, item in found.items():
        op = network.layer(name).op
        assert isinstance(op, Conv)
        _, height, width = network.layer(network.layer(name).inputs[0]).shape
        still = sum(1 for dy, dx in op.shift.tolist() if dy == dx == 0)
        assert item == ShiftElements((len(op.shift) - still) * height * width, still * height * width)
    moved = shift_elements(with_shifts(network, "moved"))
    assert sum(item.shifted for item in moved.values()) == sum(item.shifted for item in found.values())
    assert all(isinstance(with_shifts(network, "moved").layer(name).op, Shift) for name in moved)
    assert ShiftElements(30, 10).sparsity == 0.25 and ShiftElements().sparsity == 0


def test_fused_and_moved_shift_the_same_elements():
    network, program, _ = example("csc", "8x8", "outputs")
    fused = analyse(network, program.config, shift="fused")
    moved = analyse(network, program.config, shift="moved")
    assert fused.shifts == moved.shifts and fused.shift_total.shifted > 0
    assert moved.counts.total.moves.shifted_elements == moved.shift_total.shifted
    assert fused.counts.total.moves.shifted_elements == 0
    assert moved.simulation.counters["total"] > fused.simulation.counters["total"]


def test_roofline():
    found = analysis("csc", "8x8", "outputs")
    whole = found.roofline
    assert whole.achieved == found.simulation.macs / found.simulation.counters["total"]
    assert 0 < whole.achieved <= whole.roof <= whole.peak == 64
    assert whole.ridge == 64 / 8
    assert whole.roof == pytest.approx(min(64, 8 * whole.macs / max(whole.read_bytes, whole.write_bytes)))
    assert found.layers[-1].roofline.roof == 0 or found.layers[-1].roofline.macs == 0


@pytest.mark.parametrize("case", [("csc", "4x4"), ("csc", "4x4-mac")], ids="-".join)
def test_counts_equal_the_counters_of_the_rtl(case, rtl_builds):
    """Where the hardware counts, it counts the same: the RTL is simulated, its registers are read over AXI4-Lite."""
    network, program, codes = example(*case, "all", small=True)
    found = analysis(*case, "all", small=True)
    image = program.memory_image(np.asarray(codes)).tobytes()
    timing = MemoryTiming()
    run = RtlRun(launch_of(program), image, timing.read_latency, timing.write_latency)
    simulator = choose_simulator(program.config, found.simulation.counters["total"])
    (result,) = run_rtl(program.config, [run], simulator=simulator, build_dir=rtl_builds)
    counters, total = result.check().counters, found.counts.total
    bus = program.config.bus_width
    assert counters["steps"] == counters["busy"] == total.array.steps
    assert counters["load_beats"] * bus == total.memory.load_bits
    assert counters["store_beats"] * bus == total.memory.map_write_bits
    assert counters["fetch_beats"] * bus == total.memory.instruction_bits
    assert counters["total"] == sum(item.total for item in found.cycles)
    for cause in Cause:
        name = cause.name.lower()
        assert counters[name] == sum(item.causes.get(name, 0) for item in found.cycles)
