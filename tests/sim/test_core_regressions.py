"""What once went wrong in the whole accelerator."""

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.errors import CompileError
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.rtl_run import run_rtl

from .cases import make_case

AXES = {"row": 0, "column": 1}
CONFIGS = {"row": PRESETS["4x4"].with_(acc_depth=128), "column": PRESETS["4x4"].with_(acc_depth=4096)}
"""Small chunks of rows, and rows of steps in one piece: what the fields of an instruction allow."""


def _padded(axis: str, padding: int, stride: int) -> Network:
    """One pixel, and a convolution that walks over the zeros behind it."""
    strides, pads = [1, 1], [0, 0, 0, 0]
    strides[AXES[axis]], pads[2 + AXES[axis]] = stride, padding
    conv = ops.Conv2d(np.ones((1, 1, 1, 1)), None, (strides[0], strides[1]), tuple(pads))
    nodes = (Node("input", ops.Input(1, 1, 1)), Node("conv", conv, ("input",)))
    return Network("padded", nodes, "conv").verify()


@pytest.mark.parametrize("axis", AXES)
def test_a_walk_beyond_the_coordinates_is_refused(axis: str) -> None:
    """Source coordinates are 18 bits wide: 2**18 pixels on, a walk met the map again and read its values."""
    with pytest.raises(CompileError, match=f"source {axis} 262144, the last it can count to is 262080"):
        make_case(_padded(axis, 1 << 18, 128), CONFIGS[axis], seed=1)


@pytest.mark.parametrize("axis", AXES)
def test_a_walk_to_the_last_coordinates(axis: str, rtl_builds) -> None:
    case = make_case(_padded(axis, 262080, 252), CONFIGS[axis], seed=1)
    (result,) = run_rtl(CONFIGS[axis], [case.run()], simulator="icarus", build_dir=rtl_builds)
    assert case.check_memory(result.check().memory) == 1 + 262080 // 252 + 1
    assert result.counters == simulate_cycles(case.program)
