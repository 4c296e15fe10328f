"""Tests of the exported Verilog: what linters, simulators and synthesis say to it, and that it never changes."""

import gc
import os
import subprocess
import sys

import pyslang
import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.export import TOP, compact_memories, convert, core_verilog, fast_memories, without_contents
from hwshift.sim.rtl_run import core_file
from hwshift.synthesis.yosys import run_yosys
from hwshift.tools import VERILATOR_WAIVED, package_dir, require, simulator_env

ODD = AcceleratorConfig(
    rows=8, columns=4, pixels=4, pe="mac", act=QFormat(5, 6), weights=QFormat(9, 4), guard=3, bus_width=128,
    address_width=47, acc_width=50, weight_rows=4, feature_depth=48, weight_tiles=5, acc_depth=16, gates=True,
    sigmoid=True,
)  # fmt: skip
"""Formats, depths and widths that are no powers of two, with every option."""
CONFIGS = {name: PRESETS[name] for name in ("4x4", "8x8", "16x16", "16x16-mac")} | {"odd": ODD}


@pytest.fixture(params=[
    pytest.param(name, marks=pytest.mark.slow if name in ("odd", "16x16-mac") else ()) for name in CONFIGS
])  # fmt: skip
def config(request):
    return CONFIGS[request.param]


@pytest.fixture
def core(config, rtl_builds):
    """The accelerator's Verilog, shared with the tests that simulate it."""
    return core_file(config, rtl_builds)


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_same_bytes_in_another_process(core, config):
    code = (
        "import sys; from hwshift.config import AcceleratorConfig; from hwshift.rtl.export import core_verilog; "
        f"sys.stdout.write(core_verilog(AcceleratorConfig.from_dict({config.to_dict()!r})))"
    )
    env = os.environ | {"PYTHONHASHSEED": "7", "PYTHONWARNINGS": "error"}
    assert run(sys.executable, "-c", code, env=env) == core.read_text()


def test_verilator_lint(core):
    env = os.environ | simulator_env("verilator")
    program = package_dir("verilator") / "bin" / "verilator"
    waived = [f"-Wno-{name}" for name in VERILATOR_WAIVED]
    assert "%" not in run(program, "--lint-only", *waived, "--top-module", TOP, core, env=env)


def test_icarus_elaboration(core, tmp_path):
    icarus = require("iverilog").path
    assert (
        run(icarus, "-g2012", "-Wall", "-Wno-timescale", "-s", TOP, "-o", tmp_path / "core.vvp", core) == ""
    )


def test_slang_reports_no_error(core):
    tree = pyslang.syntax.SyntaxTree.fromFile(str(core))
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    found = compilation.getAllDiagnostics()
    assert [str(item.code) for item in found if item.isError()] == []
    assert [item.name for item in compilation.getRoot().topInstances] == [TOP]


def test_slang_finds_a_planted_error():
    tree = pyslang.syntax.SyntaxTree.fromText("module top(input a, output b); assign b = c; endmodule")
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    assert any(item.isError() for item in compilation.getAllDiagnostics())


def test_yosys_finds_no_latch_and_no_conflict(core, tmp_path):
    (tmp_path / "core.v").write_text(without_contents(core.read_text()))
    script = f"read_verilog core.v; hierarchy -check -top {TOP}; proc; memory_collect; check -assert; stat"
    text = run_yosys(script, tmp_path)
    assert "$dff" in text
    assert "$mem" in text
    assert "$dlatch" not in text


def test_the_head_names_the_configuration(rtl_builds):
    config = PRESETS["4x4"]
    lines = core_file(config, rtl_builds).read_text().splitlines()
    assert lines[0] == "// hwshift 0.1.0: 4x4x1 shift_add, Q16.16, weights pow2[-15,0], 15 guard bits"
    assert lines[1] == f"// configuration hash 0x{config.hash:08x}"


class Storage(wiring.Component):
    """A memory with contents, and one that starts as zeros."""

    address: In(3)
    data: Out(7)
    other: Out(5)

    def elaborate(self, platform):  # noqa: ARG002
        m = Module()
        m.submodules.table = table = Memory(shape=unsigned(7), depth=8, init=[3, 127, 0, 64])
        m.submodules.zeros = zeros = Memory(shape=unsigned(5), depth=8, init=[])
        for memory, out in ((table, self.data), (zeros, self.other)):
            port = memory.read_port()
            enable = Signal()
            write = memory.write_port()
            m.d.comb += [port.addr.eq(self.address), out.eq(port.data), write.en.eq(enable)]
        return m


def test_fast_memories_change_no_byte():
    options = {"name": "storage", "emit_src": False, "strip_internal_attrs": True}
    slow = verilog.convert(Storage(), **options)
    with fast_memories():
        fast = verilog.convert(Storage(), **options)
    assert fast == slow
    assert verilog.convert(Storage(), **options) == slow


class Broken(wiring.Component):
    """One that fails in mid-conversion."""

    data: Out(1)

    def elaborate(self, platform):  # noqa: ARG002
        raise ArithmeticError


@pytest.mark.parametrize("collects", [True, False])
def test_a_conversion_leaves_the_collector_as_it_was(collects):
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        convert(Storage(), "storage")
        assert gc.isenabled() == collects
        with pytest.raises(ArithmeticError):
            convert(Broken(), "broken")
        assert gc.isenabled() == collects
    finally:
        (gc.enable if was else gc.disable)()


def test_memories_that_start_alike_become_loops():
    text = convert(Storage(), "storage")
    assert text.count("for (i = 0; i < 8; i = i + 1)") == 1
    assert "7'h7f" in text
    assert compact_memories(text) == text
    assert without_contents(text).count("initial begin") == text.count("initial begin") - 1
    assert "init_memory" not in without_contents(text)


@pytest.mark.slow
def test_the_largest_core_can_be_exported():
    assert "module hwshift_core" in core_verilog(PRESETS["32x32"])
