"""Tests of the shift buffer: what every lane reads, who gets port B, and what Verilog comes out."""

import re

import numpy as np
import pytest
from amaranth.hdl import Fragment, Module, Signal, signed
from amaranth.lib import data
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.golden.formats import QFormat
from hwshift.rtl import export, shift_buffer
from hwshift.rtl.delay import delay
from hwshift.rtl.lane_address import LaneAddress
from hwshift.rtl.shift_buffer import ShiftBuffer
from hwshift.sim.benches.common import config_env
from hwshift.sim.models.shift_buffer import Cycle, contention_trace, reading_trace
from hwshift.sim.runner import run_cocotb
from hwshift.timing import timing

from ..seeds import seed_of

STREAMS = ("cmd", "write", "residual", "load", "store")


def small(pixels=1, rows=4, columns=4, act="Q4.4", **fields):
    fields = {"bus_width": 32, "feature_depth": 64, "lane_rows": 8} | fields
    return AcceleratorConfig(rows=rows, columns=columns, pixels=pixels, act=QFormat.parse(act), **fields)


def name_of(config):
    return f"P{config.pixels}-{config.rows}x{config.columns}-{config.act}"


def drive(ctx, dut, cycle):
    for port in STREAMS:
        request = cycle.requests.get(port)
        ctx.set(getattr(dut, port).valid, request is not None)
        if request is not None:
            ctx.set(getattr(dut, port).payload, request)
    if "write_data" in cycle.requests:
        ctx.set(dut.write_data, cycle.requests["write_data"])
    request = cycle.requests.get("lane_write")
    ctx.set(dut.lane_write.en, request is not None)
    if request is not None:
        ctx.set(dut.lane_write.address, request["address"])
        ctx.set(dut.lane_write.data, request["data"])


def numbers(value):
    """Nested views as lists of integers."""
    return [numbers(item) for item in value] if isinstance(value, data.Const) else value


def play(config, trace):
    """Compare the RTL with a trace, cycle by cycle; the number of comparisons."""
    dut = ShiftBuffer(config)
    outputs = {"x": dut.x, "residual_data": dut.residual_data, "store_data": dut.store_data}
    checked = dict.fromkeys([*outputs, "load", "store"], 0)

    async def bench(ctx):
        for number, cycle in enumerate(trace):
            drive(ctx, dut, cycle)
            _, _, load, store, *seen = await ctx.tick().sample(
                dut.load.ready, dut.store.ready, *outputs.values()
            )
            for port, ready in cycle.ready.items():
                assert {"load": load, "store": store}[port] == ready, f"cycle {number}: {port} ready"
                checked[port] += 1
            for name, value in zip(outputs, seen, strict=True):
                if name in cycle.outputs:
                    expected, known = cycle.outputs[name]
                    found = np.array(numbers(value))
                    wrong = known & (found != expected)
                    assert not wrong.any(), f"cycle {number}: {name} is {found}, not {expected}, at {wrong}"
                    checked[name] += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return checked


CONFIGS = [
    small(1),
    small(2, act="Q8.8"),
    small(4, feature_depth=32),
    small(1, rows=8, act="Q3.2"),
    small(2, rows=8, columns=8, act="Q16.16", bus_width=64),
    small(4, rows=8, act="Q16.16", bus_width=128, feature_depth=32),
]


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_reads_any_displacement(config):
    rng = np.random.default_rng(seed_of("shift buffer", 1))
    trace = reading_trace(config, rng, (3, 4, 9 if config.pixels < 4 else 14))
    assert play(config, trace)["x"] == 200


SHAPES = {
    "small": ((2, 7, 5), {}),
    "small-by-slot": ((3, 7, 5), {"by_slot": True}),
    "tall": ((1, 140, 1), {}),
    "wide": ((1, 1, 140), {}),
    "pixel": ((2, 1, 1), {}),
    "pixel-by-slot": ((2, 1, 1), {"by_slot": True}),
    "circular": ((1, 20, 6), {"rows_held": 4}),
    "circular-slots": ((2, 9, 7), {"rows_held": 3}),
}


@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_reads_buffers_of_any_shape(pixels, shape):
    size, options = SHAPES[shape]
    config = small(pixels, feature_depth=256 if 140 in size else 128)
    assert (
        play(
            config,
            reading_trace(
                config, np.random.default_rng(seed_of("shift buffer", 2)), size, steps=120, **options
            ),
        )["x"]
        == 120
    )


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
@pytest.mark.parametrize("seed", range(3))
def test_port_b_is_shared_by_priority(config, seed):
    config = config.with_(feature_depth=16)
    checked = play(config, contention_trace(config, np.random.default_rng(seed_of("shift buffer", seed))))
    assert checked["store_data"] >= config.sub_banks * config.feature_depth
    assert min(checked.values(), key=lambda count: count or 1000) > 10


