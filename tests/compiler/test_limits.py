"""Operations beyond the first ones: slices are compiled, what the accelerator lacks is refused by name."""

import re
from dataclasses import replace

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.golden.formats import QFormat
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.fixed import Concat, Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input, Slice
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize

from ..seeds import generator
from .networks import MOVES, check, random_config, random_network

CONFIG = PRESETS["8x8-mac"]


def conv(name, source, inputs, out, size):
    rng = generator(out)
    weights = FixedWeights(QFormat(), rng.integers(-(1 << 16), 1 << 16, (out, inputs, 1, 1)))
    return FixedLayer(name, Conv(weights), (source,), (out, *size), Epilogue.identity(out))


def halves():
    """ShuffleNet-like: a map split in two, one half through a convolution, both joined again."""
    size = (5, 6)
    layers = (
        FixedLayer("in", Input(), (), (3, *size)),
        conv("stem", "in", 3, 20, size),
        FixedLayer("left", Slice(0, 10), ("stem",), (10, *size)),
        FixedLayer("right", Slice(10, 20), ("stem",), (10, *size)),
        conv("branch", "right", 10, 10, size),
        FixedLayer("joined", Concat(), ("left", "branch"), (20, *size)),
        conv("head", "joined", 20, 4, size),
    )
    return bind(FixedNetwork("halves", CONFIG.act, layers), CONFIG.arithmetic)


def test_slices_are_only_other_names():
    program, _ = check(halves(), CONFIG)
    modes = {layer["name"]: layer for layer in program.layers}
    for name in ("left", "right", "joined"):
        assert "steps" not in modes[name], name
    # 30 pixels; weight tiles: 1 x 3 for 3 channels to 20, 2 x 2 for 10 to 10, and 4 x 1 for the 20 joined ones,
    # of which the banks 0 and 1 hold two of either half
    assert sum(modes[name]["steps"] for name in ("stem", "branch", "head")) == 30 * (3 + 4 + 4)


def test_a_slice_as_output_and_as_residual():
    size = (3, 4)
    plain = conv("out", "in", 6, 2, size)
    layers = (
        FixedLayer("in", Input(), (), (6, *size)),
        FixedLayer("some", Slice(3, 5), ("in",), (2, *size)),
        replace(plain, residual="some"),
        FixedLayer("end", Slice(1, 2), ("out",), (1, *size)),
    )
    check(bind(FixedNetwork("net", CONFIG.act, layers), CONFIG.arithmetic), CONFIG)


@pytest.mark.parametrize("block", range(4))
def test_random_networks_with_slices(block):
    done = 0
    for seed in range(10 * block, 10 * block + 10):
        try:
            config = random_config(seed)
        except ValueError:
            continue
        network = random_network(seed, config.arithmetic, ops=MOVES)
        try:
            check(network, config, seed)
            done += 1
        except CompileError as error:
            assert error.where in {layer.name for layer in network.layers}
    assert done >= 4


def refused(*chain, formats=None):
    """A map of 4 channels through operators in a row; ``gate`` reads the pool before it."""
    nodes = [Node("input", ops.Input(4, 4, 4))]
    for name, op, *inputs in chain:
        nodes.append(Node(name, op, tuple(inputs) or (nodes[-1].name,)))
    network = quantize(Network("net", tuple(nodes), nodes[-1].name), weights="fixed", formats=formats)
    with pytest.raises(CompileError) as caught:
        compile_network(bind(network, CONFIG.arithmetic), CONFIG)
    return str(caught.value)


def test_refused_operators():
    norm = ("norm", ops.InstanceNorm(np.ones(4), np.zeros(4)))
    assert refused(norm) == (
        "norm: InstanceNorm depends on the statistics of each image, which only the golden model computes"
    )


def test_refused_formats():
    assert refused(("a", ops.ReLU()), ("b", ops.Add(), "a", "input"), formats={"a": QFormat(8, 8)}) == (
        "a: its map is in Q8.8, the others in Q16.16: mixed formats are for studies in the golden model, "
        "an accelerator has one"
    )
    assert refused(("a", ops.ReLU()), formats={"input": QFormat(2, 14)}) == (
        "input: its map is in Q2.14, the others in Q16.16: mixed formats are for studies in the golden model, "
        "an accelerator has one"
    )


def test_other_network_formats_are_still_refused():
    network = halves()
    config = AcceleratorConfig(**{**{f: getattr(CONFIG, f) for f in ("rows", "columns", "pe", "weights")},
                                  "act": QFormat(8, 8)})  # fmt: skip
    message = "halves: its maps are in Q16.16, the accelerator works in Q8.8"
    with pytest.raises(CompileError, match=f"^{re.escape(message)}$"):
        compile_network(network, config)
