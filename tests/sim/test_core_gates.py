"""Squeeze-and-excite, sigmoids and upsampling on the whole accelerator: RTL, golden model and cycle model agree."""

import pytest

from hwshift.config import PRESETS
from hwshift.network import ops
from hwshift.network.graph import Network
from hwshift.network.random import NetworkBuilder, gated_network
from hwshift.program.isa import Act, Opcode

from .cases import make_case
from .test_core import FEW, STALLS, _check

MAC = PRESETS["4x4-mac"]


def excited(channels: int) -> Network:
    """Squeeze-and-excite with a residual after it, a sigmoid behind a residual, and a nearest upsampling."""
    build = NetworkBuilder(3, 3, 3, 4)
    build.relu("stem", build.conv("stem_conv", "input", channels))
    build.add("pool", ops.GlobalAveragePool(), "stem")
    build.relu("less_relu", build.linear("less", "pool", 2))
    build.add("gate", ops.Sigmoid(), build.linear("more", "less_relu", channels))
    build.sum("sum", build.add("scale", ops.ChannelScale(), "stem", "gate"), "stem")
    build.add("both", ops.Sigmoid(), build.sum("both_sum", build.conv("next", "sum", channels), "sum"))
    build.add("up", ops.UpsampleNearest((2, 2)), "both")
    build.conv("last", "up", 3)
    return build.network(f"excited-{channels}")


OTHERS = {"pixels": 2, "bus_width": 32, "weight_rows": 2, "param_tiles": 2}
WIDE = {"pixels": 4, "bus_width": 128, "feature_depth": 64}


@pytest.mark.parametrize(("changes", "channels", "patterns"), [
    pytest.param({}, 5, ("none", "half"), id="4x4-mac"),
    pytest.param({}, 6, tuple(STALLS), marks=pytest.mark.slow, id="4x4-mac-stalls"),
    pytest.param(OTHERS, 10, FEW, marks=pytest.mark.slow, id="4x4x2-mac"),
    pytest.param(WIDE, 5, FEW, marks=pytest.mark.soak, id="4x4x4-mac"),
])  # fmt: skip
def test_excited_on_icarus(changes, channels, patterns, rtl_builds) -> None:
    case = make_case(excited(channels), MAC.with_(**changes), seed=5)
    items = case.program.instructions
    assert sum(item.opcode == Opcode.STORE and item["gates"] for item in items) == 1
    computes = [item for item in items if item.opcode == Opcode.COMPUTE]
    assert {Act.SIGMOID} <= {item["act"] for item in computes} & {item["residual_act"] for item in computes}
    assert any(item["out_step"] == 2 and item["stride_x"] == 0 for item in computes)
    _check(case, "icarus", rtl_builds, patterns)


@pytest.mark.soak
def test_every_gated_operation_on_verilator(rtl_builds) -> None:
    case = make_case(gated_network(1, instance_norm=False), MAC.with_(pixels=2), seed=7)
    _check(case, "verilator", rtl_builds, FEW)
