"""Tests of `hwshift.verification`: agreement is seen, and so is every kind of disagreement."""

from dataclasses import replace

import numpy as np
import pytest

import hwshift.verification
from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.data import Images, load_data
from hwshift.errors import ProgramError, ToolError
from hwshift.network.random import csc_network, gated_network, mixed_network
from hwshift.program.expected import expected_memory
from hwshift.program.file import load_program, save_program
from hwshift.resolve import prepare
from hwshift.sim.stalls import StallPattern
from hwshift.verification import choose_simulator, verify, verify_program


def noise(network, count=1, seed=0):
    return Images.of(load_data(None, shape=network.input.shape, limit=count, seed=seed), network.act)


CONFIG = PRESETS["4x4"]
NETWORK = prepare(csc_network(4, 4, 4, 1, classes=3, seed=1), CONFIG)
IMAGES = noise(NETWORK, 2, 5).codes


@pytest.fixture(scope="module")
def program():
    return compile_network(NETWORK, CONFIG)


def test_rtl_back_to_back(simulator, rtl_builds):
    told = []
    report = verify(NETWORK, CONFIG, IMAGES, simulator=simulator, build_dir=rtl_builds, progress=told.append)
    assert report.ok
    assert (report.network, report.config, report.images, report.simulator) == ("csc-1", "4x4", 2, simulator)
    assert report.layers == 5
    assert report.values_compared == 2 * 2 * (3 * 4 * 4 * 4 + 4 + 3)
    assert report.cycles_rtl == (report.cycles_model, report.cycles_model)
    assert report.counters_equal is True
    assert report.differences == ()
    assert told[-1] == f"RTL in {simulator}, 2 x {report.cycles_model} cycles"


def test_rtl_with_stalls_and_fewer_maps(rtl_builds):
    stalls = StallPattern.random(0.4, 9)
    report = verify(
        NETWORK, CONFIG, IMAGES[:1], simulator="icarus", keep="outputs", stalls=stalls, functional=False,
        build_dir=rtl_builds,
    )  # fmt: skip
    assert report.ok
    assert report.layers == 1
    assert report.values_compared == 3


def test_without_rtl():
    network = prepare(mixed_network(3), CONFIG)
    images = noise(network).codes
    report = verify(network, CONFIG, images, simulator=None)
    assert report.ok
    assert report.counters_equal is None
    assert report.cycles_rtl == ()
    assert report.as_dict()["ok"] is True


@pytest.mark.parametrize("rows", [4, 8], ids=["one-tile", "two-tiles"])
def test_stored_gates_are_expected(rows, tmp_path):
    """Squeeze-and-excite leaves parameters in memory, after a program file too."""
    config = PRESETS["4x4-mac"].with_(rows=rows)
    network = prepare(gated_network(3, instance_norm=False), config)
    program = compile_network(network, config)
    assert program.gates
    save_program(program, tmp_path / "gated.hwprog")
    for each in (program, load_program(tmp_path / "gated.hwprog")):
        assert verify_program(each, network, noise(network).codes, simulator=None).ok


def stub_rtl(program, monkeypatch, memories, **counters):
    """RTL that leaves the given memories and counts as predicted, but for ``counters``."""

    class Result:
        def __init__(self, memory, values):
            self.memory, self.counters = memory, values

        def check(self):
            return self

    def run(config, runs, **options):  # noqa: ARG001
        assert len(runs) == len(memories)
        values = hwshift.verification.simulate_cycles(program) | counters
        return [Result(memory.tobytes(), values) for memory in memories]

    monkeypatch.setattr(hwshift.verification, "run_rtl", run)


def golden_memories(program):
    return [
        expected_memory(program, image, hwshift.verification.trace(NETWORK, CONFIG.arithmetic, image))
        for image in IMAGES
    ]


def test_a_wrong_value_is_named(program, monkeypatch):
    memories = golden_memories(program)
    address = program.tensor("m0").address + 4 * ((2 * 4 + 1) * 4 + 3)
    memories[1][address] ^= 1
    memories[1][address + 64] ^= 1
    stub_rtl(program, monkeypatch, memories)
    report = verify_program(program, NETWORK, IMAGES, simulator="icarus")
    assert not report.ok
    assert report.mismatches == 2
    assert report.differences[0].startswith(
        "RTL, image 1: layer 'm0', channel 3, pixel (y=2, x=1): expected "
    )
    assert report.counters_equal is True


@pytest.mark.parametrize(("address", "text"), [
    (0x10, "RTL, image 0: address 0x10, in no map: expected 0x00, got 0x01"),
    (None, "RTL, image 0: layer 'classifier', unused lane (slot 0, bank 3), pixel (y=0, x=0): expected 0, got 1"),
])  # fmt: skip
def test_bytes_that_hold_no_value_are_compared(program, monkeypatch, address, text):
    memories = golden_memories(program)
    memories[0][program.tensor("classifier").address + 12 if address is None else address] ^= 1
    stub_rtl(program, monkeypatch, memories)
    report = verify_program(program, NETWORK, IMAGES, simulator="icarus", functional=False)
    assert (report.mismatches, report.differences) == (1, (text,))


def test_a_counter_is_named(program, monkeypatch):
    stub_rtl(program, monkeypatch, golden_memories(program), busy=7)
    report = verify_program(program, NETWORK, IMAGES, simulator="icarus", functional=False)
    assert not report.ok
    assert report.mismatches == 0
    assert report.differences[0].startswith("RTL, image 0: counter busy: expected ")
    assert report.differences[0].endswith(", got 7")
    assert len(report.differences) == 2


def test_the_functional_simulator_is_compared(program, monkeypatch):
    monkeypatch.setattr(
        hwshift.verification, "run_program", lambda program, image: (program.memory_image(image), None)
    )
    report = verify_program(program, NETWORK, IMAGES, simulator=None)
    assert report.differences[0].startswith("functional simulator, image 0: layer 'stem', channel ")
    assert report.mismatches > 100


def test_a_program_of_another_network_is_seen(program):
    other = replace(prepare(csc_network(4, 4, 4, 1, classes=3, seed=2), CONFIG), name="other")
    assert not verify_program(program, other, np.asarray(IMAGES), simulator=None).ok


def test_a_program_of_other_layers_is_refused(program):
    network = prepare(csc_network(8, 4, 4, 1, classes=3, seed=1), CONFIG)
    message = r"^stem: the program is not for the network 'csc-1', which has no map \(4, 4, 4\) of that name$"
    with pytest.raises(ProgramError, match=message):
        verify_program(program, network, IMAGES, simulator=None)


def test_choice_of_the_simulator(monkeypatch):
    problems = {"icarus": None, "verilator": None}
    monkeypatch.setattr(hwshift.verification, "simulator_problem", problems.get)
    assert choose_simulator(CONFIG, 1000) == "icarus"
    assert choose_simulator(CONFIG, 1_000_000) == "verilator"
    problems["verilator"] = "not found"
    assert choose_simulator(CONFIG, 1_000_000) == "icarus"
    problems["icarus"] = "broken"
    with pytest.raises(ToolError, match=r"^simulator: icarus: broken; verilator: not found$"):
        choose_simulator(CONFIG, 1000)
