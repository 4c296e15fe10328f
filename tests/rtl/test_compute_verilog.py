"""Verilog of array, buffers and epilogue: the same bytes every time, no latch, memories in block RAM."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import verilog

from hwshift.config import AcceleratorConfig
from hwshift.rtl.accumulator import Accumulator
from hwshift.rtl.array import Array
from hwshift.rtl.epilogue import Epilogue
from hwshift.rtl.pe import Pe
from hwshift.rtl.weight_buffer import WeightBuffer
from hwshift.synthesis.yosys import run_yosys
from hwshift.tools import pin_yosys

BLOCKS = {block.__name__: block for block in (Pe, Array, WeightBuffer, Accumulator, Epilogue)}
CONFIGS = {
    "shift_add": AcceleratorConfig(scale_digits=3, param_tiles=16),
    "mac": AcceleratorConfig(
        pe="mac", weight_rows=2, pixels=2, weight_tiles=16, max_pool=False, residual=False
    ),
}


def text(block, config):
    return verilog.convert(BLOCKS[block](CONFIGS[config]), name=block.lower(), strip_internal_attrs=True)


def digests():
    return {f"{block} {config}": hashlib.sha256(text(block, config).encode()).hexdigest()
            for block in BLOCKS for config in CONFIGS}  # fmt: skip


def yosys(tmp_path, block, config, script):
    """Run a script on a block; its log. Fails if an assertion in it does."""
    (tmp_path / "dut.v").write_text(text(block, config))
    return run_yosys(f"read_verilog dut.v; {script}", tmp_path)


@pytest.fixture(autouse=True)
def same_yosys():
    pin_yosys()


def test_the_same_bytes_in_another_process():
    """With another seed of Python's string hashes."""
    code = "import json, test_compute_verilog as t; t.pin_yosys(); print(json.dumps(t.digests()))"
    env = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digests()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("block", BLOCKS)
def test_no_latch_and_no_loop(tmp_path, block, config):
    yosys(tmp_path, block, config,
          "proc; select -assert-none t:$dlatch* t:$adlatch* t:$sr; opt_clean; check -assert")  # fmt: skip


@pytest.mark.parametrize("family, ram", [("synth_xilinx -family xcup", "RAMB*"), ("synth_ecp5", "DP16KD")])
@pytest.mark.parametrize("block", ["WeightBuffer", "Accumulator"])
def test_block_ram(tmp_path, block, family, ram):
    """The memory maps to block RAM, and no part of it to logic."""
    until = "map_ffram" if "ecp5" in family else "map_ffs"
    yosys(tmp_path, block, "shift_add",
          f"{family} -top {block.lower()} -run begin:{until}; select -assert-any t:{ram}; "
          "select -assert-none t:$mem* t:RAM64* t:RAM32* t:TRELLIS_DPR16X4")  # fmt: skip


def test_a_multiplier_free_epilogue_holds_no_multiplier(tmp_path):
    yosys(tmp_path, "Epilogue", "shift_add", "proc; select -assert-none t:$mul")
    yosys(tmp_path, "Array", "shift_add", "proc; select -assert-none t:$mul")
    yosys(tmp_path, "Epilogue", "mac", "proc; select -assert-any t:$mul")
