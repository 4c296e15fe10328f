"""The engine as C++ on gates, sigmoids, upsampling and weights that stay."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.data import Images
from hwshift.hls.build import build_testbench, run_testbench
from hwshift.hls.engine import Vector, engine_files
from hwshift.network import ops
from hwshift.network.random import NetworkBuilder, csc_network
from hwshift.program.isa import Opcode
from hwshift.resolve import prepare
from hwshift.sim.functional import run_program

from .projects import codes, write

MAC = PRESETS["4x4-mac"]


def excited(channels):
    """Squeeze-and-excite with a residual after it, a sigmoid behind a residual, and a nearest upsampling."""
    build = NetworkBuilder(3, 3, 4, 5)
    build.relu("stem", build.conv("stem_conv", "input", channels))
    build.add("pool", ops.GlobalAveragePool(), "stem")
    build.relu("less_relu", build.linear("less", "pool", 2))
    build.add("gate", ops.Sigmoid(), build.linear("more", "less_relu", channels))
    build.sum("sum", build.add("scale", ops.ChannelScale(), "stem", "gate"), "stem")
    build.add("both", ops.Sigmoid(), build.sum("both_sum", build.conv("next", "sum", channels), "sum"))
    build.add("up", ops.UpsampleNearest((2, 2)), "both")
    build.conv("last", "up", 3)
    return build.network(f"excited-{channels}")


def check(program, network, folder):
    """Every byte of memory as the functional simulator leaves it, which stores gates beside the maps."""
    images = codes(network, 2)
    source = program.tensors[0]
    part, vectors = source.parts[0], []
    size = int(np.prod((*source.shape[1:], part.slots, part.lanes))) * program.config.act.storage_bits // 8
    for image in images:
        after, _ = run_program(program, image)
        vectors.append(Vector(after[part.address : part.address + size].copy(), after))
    files = engine_files(program, vectors, Images(images, "noise"))
    bench = build_testbench(files, folder / "builds")
    passed, printed = run_testbench(bench, write(files, folder / "project") / "vectors")
    assert passed, printed


@pytest.mark.parametrize(("changes", "channels"), [
    ({"pixels": 2, "bus_width": 32, "weight_rows": 2, "param_tiles": 2}, 10),
    pytest.param({}, 6, marks=pytest.mark.slow),
    pytest.param({"pixels": 4, "bus_width": 128, "feature_depth": 64}, 5, marks=pytest.mark.slow),
    pytest.param({"rows": 8, "act": MAC.act.parse("Q5.6")}, 9, marks=pytest.mark.slow),
    pytest.param({"rows": 8, "act": MAC.act.parse("Q12.20"), "bus_width": 256}, 9, marks=pytest.mark.slow),
])  # fmt: skip
def test_gates(changes, channels, tmp_path):
    config = MAC.with_(**changes)
    network = prepare(excited(channels), config)
    program = compile_network(network, config)
    assert any(item.opcode == Opcode.STORE and item["gates"] for item in program.instructions)
    check(program, network, tmp_path)


def test_weights_that_stay(tmp_path):
    config = AcceleratorConfig(rows=8, columns=8, feature_depth=64, scale_digits=2)
    network = prepare(csc_network(8, 8, 8, 2, stride2=(1,)), config)
    program = compile_network(network, config, keep="outputs")
    kept = [item for item in program.instructions if item.opcode == Opcode.COMPUTE and item["keep_weights"]]
    assert kept and any(item["weight_offset"] for item in kept)
    check(program, network, tmp_path)
