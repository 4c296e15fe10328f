"""The tests in Amaranth's simulator notice broken designs: one or more for every file that simulates a block."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.accumulator import Accumulator
from hwshift.rtl.axi_lite import AxiLiteSlave
from hwshift.rtl.bursts import Bursts
from hwshift.rtl.compute_side import ComputeSide
from hwshift.rtl.control import Control
from hwshift.rtl.gearbox import Gearbox
from hwshift.rtl.queue import BlockQueue, Queue
from hwshift.rtl.row_taps import RowTaps
from hwshift.rtl.weight_buffer import WeightBuffer

from ..sim import test_memory_side_model
from . import (
    control_bus,
    memory_bench,
    test_accumulator,
    test_array,
    test_axi_lite,
    test_bursts,
    test_compute_side,
    test_control,
    test_control_queue,
    test_epilogue,
    test_gearbox,
    test_memory_errors,
    test_memory_side,
    test_pe,
    test_queue,
    test_row_taps,
    test_weight_buffer,
)
from .memory_side import MemorySide
from .test_unit_benches import RowsReversed, SaturatesLow, SignBeforeShift


def broken(block: type, change: Callable) -> type:
    """The block with more assignments, which come after its own and so win."""

    class Broken(block):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            m.d.comb += change(self)
            return m

    return Broken


QUIET = {"changes": {}, "seed": 0}
PAUSES = {"density": 0.5, "hold": 0.3, "latency": (10, 3)}
STALLED = {"name": "pow2-p1-bus64", "stalls": "half", "hold": 0.3}
REFUSED = {"instruction": test_memory_errors.load(kind=7), "regions": {}, "code": 1}
SMALL_MAC = AcceleratorConfig(pe="mac", act=QFormat(4, 4), weights=QFormat(4, 4), bus_width=32)
CASES = {
    "a sum without its lowest bit": (
        test_accumulator, broken(Accumulator, lambda dut: dut.acc[0][0][0].eq(0)),
        lambda: test_accumulator.test_one_pixel_chunks_every_cycle(test_accumulator.CONFIGS["4x4"]),
    ),
    "a maximum that keeps the first value": (
        test_accumulator, broken(Accumulator, lambda dut: dut.acc[-1][-1][-1].eq(0)),
        lambda: test_accumulator.test_maximum(test_accumulator.CONFIGS["4x4"]),
    ),
    "weights in reverse": (
        test_array, RowsReversed, lambda: test_array.test_random_swaps_and_writes(SMALL_MAC),
    ),
    "strobes without a meaning": (
        test_axi_lite, broken(AxiLiteSlave, lambda dut: dut.access.write_mask.eq(-1)),
        test_axi_lite.test_slave_latency,
    ),
    "a burst that is never the last": (
        test_bursts, broken(Bursts, lambda dut: dut.o.payload.last.eq(0)),
        lambda: test_bursts.test_random_rows(64),
    ),
    "an address beyond the bus": (
        test_bursts, broken(Bursts, lambda dut: dut.o.payload.beyond.eq(0)),
        lambda: test_bursts.test_addresses_beyond_the_bus_are_marked(
            {"rows": 1, "row_beats": 2, "row_stride": 0, "address": 1 << 40}, [1]),
    ),
    "a ring without room": (
        test_compute_side, broken(ComputeSide, lambda dut: dut.room.eq(0)),
        lambda: test_compute_side.test_rtl_and_model_agree_in_every_cycle(**QUIET),
    ),
    "an interrupt that stays away": (
        control_bus, broken(Control, lambda dut: dut.irq.eq(0)), test_control.test_run,
    ),
    "a halt that nobody sees": (
        control_bus, broken(Control, lambda dut: dut.halt.eq(0)), test_control.test_error,
    ),
    "runs that wait with the settings of the first": (
        control_bus, broken(Control, lambda dut: dut.settings.program_count.eq(99)),
        test_control_queue.test_runs_that_wait_start_two_cycles_after_the_one_before,
    ),
    "one value less than the highest": (
        test_epilogue, SaturatesLow, test_epilogue.test_saturation_both_ways_before_and_after_the_residual,
    ),
    "words that all begin a tile": (
        test_gearbox, broken(Gearbox, lambda dut: dut.o.payload.first.eq(1)),
        lambda: test_gearbox.test_words(test_gearbox.CONFIGS[0], 0.5, 0.5),
    ),
    "bursts that are not INCR": (
        memory_bench, broken(MemorySide, lambda dut: dut.bus.arburst.eq(2)),
        lambda: test_memory_side.test_every_byte_arrives(**STALLED),
    ),
    "beats that are written in part": (
        memory_bench, broken(MemorySide, lambda dut: dut.bus.wstrb.eq(1)),
        lambda: test_memory_side.test_every_byte_arrives(**STALLED),
    ),
    "errors that nobody sees": (
        memory_bench, broken(MemorySide, lambda dut: dut.error.eq(0)),
        lambda: test_memory_errors.test_what_is_outside_is_refused(**REFUSED),
    ),
    "tokens of one kind that are not given": (
        memory_bench, broken(MemorySide, lambda dut: dut.push[0].eq(0)),
        lambda: test_memory_side_model.test_every_event_in_its_cycle("pow2-p1-bus64", **PAUSES),
    ),
    "the sign before the shift": (
        test_pe, SignBeforeShift, lambda: test_pe.test_terms(test_pe.SHIFT_ADD[1]),
    ),
    "an entry too many": (
        test_queue, broken(Queue, lambda dut: dut.i.ready.eq(1)), partial(test_queue.test_every_cycle, depth=2,
        rule=test_queue.Fallthrough, idle=0.1, stall=0.8),
    ),
    "an entry with another payload": (
        test_queue, broken(BlockQueue, lambda dut: dut.o.payload.b.eq(0)), partial(test_queue.test_every_cycle,
        depth=3, rule=test_queue.Prefetching, idle=0.5, stall=0.5),
    ),
    "elements that forget": (
        test_row_taps, broken(RowTaps, lambda dut: dut.aged[1][0].eq(0)),
        lambda: test_row_taps.test_values_walk_down_the_rows("4x4", 0.4),
    ),
    "rows of another tile": (
        test_weight_buffer, broken(WeightBuffer, lambda dut: dut.shadow.row.eq(0)),
        lambda: test_weight_buffer.test_random_reads_and_writes(test_weight_buffer.CONFIGS["4x4"]),
    ),
    "weights of zero": (
        test_weight_buffer, broken(WeightBuffer, lambda dut: dut.shadow.data.as_value().eq(0)),
        lambda: test_weight_buffer.test_a_tile_reaches_the_array(test_weight_buffer.CONFIGS["4x4-w4-mac"]),
    ),
}  # fmt: skip
"""What is broken: where the tests find the block, the broken one, and a test."""


@pytest.mark.parametrize("name", CASES)
def test_a_broken_design_is_noticed(name, monkeypatch):
    module, block, test = CASES[name]
    monkeypatch.setattr(module, block.__base__.__name__, block)
    if isinstance(test, partial):  # this one is told which block
        test = partial(test, block)
    with pytest.raises(AssertionError):
        test()


def test_no_file_is_left_out():
    """Files that simulate a block and do not show by themselves that they can fail."""
    here = Path(__file__)
    listed = set(re.findall(r"(test_\w+)\.test_\w+", here.read_text()))
    for path in here.parent.glob("test_*.py"):
        text = path.read_text()
        simulates = re.search(
            r"^from amaranth\.sim|import .*\bsimulate\b|control_bus|memory_bench", text, re.M
        )
        own = re.search(r"def test_(can_fail|the_bench_sees)", text)
        assert path == here or not simulates or own or path.stem in listed, path.name
