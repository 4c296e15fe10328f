"""Layers cut into columns and slots, on the whole accelerator: RTL, golden model and cycle model agree."""

import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.network import ops
from hwshift.network.graph import Network
from hwshift.network.random import NetworkBuilder
from hwshift.program.isa import LoadKind, Opcode
from hwshift.resolve import prepare

from ..seeds import generator
from .cases import noise_case
from .test_core import FEW, _check


def deep(width: int) -> Network:
    """A stem on an image of which not all columns fit, pools of all pixels and of nearly all."""
    build = NetworkBuilder(3, 3, 4, width)
    build.relu("stem", build.conv("stem_conv", "input", 10, (3, 3)))
    build.add("few", ops.AveragePool((4, width - 1), (1, 1)), "stem")
    build.add("two", ops.GlobalAveragePool(), build.conv("two_conv", "few", 6))
    build.sum("last", build.conv("one", build.add("pool", ops.GlobalAveragePool(), "stem"), 6), "two")
    return build.network("deep")


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "width"), [
    ({"feature_depth": 32}, 14),
    ({"feature_depth": 16, "pixels": 2, "bus_width": 32}, 12),
])  # fmt: skip
def test_on_icarus(changes, width, rtl_builds) -> None:
    config = PRESETS["4x4"].with_(**changes)
    network = prepare(deep(width), config)
    program = compile_network(network, config)
    loads = [item for item in program.instructions if item.opcode == Opcode.LOAD]
    assert any(item["x0"] and item["width"] == 1 for item in loads if item["kind"] == LoadKind.MAP)
    assert any(item["width"] < width for item in loads if item["kind"] == LoadKind.INPUT)
    assert {layer["name"]: layer["parts"] for layer in program.layers}["few"] == 3
    _check(noise_case(program, network, generator(4)), "icarus", rtl_builds, FEW)
