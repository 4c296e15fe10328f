"""Concatenations, shuffles and slices as names, and the reasons where they are passes."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler.fusion import AS_COMPILED, Preference
from hwshift.compiler.rename import plan_renaming
from hwshift.config import PRESETS
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.fixed import Epilogue, Pool, Shuffle
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder

from .networks import Builder, check

CONFIG = PRESETS["4x4-mac"]


def bound(network, config=CONFIG):
    fixed = quantize(network, act=config.act, weights="fixed", weight_format=config.weights)
    return bind(fixed, config.arithmetic)


def sliced(start=0):
    build = NetworkBuilder(3, 3, 6, 6)
    stem = build.conv("stem", "input", 8)
    part = build.add("part", ops.ChannelSlice(start, start + 4), stem)
    return build, stem, part


def reasons(network, config=CONFIG, preference=AS_COMPILED):
    program = compile_network(network, config, preference=preference)
    return {layer["name"]: layer["why"] for layer in program.layers if "why" in layer}


def test_a_whole_slot_is_a_name():
    build, _, part = sliced(4)
    build.conv("out", part, 4)
    renaming = plan_renaming(bound(build.network("net")), CONFIG)
    assert renaming.layers == {"part"} and renaming.why == {}


def test_a_residual_is_a_pass():
    build, _, part = sliced()
    build.sum("sum", build.conv("conv", part, 4), part)
    why = {"part": "sum adds it, and has to find it where it writes the sum"}
    assert reasons(bound(build.network("net"))) == why


def test_gates_are_a_pass():
    build, _, part = sliced()
    build.add("pool", ops.GlobalAveragePool(), part)
    build.add("all", ops.Sigmoid(), build.linear("fc", "pool", 8))
    gates = build.add("gates", ops.ChannelSlice(0, 4), "all")
    build.add("scaled", ops.ChannelScale(), part, gates)
    why = reasons(bound(build.network("net")))
    assert why["gates"] == "scaled takes it as gates, which are stored channel by channel"


def test_a_network_of_names_alone_computes_the_last():
    build = NetworkBuilder(3, 8, 6, 6)
    build.add("part", ops.ChannelSlice(0, 4), "input")
    assert reasons(bound(build.network("net"))) == {"part": "nothing else is computed"}


def test_a_schedule_of_passes():
    build, _, part = sliced(4)
    build.conv("out", part, 4)
    why = reasons(bound(build.network("net")), preference=Preference(rename=False))
    assert why == {"part": "this schedule was asked for"}


MIXED = np.array([0, 4, 1, 5, 2, 6, 3, 7])


def shuffled(kind="depthwise"):
    """A pointwise convolution, a shuffle, a layer that takes each channel from one, and what reads it in groups."""
    build = NetworkBuilder(3, 3, 6, 6)
    mixed = build.add("mixed", ops.ChannelShuffle(MIXED), build.conv("stem", "input", 8))
    if kind == "depthwise":
        build.conv("each", mixed, 8, (3, 3), stride=2, groups=8)
    else:
        build.add("each", ops.MaxPool((3, 3), (2, 2), (1, 1, 0, 0)), mixed)
    build.conv("out", "each", 8, groups=2)
    return build


@pytest.mark.parametrize("kind", ["depthwise", "pool"])
def test_a_layer_of_single_channels_lies_as_what_it_reads(kind):
    network = bound(shuffled(kind).network("net"))
    renaming = plan_renaming(network, CONFIG)
    assert renaming.layers == {"mixed"} and renaming.follows == {"each"}
    program, _ = check(network, CONFIG)
    (record,) = [record for record in program.tensors if record.layer == "each"]
    assert (record.placement[:, 1] * 4 + record.placement[:, 2]).tolist() == MIXED.tolist()


def test_what_is_added_or_a_gate_does_not_follow():
    build = shuffled()
    build.sum("sum", "each", build.conv("again", "out", 8))
    assert plan_renaming(bound(build.network("net")), CONFIG).follows == frozenset()


@pytest.mark.parametrize("seed", range(8))
def test_drawn_layers_behind_shuffles(seed):
    """Shuffles in front of depthwise layers and pools, one behind the other, before convolutions in groups."""
    config = (CONFIG, PRESETS["8x8-mac"])[seed % 2].with_(feature_depth=(512, 48)[seed // 2 % 2])
    build = Builder(seed, config.arithmetic, (3, 9, 20))
    last = build.conv(build.layers[0], 24, (1, 1), stride=(1, 1), padding=(0, 0, 0, 0))
    for number in range(3):
        last = build.add(Shuffle(build.rng.permutation(24)), [last], last.shape, scaled=False)
        if number != seed % 3:
            last = build.conv(last, 24, (3, 3), groups=24, stride=(1, 2), padding=(1, 1, 1, 1))
        if number != seed % 2:
            size = tuple(side - 1 for side in last.shape[1:])
            pool = Pool("max", (2, 2), (1, 1), (0, 0, 0, 0), False)
            last = build.add(pool, [last], (24, *size), scaled=False)
            build.layers[-1] = last = replace(last, epilogue=Epilogue.identity(24))
        if build.rng.random() < 0.5:
            last = build.conv(last, 24, (1, 1), groups=3, stride=(1, 1), padding=(0, 0, 0, 0))
    check(build.network(), config, seed, keep=("all", "outputs")[seed % 2])
    assert plan_renaming(build.network(), config).follows
