"""What once went wrong in the whole accelerator."""

import numpy as np
import pytest

from hwshift.compiler import compile
from hwshift.config import PRESETS
from hwshift.errors import CompileError
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.program.expected import launch_of
from hwshift.program.isa import Opcode
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.functional import run_program
from hwshift.sim.rtl_run import RtlRun, run_rtl

from .cases import make_case
from .ends import changed

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


@pytest.mark.parametrize("minimum", [0, 1])
@pytest.mark.parametrize("relu", [0, 1])
def test_what_is_outside_is_rectified_too(relu: int, minimum: int, rtl_builds) -> None:
    """The functional simulator left the minimum as it was, where the accelerator rectifies what it fills in."""
    config = PRESETS["4x4"]
    network = prepare(_padded("column", 2, 1), config)
    program, x = compile(network, config), np.array([[[-5 << config.act.n]]])
    (index,) = (i for i, item in enumerate(program.instructions) if item.opcode is Opcode.COMPUTE)
    program = changed(program, index, {"relu_fetch": relu, "pad_min": minimum})
    outside = config.act.min if minimum and not relu else 0
    expected = [0 if relu else int(x[0, 0, 0]), outside, outside]
    memory, _ = run_program(program, x)
    assert program.read_tensor(memory, program.output).ravel().tolist() == expected
    run = RtlRun(launch_of(program), program.memory_image(x).tobytes())
    (result,) = run_rtl(config, [run], simulator="icarus", build_dir=rtl_builds)
    memory = np.frombuffer(result.check().memory, np.uint8)
    assert program.read_tensor(memory, program.output).ravel().tolist() == expected
