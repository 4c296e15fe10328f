"""The benchmark of the cycle model: what it counts, and Verilator beside it."""

import dataclasses

import pytest

from hwshift.benchmarks import cycle
from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.errors import SimulationError
from hwshift.program.isa import Opcode
from hwshift.resolve import load_network, prepare
from hwshift.sim.cycle.model import simulate_cycles

CONFIG = PRESETS["4x4"]


@pytest.fixture(scope="module")
def program():
    return compile_network(prepare(load_network("csc-small"), CONFIG), CONFIG, keep="outputs")


def test_the_setting_is_that_of_the_bars():
    """128 KiB of 16 x 16 codes of 5 bits; 1 MiB of features."""
    config = cycle.CONFIG
    assert config.weight_tiles * 16 * 16 * 5 <= (128 << 13) < (config.weight_tiles + 1) * 16 * 16 * 5
    assert (config.rows, config.columns, config.bus_width, config.acc_depth) == (16, 16, 128, 512)
    assert (cycle.MEMORY.read_latency, cycle.MEMORY.stalls) == (40, None)


def test_passes(program):
    """By hand: the loops of every instruction."""
    expected = 0
    for item in program.instructions:
        if item.opcode == Opcode.COMPUTE:
            for _ in range(item["tiles"]):
                for _ in range(-(-item["rows"] // item["chunk_rows"])):
                    expected += item["ktile_count"]
    assert cycle.passes_of(program) == expected > 0


def test_rows(monkeypatch):
    monkeypatch.setattr(cycle, "CONFIG", CONFIG)
    told = []
    (row,) = cycle.run_cycle_benchmarks(["csc-small"], repeats=3, progress=told.append)
    figures = row.as_dict()
    assert told == ["compiling csc-small"]
    assert (
        row.cycles
        == simulate_cycles(
            compile_network(prepare(load_network("csc-small"), CONFIG), CONFIG, keep="outputs"), cycle.MEMORY
        )["total"]
    )
    assert len(row.seconds) == 3 and min(row.seconds) <= row.median_seconds <= max(row.seconds)
    assert figures["cycles_per_second"] == pytest.approx(row.cycles / row.median_seconds)
    assert figures["microseconds_per_pass"] == pytest.approx(1e6 * row.median_seconds / row.passes)
    assert figures["native"] is None and row.compile_seconds > 0


def test_a_difference_is_an_error(monkeypatch, program, tmp_path):
    """A counter of the RTL that differs from the model's ends the benchmark."""
    row = cycle.measure_program(program, repeats=1)
    counters = simulate_cycles(program, cycle.MEMORY)

    class Result:
        def check(self):
            return self

    def run(config, run, *, build_dir):  # noqa: ARG001
        result = Result()
        result.counters = dict(counters)
        return result, 2.0

    monkeypatch.setattr("hwshift.sim.native.run_native", run)
    measured = cycle.measure_native(program, row, tmp_path)
    assert measured.native.seconds == 2.0 and measured.native.ratio == pytest.approx(2.0 / row.median_seconds)
    assert dataclasses.replace(measured, native=None) == row
    busy = counters["busy"]
    counters["busy"] += 1
    with pytest.raises(SimulationError, match=f"busy is {busy + 1} in the RTL, {busy} in the model$"):
        cycle.measure_native(program, row, tmp_path)