def idle(config, cycles):
    """A trace without requests, in which the buffer reads as zeros from the start."""
    trace = [Cycle({"store": {"sub": 0, "word": word}}, {"store": True}) for word in range(cycles)]
    for cycle in trace[timing(config).store_data :]:
        cycle.outputs["store_data"] = np.zeros(config.rows), np.ones(config.rows, bool)
    return trace


def test_memories_start_as_zeros():
    config = small()
    checked = play(config, idle(config, config.feature_depth))["store_data"]
    assert checked == config.feature_depth - timing(config).store_data


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_latency_is_that_of_the_timing_table(config):
    """A lane that pads with the minimum differs from the zeros around it in exactly one cycle."""
    dut, seen = ShiftBuffer(config), []
    step = Cycle({"cmd": {"lane_row": 3, "width": 0, "height": 0, "pad_min": 1, "length": 16}})

    async def bench(ctx):
        for beat in range(config.lane_beats):
            ones = (1 << config.bus_width) - 1
            drive(ctx, dut, Cycle({"lane_write": {"address": 3 * config.lane_beats + beat, "data": ones}}))
            await ctx.tick()
        for cycle in [step, *[Cycle({"cmd": {"lane_row": 0}})] * 10]:
            drive(ctx, dut, cycle)
            _, _, x = await ctx.tick().sample(dut.x)
            seen.append(numbers(x))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    hits = [cycle for cycle, x in enumerate(seen) if np.all(np.array(x) == config.act.min)]
    assert hits == [dut.latency] == [timing(config).x_stage - timing(config).lane_stage]


class OffByOne(LaneAddress):
    """Reads the pixel right of the one it should."""

    def _column(self, lane):
        return super()._column(lane) + 1


def test_the_bench_sees_an_off_by_one(monkeypatch):
    monkeypatch.setattr(shift_buffer, "LaneAddress", OffByOne)
    with pytest.raises(AssertionError, match=r"^cycle \d+: x is "):
        test_reads_any_displacement(CONFIGS[0])


def convert(config, folder):
    source = folder / "shift_buffer.v"
    source.write_text(export.convert(ShiftBuffer(config), "shift_buffer"))
    return source


@pytest.mark.parametrize("config", CONFIGS[1:4], ids=name_of)
def test_verilog(config, tmp_path):
    text = convert(config, tmp_path).read_text()
    assert "latch" not in text
    assert not re.search(r"[\w)\]] \* [\w(]", text), "multiplier"
    depth = rf"\[{config.feature_depth - 1}:0\];"
    assert len(re.findall(rf"reg \[\d+:0\] sub_\d {depth}", text)) == config.rows * config.sub_banks
    assert len(re.findall(rf"reg \[\d+:0\] rows \[{config.lane_rows - 1}:0\];", text)) == 1
    assert convert(config, tmp_path).read_text() == text


BENCHES = {
    "icarus": [small(2, rows=8, feature_depth=32)],
    "verilator": [small(2, act="Q8.8", feature_depth=32)],
}


def cocotb(config, simulator, folder, rtl_builds):
    return run_cocotb(
        sources=[convert(config, folder)], top="shift_buffer", build_dir=rtl_builds, simulator=simulator,
        test_module="hwshift.sim.benches.bench_shift_buffer", extra_env=config_env(config),
        seed=seed_of("bench_shift_buffer", 5),
    )  # fmt: skip


def test_cocotb(simulator, tmp_path, rtl_builds):
    for config in BENCHES[simulator]:
        assert cocotb(config, simulator, tmp_path, rtl_builds).tests == 3


def test_cocotb_sees_an_off_by_one(monkeypatch, tmp_path, rtl_builds):
    monkeypatch.setattr(shift_buffer, "LaneAddress", OffByOne)
    with pytest.raises(SimulationError, match=r"^2 of 3 cocotb tests failed"):
        cocotb(BENCHES["icarus"][0], "icarus", tmp_path, rtl_builds)


@pytest.mark.parametrize("cycles", [0, 1, 3])
@pytest.mark.parametrize(
    "shape", [signed(5), data.StructLayout({"a": signed(5), "b": 3})], ids=["value", "view"]
)
def test_delay(cycles, shape):
    m, source = Module(), Signal(shape)
    copy = delay(m, source, cycles, "copy")
    assert copy.shape() == source.shape()
    if cycles == 0:
        assert copy is source
    values = [{"a": -3 + number, "b": number} for number in range(8)]
    values = values if isinstance(shape, data.Layout) else [value["a"] for value in values]
    seen = []

    async def bench(ctx):
        for value in values:
            ctx.set(source, value)
            _, _, found = await ctx.tick().sample(copy)
            seen.append({"a": found.a, "b": found.b} if isinstance(found, data.Const) else found)

    m.d.sync += Signal().eq(1)  # the domain, where there are no registers
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen[cycles:] == values[: len(values) - cycles]


def test_delay_refuses_the_future():
    m = Module()
    with pytest.raises(ValueError, match=r"^cycles must be 0 or more, not -1$"):
        delay(m, Signal(), -1, "early")
    Fragment.get(m, None)  # used, so that nothing warns
