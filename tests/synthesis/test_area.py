"""Area of the blocks that make most of an accelerator, against counts by hand."""

import pytest

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.accumulator import AccumulatorLane
from hwshift.rtl.array import Column
from hwshift.rtl.export import without_contents
from hwshift.rtl.shift_buffer import Bank
from hwshift.sim.rtl_run import core_file
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.yosys import run_yosys
from tests.synthesis.depthwise import DepthwiseChannel, area


# 4096 words of 32 bits: 128 Kibit for each of the two sub-banks
@pytest.mark.parametrize(
    "target, blocks", [("ecp5", 2 * 8), pytest.param("xilinx", 2 * 4, marks=pytest.mark.slow)]
)
def test_a_bank_lies_in_the_fewest_block_rams(target, blocks, tmp_path):
    """128 Kibit in ECP5's 16, in Xilinx's 32 Kibit without parity; with one port for reads and one shared."""
    found = area(Bank(PRESETS["8x8"]), target, tmp_path)
    assert (found.bram, found.lutram, found.dsp) == (blocks, 0, 0)
    assert found.ff < 120


SMALL = {"act": QFormat(8, 8), "bus_width": 32}


@pytest.mark.slow
@pytest.mark.parametrize("target, each", [("ecp5", 1), ("xilinx", 1)])
def test_multipliers_lie_in_dsp_blocks(target, each, tmp_path):
    """16 x 16 bits are one block; a column of four rows has four."""
    config = AcceleratorConfig(pe="mac", weights=QFormat(2, 14), **SMALL)
    assert area(Column(config), target, tmp_path).dsp == 4 * each
    assert area(Column(config), target, tmp_path, dsp=False).dsp == 0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ecp5", "xilinx", "ice40"])
def test_a_shift_add_column_has_no_dsp_block(target, tmp_path):
    assert area(Column(AcceleratorConfig(**SMALL)), target, tmp_path).dsp == 0


@pytest.mark.parametrize("preset, multipliers", [("4x4", False), ("4x4-mac", True)])
def test_a_multiplier_free_core_has_no_multiplication(preset, multipliers, rtl_builds, tmp_path):
    (tmp_path / "core.v").write_text(without_contents(core_file(PRESETS[preset], rtl_builds).read_text()))
    check = "select -assert-any t:$mul" if multipliers else "select -assert-none t:$mul"
    run_yosys(f"read_verilog core.v; hierarchy -top hwshift_core; proc; opt; {check}", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("guard, limit", [(None, 150), (0, 105)])
def test_luts_of_a_processing_element(guard, limit, tmp_path):
    """With its share of adder tree and accumulator: a column of sixteen rows on UltraScale+, 32-bit activations.

    By hand, exact: 35 + 47 multiplexers, 731 adder bits and 52 for the sign in the tree, and in the accumulator 57
    adder bits and 56 multiplexers, both for sixteen: 138. Without guard bits 31 + 31, 506 + 36, 57 + 56: 103.
    """
    config = PRESETS["16x16"].with_(guard=guard)
    lanes = [area(component, "xilinx", tmp_path) for component in (Column(config), AccumulatorLane(config))]
    found = sum(lanes, Resources())
    assert found.lut / config.rows <= limit
    assert found.dsp == 0


@pytest.mark.slow
def test_the_price_of_a_depthwise_unit(tmp_path):
    """Nine elements beside the sixteen of a column: 9/16 of its LUTs, and a block RAM (docs/performance.md)."""
    config = PRESETS["16x16"]
    column, lane, channel = (
        area(block(config), "xilinx", tmp_path) for block in (Column, AccumulatorLane, DepthwiseChannel)
    )
    assert channel.bram == 1 and channel.dsp == 0
    assert 0.5 < channel.lut / (column.lut + lane.lut) < 0.6
