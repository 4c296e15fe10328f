"""Schedule search: what is asked for is what becomes least, and every schedule computes the same."""

import json

import numpy as np
import pytest

import hwshift
from hwshift.cli import main
from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.errors import CompileError
from hwshift.golden.model import run
from hwshift.program.isa import Opcode
from hwshift.resolve import load_network, prepare
from hwshift.search import PREFERENCES, compile_for
from hwshift.sim.functional import run_program

from .seeds import generator

CONFIG = PRESETS["4x4"].with_(feature_depth=256, weight_tiles=64)


@pytest.fixture(scope="module")
def network():
    return prepare(load_network("mixed"), CONFIG)


@pytest.fixture(scope="module")
def found(network):
    return {goal: compile_for(goal, network, CONFIG) for goal in ("cycles", "dram", "energy")}


def test_each_goal_is_least_by_its_own_measure(found):
    trials = found["energy"].trials
    assert len(trials) >= 3 and [trial.name for trial in trials] == [
        name for name in PREFERENCES if name in {trial.name for trial in trials}
    ]
    for goal, measure in (("cycles", "cycles"), ("dram", "dram_bytes"), ("energy", "energy_pj")):
        assert getattr(found[goal].best, measure) == min(getattr(t, measure) for t in found[goal].trials)
    assert found["cycles"].best.cycles < found["dram"].best.cycles
    assert found["dram"].best.dram_bytes < found["cycles"].best.dram_bytes


def test_bytes_are_those_of_the_instructions(found):
    for one in found.values():
        moved = [item for item in one.program.instructions if item.opcode in (Opcode.LOAD, Opcode.STORE)]
        beats = sum(item["rows"] * item["row_beats"] for item in moved)
        assert one.best.dram_bytes == beats * CONFIG.beat_bytes + 64 * len(one.program.instructions)


@pytest.mark.parametrize("name", PREFERENCES)
def test_every_schedule_computes_the_same(name, network):
    image = generator(3).integers(-(1 << 16), 1 << 16, network.input.shape)
    program = compile_network(network, CONFIG, keep="outputs", preference=PREFERENCES[name])
    memory, _ = run_program(program, image)
    expected = run(network, CONFIG.arithmetic, image[None].astype(np.int32))[0]
    assert (program.read_tensor(memory, program.output) == expected).all()


def test_refusals(network):
    with pytest.raises(CompileError, match="^minimize must be one of cycles, dram, energy, not 'time'$"):
        compile_for("time", network, CONFIG)
    message = (
        r"^strided: one output pixel of 4 channels needs 91 words .*, feature_depth is 64: raise it to 96$"
    )
    with pytest.raises(CompileError, match=message):
        compile_for("dram", network, CONFIG.with_(feature_depth=64))
    assert compile_for("dram", network, CONFIG.with_(feature_depth=96)).trials


def test_from_python():
    least = hwshift.compile("csc-small", CONFIG.with_(feature_depth=96), minimize="cycles")
    plain = hwshift.compile("csc-small", CONFIG.with_(feature_depth=96))
    assert hwshift.simulate("csc-small", CONFIG.with_(feature_depth=96)).counters["total"] > 0
    assert least.instructions != plain.instructions


def test_from_the_command_line(tmp_path, capsys):
    config = tmp_path / "small.toml"
    config.write_text('preset = "4x4"\nfeature_depth = 96\nweight_tiles = 64\n')
    arguments = [
        "compile",
        "csc-small",
        "--config",
        str(config),
        "--out",
        str(tmp_path / "a.hwprog"),
        "--quiet",
    ]
    assert main([*arguments, "--minimize", "dram", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    chosen = next(trial for trial in printed["schedules"] if trial["name"] == printed["schedule"])
    assert chosen["dram_bytes"] == min(trial["dram_bytes"] for trial in printed["schedules"])
    assert all(layer["bound"] for layer in printed["layers"] if layer["where"] != "renamed")
    assert main([*arguments[:-1], "--minimize", "cycles"]) == 0
    assert "chosen" in capsys.readouterr().out
