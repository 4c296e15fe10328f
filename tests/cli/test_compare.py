"""Tests of ``hwshift compare`` and ``hwshift costs``."""

import json
import os

import pytest

from hwshift.cli import main
from hwshift.simulation import simulate


def test_side_by_side(tmp_path, capsys):
    page, lines = tmp_path / "c.html", tmp_path / "c.csv"
    arguments = [
        "--config",
        "4x4",
        "--config",
        "4x4-mac",
        "--html",
        str(page),
        "--csv",
        str(lines),
        "--layers",
    ]
    assert main(["compare", "csc-small", *arguments]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        "csc-small on 4x4, 4x4-mac: one image, energy by 45nm, area estimated for Lattice ECP5\n"
    )
    assert err.startswith("hwshift: warning: 45nm: The unit costs were measured on an ASIC process")
    from hwshift.config import PRESETS
    from hwshift.resolve import load_network, prepare
    from hwshift.synthesis import estimate

    cycles = [
        simulate(prepare(load_network("csc-small"), PRESETS[name]), PRESETS[name]).counters["total"]
        for name in ("4x4", "4x4-mac")
    ]
    row = next(line.split() for line in out.splitlines() if line.startswith("cycles"))
    assert row == ["cycles", f"{cycles[0]:,}", f"{cycles[1]:,}", f"{cycles[1] / cycles[0]:.2f}x"]
    clocks = {name: estimate(PRESETS[name]).clock for name in ("4x4", "4x4-mac")}
    row = next(line.split() for line in out.splitlines() if line.startswith("clock, estimated, MHz"))
    assert row[3:5] == [f"{clock.fmax_mhz:.4g}" for clock in clocks.values()]
    for name, clock in clocks.items():
        assert f"clock of {name}: {clock}\n" in out and str(clock) in page.read_text(encoding="utf-8")
    assert "hwshift compare csc-small --config 4x4 --config 4x4-mac" in page.read_text(encoding="utf-8")
    assert len(lines.read_text().splitlines()) == 3


def test_json_of_both_kinds_of_shift(capsys):
    arguments = ["--config", "4x4", "--shift", "fused", "--shift", "moved", "--costs", "fpga", "--json"]
    assert main(["compare", "csc-small", *arguments]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert err == "" and data["warning"] is None
    fused, moved = data["candidates"]
    assert (fused["note"], moved["note"]) == ("fused", "moved")
    assert fused["figures"]["moved_elements"] == 0 < moved["figures"]["moved_elements"]
    assert fused["figures"]["shifted_elements"] == moved["figures"]["shifted_elements"]
    assert fused["costs"] == "fpga"


def test_styles(capsys):
    assert main(["compare", "csc-small", "--config", "8x8", "--styles", "--json"]) == 0
    notes = [item["note"] for item in json.loads(capsys.readouterr().out)["candidates"]]
    assert notes == [
        f"{mixing}, {weights}"
        for weights in ("fixed", "pow2")
        for mixing in ("convolution", "depthwise-separable", "shift")
    ]


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["nope", "--config", "4x4"], 4, "hwshift: error: nope: no such network; "),
    (["csc-small", "--config", "5x5"], 3, "hwshift: error: csc-small on 5x5: no preset or TOML file named '5x5'"),
    (["csc-small", "--config", "4x4", "--costs", "7nm"], 11, "hwshift: error: no table of unit costs or file named "),
    (["csc-small", "--config", "4x4", "--csv", "no/c.csv"], 11, "hwshift: error: no/c.csv: cannot be written: "),
    (["csc-small", "--config", "4x4", "--html", "no/c.html"], 11, "hwshift: error: no/c.html: cannot be written: "),
    (["csc-small", "--config", "4x4", "--weights", "fixed"], 5, "hwshift: error: csc-small on 4x4: stem: "),
    (["csc-small", "--config", "4x4", "--styles", "--shift", "moved"], 2, "Usage: "),
])  # fmt: skip
def test_errors(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(message)
    assert code == 2 or len(err.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_simulate_writes_files_of_other_tools(tmp_path, capsys):
    arguments = ["--scale-sim", str(tmp_path / "scale"), "--finn", str(tmp_path / "finn")]
    assert main(["simulate", "csc-small", "--config", "4x4", "-q", *arguments]) == 0
    assert sorted(os.listdir(tmp_path / "scale")) == [
        "BANDWIDTH_REPORT.csv", "COMPUTE_REPORT.csv", "DETAILED_ACCESS_REPORT.csv", "LAYERS.csv", "topology.csv",
    ]  # fmt: skip
    assert sorted(os.listdir(tmp_path / "finn")) == [
        "estimate_layer_cycles.json",
        "estimate_network_performance.json",
    ]
    assert sorted(os.listdir(tmp_path)) == ["finn", "scale"]
    assert (
        main(["simulate", "csc-small", "--config", "4x4", "-q", "--finn", str(tmp_path / "no" / "x")]) == 11
    )
    assert (
        capsys.readouterr().err
        == f"hwshift: error: {tmp_path}/no/x: cannot be written: No such file or directory\n"
    )
    assert (
        main(["simulate", "csc-small", "--config", "4x4", "-q", "--trace", str(tmp_path / "no" / "t.json")])
        == 11
    )
    assert capsys.readouterr().err.startswith(f"hwshift: error: {tmp_path}/no/t.json: cannot be written: ")


def test_costs(tmp_path, capsys):
    assert main(["costs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "45nm", "shiftaddnas", "fpga", "shiftnas",
    ]  # fmt: skip
    assert main(["costs", "45nm"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("45nm: 45 nm CMOS, 0.9 V (Horowitz, ISSCC 2014) (asic)\n")
    assert "Han et al., NIPS 2015, figure 1, DRAM, 32 bits" in out and "stand here for an FPGA" in out
    assert main(["costs", "fpga", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["laws"]["int_mult"]["points"][0]["pj"] == 19.6
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\ntitle = "Own"\nkind = "fpga"\nbase = "fpga"\n[dram]\nexponent = 1\n')
    assert main(["costs", str(path)]) == 11
    message = f"hwshift: error: {path}: dram.points: it must be a list with a line at least\n"
    assert capsys.readouterr().err == message
    path.write_text('name = "own"\ntitle = "Own"\nkind = "fpga"\nbase = "fpga"\n')
    assert main(["costs", str(path), "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_no_colour_in_a_pipe(hwshift):
    found = hwshift("costs", "45nm")
    assert found.returncode == 0 and "\x1b" not in found.stdout
