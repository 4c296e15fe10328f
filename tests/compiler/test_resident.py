"""Weight tiles that stay in the ring: a FIFO that never overflows and never gives up what is needed again."""

from collections import deque

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler.resident import Use, plan_residency
from hwshift.config import PRESETS
from hwshift.golden.model import run
from hwshift.program.isa import LoadKind, Opcode
from hwshift.resolve import load_network, prepare
from hwshift.sim.functional import run_program

from ..seeds import generator


def _play(wanted, capacity) -> int:
    """A ring of names; every instruction finds its tiles. Returns the tiles that are loaded."""
    ring: deque = deque()
    loaded = 0
    for (key, tiles), use in zip(wanted, plan_residency(wanted, capacity), strict=True):
        names = [(key, index) for index in range(tiles)]
        if use.load:
            ring.extend(names)
            loaded += tiles
        assert len(ring) <= capacity or (not use.keep and len(ring) == tiles)
        assert [ring[use.offset + index] for index in range(tiles)] == names
        if not use.keep:
            assert use.offset == 0
            for _ in range(tiles):
                ring.popleft()
    assert not ring
    return loaded


@pytest.mark.parametrize(
    ("wanted", "capacity", "loaded"),
    [
        ([("a", 3), ("b", 2)], 4, 5),
        ([("a", 3), ("b", 2)] * 3, 5, 5),  # strips: all stay
        ([("a", 3), ("b", 2)] * 3, 4, 15),  # one tile too few
        ([("a", 3), ("b", 2), ("a", 3), ("b", 2), ("b", 2)], 5, 5),  # the first is done a strip earlier
        ([("a", 3), ("b", 2), ("a", 3)], 9, 8),  # b would have to leave before a
        ([("a", 3), ("a", 3), ("b", 4), ("b", 4), ("a", 3)], 4, 10),  # one after the other only
        ([("a", 9), ("b", 1)], 4, 10),  # more than fit stream
    ],
)
def test_what_is_loaded(wanted, capacity, loaded):
    assert _play(wanted, capacity) == loaded


def test_drawn_uses():
    rng = generator(0)
    for _ in range(300):
        sizes = rng.integers(1, 6, 4)
        keys = rng.integers(0, 4, rng.integers(1, 12))
        _play([(int(key), int(sizes[key])) for key in keys], int(rng.integers(5, 16)))


def test_nothing_stays_without_a_second_use():
    assert plan_residency([("a", 1), ("b", 7)], 8) == [Use()] * 2


def test_strips_load_their_weights_once():
    config = PRESETS["4x4"].with_(feature_depth=96, weight_tiles=64)
    network = prepare(load_network("csc-small"), config)
    program = compile_network(network, config, keep="outputs")
    kept = [item for item in program.instructions if item.opcode == Opcode.COMPUTE and item["keep_weights"]]
    assert any(item["weight_offset"] for item in kept)
    image = generator(1).integers(-(1 << 16), 1 << 16, network.input.shape)
    memory, counts = run_program(program, image)
    expected = run(network, config.arithmetic, image[None].astype(np.int32))[0]
    assert (program.read_tensor(memory, program.output) == expected).all()
    loads = [item["count"] for item in program.instructions
             if item.opcode == Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS]  # fmt: skip
    assert 2 * sum(loads) < counts.weight_tiles
