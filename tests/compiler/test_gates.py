"""Squeeze-and-excite and sigmoids through compiler and functional simulator: the golden model's bits."""

import re
from dataclasses import replace

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler.shift_mode import with_shifts
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.errors import CompileError, ConfigError, SimulationError
from hwshift.golden.formats import QFormat
from hwshift.golden.model import trace
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.fixed import Epilogue
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder, gated_network
from hwshift.program.isa import Act, LoadKind, Opcode, Token
from hwshift.program.verifier import problems
from hwshift.sim.functional import run_program

from ..program.programs import changed, find
from .networks import check, random_input

MAC = PRESETS["4x4-mac"]
CONFIGS = {
    "4x4-mac": MAC,
    "two-pixels": MAC.with_(pixels=2, bus_width=32, param_tiles=2),
    "four-pixels": MAC.with_(pixels=4, bus_width=128, feature_depth=64),
    "beats-of-two-tiles": AcceleratorConfig(
        pe="mac", rows=16, columns=4, bus_width=512, sigmoid=True, gates=True
    ),
    "multiplier-epilogue": AcceleratorConfig(rows=8, columns=8, sigmoid=True, gates=True, param_tiles=2),
    "16-bit": MAC.with_(act=QFormat(8, 8), bus_width=64, weights=QFormat(4, 12)),
    "8-bit": MAC.with_(act=QFormat(4, 4), bus_width=32, weights=QFormat(4, 12)),
    "18-fraction-bits": MAC.with_(act=QFormat(6, 18), weights=QFormat(4, 12)),
}


def bound(network, config):
    kind = "fixed" if config.pe == "mac" else "pow2"
    fixed = quantize(network, act=config.act, weights=kind, weight_format=config.weights)
    return with_shifts(bind(fixed, config.arithmetic), None)


def excite(build, source, name, reduced=3):
    channels = build.shapes[source][0]
    build.add(f"{name}_pool", ops.GlobalAveragePool(), source)
    build.relu(f"{name}_relu", build.linear(f"{name}_less", f"{name}_pool", reduced))
    gate = build.add(f"{name}_gate", ops.Sigmoid(), build.linear(f"{name}_more", f"{name}_relu", channels))
    return build.add(name, ops.ChannelScale(), source, gate)


def excited(channels=22):
    """Squeeze-and-excite twice: with a residual and an activation after it, and with neither."""
    build = NetworkBuilder(3, 3, 6, 7)
    build.relu("stem", build.conv("stem_conv", "input", channels, (3, 3)))
    excite(build, "stem", "first")
    build.relu("sum_relu", build.sum("sum", "first", "stem"))
    build.conv("next", "sum_relu", 9)
    excite(build, "next", "second")
    build.conv("last", "second", 5)
    return build.network("excited")


@pytest.mark.parametrize("name", CONFIGS)
def test_squeeze_and_excite(name):
    keep = "all" if name in ("4x4-mac", "8-bit") else "outputs"
    config = CONFIGS[name]
    network = bound(excited(), config)
    program, _ = check(network, config, 1, keep=keep)
    gates = [item for item in program.instructions if item.opcode == Opcode.STORE and item["gates"]]
    assert len(gates) == 2
    values = check_gates(program, network, config)
    assert len(np.unique(values)) > 2


