"""Tests of ``hwshift compile`` and ``hwshift disassemble``."""

import json

from hwshift.config import PRESETS
from hwshift.network.random import csc_network
from hwshift.network.serialize import save
from hwshift.program.assembler import assemble
from hwshift.program.file import load_program


def test_compile_and_disassemble(hwshift, tiny):
    done = hwshift("compile", tiny, "--config", "4x4", "--out", "a.hwprog", "--explain")
    assert (done.returncode, done.stderr) == (0, "")
    assert "config hash" in done.stdout
    assert "m0_relu1" in done.stdout
    program = load_program(hwshift.folder / "a.hwprog", PRESETS["4x4"])
    done = hwshift("disassemble", "a.hwprog", "--config", "4x4")
    assert (done.returncode, done.stderr) == (0, "")
    assert assemble(done.stdout) == program.instructions
    assert "m0_relu1" in hwshift("disassemble", "a.hwprog", "--explain").stdout


def test_json(hwshift, tiny):
    done = hwshift("compile", tiny, "--config", "4x4-mac", "--out", "a.hwprog", "--keep", "all", "--json")
    facts = json.loads(done.stdout)
    assert facts["config"] == "4x4-mac"
    assert facts["maps_in_memory"] == 6
    assert facts["layers"][0]["name"] == "stem"
    text = json.loads(hwshift("disassemble", "a.hwprog", "--json").stdout)
    assert text["instructions"][0]["opcode"] == "HEADER"
    assert len(text["instructions"]) == facts["instructions"]


def test_quiet(hwshift, tiny):
    done = hwshift("compile", tiny, "--config", "4x4", "--out", "a.hwprog", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_shifts_as_layers(hwshift, tmp_path):
    save(csc_network(12, 4, 4, 1, classes=3, seed=1), tmp_path / "shifted.hwnet")
    for mode, layers in (("fused", 0), ("moved", 1)):
        arguments = [
            "compile",
            tmp_path / "shifted.hwnet",
            "--config",
            "4x4",
            "--shift",
            mode,
            "--out",
            "a.hwprog",
        ]
        assert hwshift(*arguments).returncode == 0
        program = load_program(hwshift.folder / "a.hwprog")
        assert [layer["op"] for layer in program.layers].count("Shift") == layers
