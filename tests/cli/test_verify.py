"""Tests of ``hwshift verify``; comparisons are tested with `hwshift.verification`."""

import json

import pytest

from hwshift.cli import main
from hwshift.tools import simulator_env


def test_rtl(hwshift, tiny):
    simulator_env("icarus")
    done = hwshift(
        "verify",
        tiny,
        "--config",
        "4x4",
        "--images",
        "2",
        "--simulator",
        "icarus",
        "--stalls",
        "0.3",
        "--json",
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert report["images"] == 2
    assert report["counters_equal"] is True
    assert set(report["cycles_rtl"]) == {report["cycles_model"]}
    assert "noise" in report["input"]


def test_table_without_rtl(hwshift):
    done = hwshift("verify", "csc-small", "--config", "4x4-mac", "--simulator", "none")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert lines["RTL simulator"].strip() == "none: RTL not run"
    assert lines["mismatches"].strip() == "0"
    assert lines["counters"].strip() == "not compared"


def test_a_program_file(hwshift, tiny):
    hwshift("compile", tiny, "--config", "4x4", "--out", "a.hwprog", "--quiet")
    arguments = ["verify", tiny, "--config", "4x4", "--program", "a.hwprog", "--simulator", "none", "--json"]
    assert json.loads(hwshift(*arguments).stdout)["layers"] == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_a_mismatch_has_its_exit_code(tiny, monkeypatch, capsys, as_json):
    import hwshift.verification

    monkeypatch.setattr(
        hwshift.verification, "run_program", lambda program, image: (program.memory_image(image), None)
    )
    arguments = ["verify", str(tiny), "--config", "4x4", "--simulator", "none"]
    assert main([*arguments, "--json"] if as_json else arguments) == 9
    out, err = capsys.readouterr()
    assert err.startswith("hwshift: error: csc-1: ")
    assert " mismatches in 199 values; functional simulator, image 0: layer 'stem', channel " in err
    assert err.count("\n") == 1
    assert json.loads(out)["ok"] is False if as_json else "mismatches" in out