def check_gates(program, network, config):
    """Memory holds each gate as an entry of 64 bits: m at 16 fraction bits from bit 32 on, 16 from bit 56 on."""
    x = random_input(network, 1)
    memory, _ = run_program(program, x)
    gate = trace(network, config.arithmetic, x)["first_gate"].ravel().astype(object)
    store = next(item for item in program.instructions if item.opcode == Opcode.STORE and item["gates"])
    for channel, code in enumerate(gate):
        tile, column = divmod(channel, config.columns)
        at = store["address"] + tile * max(config.columns * 8, config.bus_width // 8) + column * 8
        entry = int.from_bytes(memory[at : at + 8].tobytes(), "little")
        m = code * 2**16 // 2**config.act.n
        assert entry == (m << 32) + (16 << 56)
    return gate


def test_every_operation_but_instance_norm():
    for name in ("4x4-mac", "two-pixels"):
        check(bound(gated_network(2, instance_norm=False), CONFIGS[name]), CONFIGS[name], 4)


def test_gates_that_are_part_of_another_map():
    build = NetworkBuilder(5, 3, 4, 4)
    build.conv("stem", "input", 8)
    build.add("pool", ops.GlobalAveragePool(), "stem")
    build.add("sigmoids", ops.Sigmoid(), build.linear("fc", "pool", 12))
    build.add("gate", ops.ChannelSlice(2, 10), "sigmoids")
    build.add("scaled", ops.ChannelScale(), "stem", "gate")
    build.conv("out", "scaled", 4)
    check(bound(build.network("parts"), MAC), MAC, 1)


def test_one_gate_for_two_maps_and_clamped_negative_gates():
    build = NetworkBuilder(6, 3, 4, 4)
    build.conv("stem", "input", 6)
    build.conv("other", "input", 6, (3, 3))
    build.add("pool", ops.GlobalAveragePool(), "stem")
    build.add("gate", ops.Clamp(-1.5, 1.25), build.linear("fc", "pool", 6))
    build.add("a", ops.ChannelScale(), "stem", "gate")
    build.add("b", ops.ChannelScale(), "other", "gate")
    build.sum("sum", "a", "b")
    config = MAC.with_(sigmoid=False)
    program, _ = check(bound(build.network("shared"), config), config, 1)
    assert sum(item.opcode == Opcode.STORE and item["gates"] for item in program.instructions) == 1


def sigmoids(where):
    """A sigmoid without a residual, in front of one, behind one, or both."""
    build = NetworkBuilder(7, 3, 5, 6)
    build.conv("a", "input", 6, (3, 3), bias=True)
    build.conv("b", "a", 6, bias=True)
    last = "b"
    if where in ("before", "both", "alone"):
        last = build.add("first", ops.Sigmoid(), last)
    if where != "alone":
        last = build.sum("sum", last, "a")
    if where in ("behind", "both"):
        last = build.add("second", ops.Sigmoid(), last)
    return build.network(where)


@pytest.mark.parametrize("where", ["alone", "before", "behind", "both"])
@pytest.mark.parametrize("name", ["four-pixels", "8-bit", "18-fraction-bits"])
def test_sigmoids(where, name):
    config = CONFIGS[name]
    network = bound(sigmoids(where), config)
    assert [layer.name for layer in network.layers if layer.name.endswith(".sigmoid")] == (
        [f"{network.output.name}.sigmoid"] if where in ("before", "both") else []
    )
    program, _ = check(network, config, 2)
    items = [item for item in program.instructions if item.opcode == Opcode.COMPUTE]
    assert any(Act.SIGMOID in (item["act"], item["residual_act"]) for item in items)


def test_sigmoids_in_a_multiplier_free_design():
    config = PRESETS["8x8"].with_(sigmoid=True)
    check(bound(sigmoids("alone"), config), config, 2)


def test_the_gates_load_waits_for_their_store():
    program, _ = check(bound(excited(), MAC), MAC, 1)
    store = next(
        i for i, item in enumerate(program.instructions) if item.opcode == Opcode.STORE and item["gates"]
    )
    address = program.instructions[store]["address"]
    load = find(program, Opcode.LOAD, kind=LoadKind.PARAMS, address=address)
    assert program.instructions[load]["pop"] & Token.STORE_LOAD
    pushes = program.instructions[store]["push"]
    assert pushes & Token.STORE_LOAD
    cut = changed(program, store, push=pushes & ~Token.STORE_LOAD)
    cut = changed(cut, load, pop=program.instructions[load]["pop"] & ~Token.STORE_LOAD)
    found = problems(cut)
    line = f"it reads memory entries that instruction {store} writes, and no token orders them"
    assert f"instruction {load} (LOAD): {line}" in found


def faulty(program, index, x, **fields):
    """What the functional simulator says of a program with one instruction changed."""
    with pytest.raises(SimulationError) as caught:
        run_program(changed(program, index, **fields), x)
    return str(caught.value)


def test_faults_of_programs():
    network = bound(excited(), MAC)
    program = compile_network(network, MAC)
    large = np.full(network.input.shape, 9000 << 16)
    store = next(
        i for i, item in enumerate(program.instructions) if item.opcode == Opcode.STORE and item["gates"]
    )
    stem = program.instructions[find(program, Opcode.COMPUTE)]
    place = {"base": stem["out_base"], "length": stem["out_length"], "offset": stem["out_offset"]}
    assert faulty(program, store, large, **place) == (
        f"instruction {store}: a gate is not smaller than 2 in magnitude"
    )
    added = find(program, Opcode.COMPUTE, residual=1)
    message = "a sigmoid cannot come before a residual"
    assert faulty(program, added, large, act=Act.SIGMOID) == f"instruction {added}: {message}"
    assert f"instruction {added} (COMPUTE): {message}" in problems(changed(program, added, act=Act.SIGMOID))


def refusal(network, config):
    with pytest.raises(CompileError) as caught:
        compile_network(network, config)
    return str(caught.value)


def test_refusals():
    network = bound(excited(), MAC)
    off = MAC.with_(sigmoid=False)
    assert refusal(network, off) == "first_gate: it needs sigmoid, which the configuration leaves out"
    off = MAC.with_(gates=False)
    assert refusal(network, off) == "sum_relu: it needs gates, which the configuration leaves out"
    message = (
        "gates: gates are multiplied with, which an epilogue with scale_digits cannot: leave one of them out"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        AcceleratorConfig(gates=True, scale_digits=4)


def test_a_bias_and_gates_from_outside_are_refused():
    network = bound(excited(), MAC)
    layers = [
        replace(layer, epilogue=Epilogue(layer.epilogue.m, layer.epilogue.s, layer.epilogue.b + 1))
        if layer.name == "second"
        else layer
        for layer in network.layers
    ]
    assert refusal(replace(network, layers=tuple(layers)), MAC) == (
        "second: its gates are stored without a bias, so it can have none: add one before or after it"
    )
    build = NetworkBuilder(1, 4, 1, 1)
    build.conv("map", "input", 4)
    build.add("scaled", ops.ChannelScale(), "map", "input")
    config = MAC.with_(act=QFormat(1, 15), weights=QFormat(2, 14))
    fixed = quantize(build.network("outside"), act=config.act, weights="fixed", weight_format=config.weights)
    assert refusal(bind(fixed, config.arithmetic), config) == (
        "scaled: its gates have to be computed, not the network's input"
    )
