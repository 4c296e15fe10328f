"""Tests of the way Yosys is run and its cells are counted."""

import pytest

from hwshift.errors import ConfigError, ToolError
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.run import count, map_modules
from hwshift.synthesis.targets import TARGETS, target_named
from hwshift.synthesis.yosys import run_yosys

# an adder of 8 bits, a multiplier of 16 and a memory of 16 Kibit; what they take can be told by hand
DESIGN = """
module top(input clk, input [15:0] a, b, output reg [31:0] product, output reg [7:0] sum, output [7:0] q);
  leaf one (.clk(clk), .a(a[7:0]), .q(q));
  always @(posedge clk) product <= $signed(a) * $signed(b);
  always @(posedge clk) sum <= a[7:0] + b[7:0];
endmodule
module leaf(input clk, input [7:0] a, output reg [7:0] q);
  reg [7:0] words [0:2047];
  always @(posedge clk) words[{a, 3'd0}] <= a;
  always @(posedge clk) q <= words[{3'd1, a}];
endmodule
"""


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("xilinx", "ice40")]


@pytest.mark.parametrize("name", ["ecp5", *SLOW])
def test_cells_of_a_small_design(name, tmp_path):
    target = TARGETS[name]
    modules = map_modules(DESIGN, "top", target, build_dir=tmp_path)
    total = sum(count(modules, "top", target, {"leaf": "leaf"}).values(), Resources())
    assert total.dsp == 1
    assert total.bram == {"ecp5": 1, "xilinx": 0.5, "ice40": 4}[name]
    assert 0 < total.carry <= 10
    assert 8 <= total.ff <= 48
    without = map_modules(DESIGN, "top", target, dsp=False, build_dir=tmp_path)
    bare = sum(count(without, "top", target, {}).values(), Resources())
    assert bare.dsp == 0
    assert bare.lut > total.lut + 200


def test_a_result_is_kept(tmp_path, monkeypatch):
    first = map_modules(DESIGN, "top", TARGETS["generic"], build_dir=tmp_path)
    monkeypatch.setattr("hwshift.synthesis.run.run_yosys", None)
    assert map_modules(DESIGN, "top", TARGETS["generic"], build_dir=tmp_path) == first


def test_instances_are_counted_as_often_as_they_are_there():
    modules = {"top": {"a": 2, "LUT4": 1}, "a": {"b": 3, "TRELLIS_FF": 1}, "b": {"LUT4": 5, "DP16KD": 1}}
    found = count(modules, "top", TARGETS["ecp5"], {"upper": "a", "inner": "b"})
    assert found == {
        "upper": Resources(ff=2), "inner": Resources(lut=30, bram=6), "rest": Resources(lut=1),
    }  # fmt: skip


def test_an_error_of_yosys_is_told(tmp_path):
    with pytest.raises(ToolError, match="^yosys: Yosys fails: No such command: nonsense"):
        run_yosys("nonsense", tmp_path)


def test_unknown_target():
    with pytest.raises(
        ConfigError, match="^target: target must be one of ecp5, xilinx, ice40, generic, not 'x'$"
    ):
        target_named("x")


def test_resources_add_and_multiply():
    assert (Resources(lut=3, bram=0.5) + 2 * Resources(lut=1, ff=4)).to_dict() == {
        "lut": 5, "ff": 8, "dsp": 0, "bram": 0.5, "carry": 0, "lutram": 0, "memory_bits": 0,
    }  # fmt: skip
