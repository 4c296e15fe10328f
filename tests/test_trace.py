"""Tests of `hwshift.trace`: slices follow from the program and add up; files are what Perfetto and browsers read."""

import json

import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.network.random import csc_network
from hwshift.program.hazards import total_steps
from hwshift.program.isa import Opcode
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.cycle.timeline import Timeline
from hwshift.trace import TRACKS, layer_names, perfetto, slices, write_trace

CONFIG = PRESETS["4x4"]


@pytest.fixture(scope="module")
def run():
    network = prepare(csc_network(4, 6, 5, 2, stride2=(1,), classes=5, seed=1), CONFIG)
    program = compile_network(network, CONFIG, keep="all")
    timeline = Timeline(len(program.instructions))
    return program, timeline, simulate_cycles(program, timeline=timeline)


def test_slices(run):
    program, timeline, counters = run
    found = list(slices(program, timeline))
    assert {track for track, *_ in found} == set(TRACKS)
    assert all(
        0 <= begin and cycles > 0 and begin + cycles <= counters["total"] for _, _, begin, cycles, _ in found
    )
    fetched = [begin for track, _, begin, *_ in found if track == "fetch"]
    assert fetched == sorted(set(fetched))
    assert len(fetched) == len(program.instructions) - 1  # END stays in the queue
    computes = [item for item in found if item[0] == "compute"]
    ends = [begin + cycles for _, _, begin, cycles, _ in computes]
    assert all(end <= begin for end, (_, _, begin, *_) in zip(ends, computes[1:], strict=False))
    for _, _, _, cycles, index in computes:
        assert cycles >= total_steps(program.instructions[index])


def test_layers_have_their_steps(run):
    program, _, _ = run
    steps: dict[str, int] = {}
    for name, item in zip(layer_names(program), program.instructions, strict=True):
        assert (name != "") == (item.opcode == Opcode.COMPUTE)
        if name:
            steps[name] = steps.get(name, 0) + total_steps(item)
    assert steps == {layer["name"]: layer["steps"] for layer in program.layers if layer["steps"]}


def test_perfetto(run, tmp_path):
    program, timeline, counters = run
    write_trace(tmp_path / "t.json", program, timeline)
    trace = json.loads((tmp_path / "t.json").read_text())
    assert trace == perfetto(program, timeline)
    events = trace["traceEvents"]
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert tuple(names) == TRACKS
    begun, ended = ({event["id"] for event in events if event["ph"] == mark} for mark in "be")
    assert begun == ended and len(begun) == sum(
        item.opcode in (Opcode.LOAD, Opcode.STORE) for item in program.instructions
    )
    without = sum(sum(event["args"].values()) for event in events if event["ph"] == "C")
    last = max(event["ts"] for event in events if event["ph"] == "C")
    assert without == last + 1 - counters["busy"]


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_picture(run, tmp_path, suffix, start):
    program, timeline, _ = run
    write_trace(tmp_path / f"t{suffix}", program, timeline)
    assert (tmp_path / f"t{suffix}").read_bytes().startswith(start)
