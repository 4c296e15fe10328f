"""Programs with their inputs and what must come out, for the benches of the whole accelerator."""

from dataclasses import dataclass

import numpy as np

from hwshift.compiler import compile
from hwshift.config import AcceleratorConfig
from hwshift.golden.model import trace
from hwshift.network.bind import bind
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network
from hwshift.program.expected import launch_of
from hwshift.program.image import Program
from hwshift.sim.rtl_run import RtlRun
from hwshift.sim.stalls import StallPattern


@dataclass(frozen=True)
class Case:
    """A program with its input and what must come out."""

    program: Program
    image: np.ndarray
    maps: dict[str, np.ndarray]

    def run(self, stalls: StallPattern | None) -> RtlRun:
        return RtlRun(launch_of(self.program), self.image.tobytes(), stalls=stalls)

    def check_memory(self, memory: bytes) -> int:
        """Compare every element of every map in memory; returns how many."""
        values = np.frombuffer(memory, np.uint8).copy()
        compared = 0
        for record in self.program.tensors:
            actual = self.program.read_tensor(values, record.layer)
            np.testing.assert_array_equal(actual, self.maps[record.layer], err_msg=record.layer)
            assert not self.program.unused_lanes(values, record.layer).any(), record.layer
            compared += actual.size
        return compared


def make_case(network: Network, config: AcceleratorConfig, seed: int) -> Case:
    kind = "fixed" if config.pe == "mac" else "pow2"
    bound: FixedNetwork = bind(quantize(network, act=config.act, weights=kind), config.arithmetic)
    shape = bound.input.shape
    x = np.random.default_rng(seed).integers(-3 << config.act.n, 3 << config.act.n, shape)
    program = compile(bound, config)
    maps = {name: values[0] for name, values in trace(bound, config.arithmetic, x[None]).items()}
    return Case(program, program.memory_image(x), maps)


def small_csc(seed: int) -> Network:
    return csc_network(4, 6, 5, 2, stride2=(1,), classes=5, seed=seed)
