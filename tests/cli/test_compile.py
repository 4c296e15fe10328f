"""Tests of ``hwshift compile``, ``hwshift disassemble`` and ``hwshift assemble``."""

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


def test_assemble(hwshift, tiny):
    """The text of a program gives the file again; what is changed for the worse is refused, and nothing written."""
    assert hwshift("compile", tiny, "--config", "4x4", "--out", "a.hwprog", "-q").returncode == 0
    text = hwshift("disassemble", "a.hwprog").stdout
    (hwshift.folder / "a.txt").write_text(text)
    done = hwshift("assemble", "a.txt", "--program", "a.hwprog", "--out", "b.hwprog")
    assert (done.returncode, done.stderr) == (0, "")
    assert (hwshift.folder / "b.hwprog").read_bytes() == (hwshift.folder / "a.hwprog").read_bytes()
    done = hwshift("assemble", "a.txt", "--program", "a.hwprog", "--out", "b.hwprog", "--json")
    facts = {"program": "b.hwprog", "instructions": len(text.splitlines()), "changed": 0}
    assert (json.loads(done.stdout), done.stderr) == (facts, "")
    bad = {
        text.replace("push=LOAD_COMPUTE ", "", 1): "deadlock: ",
        text.replace("COMPUTE pop", "FOO pop", 1): "bad.txt: line 8: unknown operation 'FOO'",
        text.replace("version=4", "version=9"): "the header's version must be 4, not 9",
    }
    for changed, message in bad.items():
        assert changed != text
        (hwshift.folder / "bad.txt").write_text(changed)
        done = hwshift("assemble", "bad.txt", "--program", "a.hwprog", "--out", "c.hwprog")
        assert done.returncode == 7 and message in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1 and not (hwshift.folder / "c.hwprog").exists()
