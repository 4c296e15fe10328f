"""The memory side on random programs: every byte that loads and stores move, and AXI's rules."""

import numpy as np
import pytest

from hwshift.program.isa import Opcode
from hwshift.sim.stalls import StallPattern

from ..seeds import offset, seed_of
from .memory_bench import CONFIGS, EVENTS, MemoryBench, Scenario, Surroundings, expected

CYCLES = 40000  # enough; a run ends with its work
STALLS = {
    "none": StallPattern.none(),
    "half": StallPattern.random(0.5, 1 + offset()),
    "most": StallPattern.random(0.9, 2 + offset()),
    "bursts": StallPattern.bursty(0.7, 40, 3 + offset()),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("stalls", "hold"), [("none", 0.0), ("half", 0.3), ("bursts", 0.5), ("most", 0.1)])
def test_every_byte_arrives(name, stalls, hold):
    config = CONFIGS[name]
    rng = np.random.default_rng([*name.encode(), *stalls.encode(), seed_of("memory side", 0)])
    scenario = Scenario.draw(rng, config, 10)
    sink, memory = expected(scenario)
    bench = MemoryBench(scenario, Surroundings.draw(rng, CYCLES, hold), STALLS[stalls], (9, 5)).run(CYCLES)
    assert bench.errors == []
    assert bench.finished and bench.drained[-1]
    assert bench.popped == [int.from_bytes(word.tobytes(), "little") for word in scenario.words]
    np.testing.assert_array_equal(bench.sink.banks, sink.banks)
    assert (bench.sink.lanes, bench.sink.params, bench.sink.ktiles) == (sink.lanes, sink.params, sink.ktiles)
    ring = config.weight_tiles * config.tile_words
    assert bench.ring == [(index % ring, word) for index, word in enumerate(sink.codes)]
    np.testing.assert_array_equal(scenario.memory, memory)
    check_tokens(bench, scenario)


def check_tokens(bench, scenario):
    """Every token is taken when its instruction is popped, and given once, in order, by the one that owes it."""
    record = [dict(zip(EVENTS, row, strict=True)) for row in bench.events]
    for name, opcode in (("load", Opcode.LOAD), ("store", Opcode.STORE)):
        fields = [scenario.instructions[index][1] for index in scenario.indices(opcode)]
        cycles = [cycle for cycle, row in enumerate(record) if row[name]]
        assert len(cycles) == len(fields)
        for cycle, each in zip(cycles, fields, strict=True):
            assert record[cycle]["pop"] & each["pop"] == each["pop"]
            assert each["pop"] & ~int(bench.around.available[cycle]) == 0
    for token in range(5):
        owing = {each for each, fields in scenario.instructions if fields["push"] >> token & 1}
        owed = sum(fields["push"] >> token & 1 for _, fields in scenario.instructions)
        given = [cycle for cycle, row in enumerate(record) if row["push"] >> token & 1]
        reserved = [cycle for cycle, row in enumerate(record) if row["reserve"] >> token & 1]
        assert len(given) <= owed and len(reserved) <= owed
        if len(owing) == 1:  # a load and a store may give the same token in the same cycle
            assert len(given) == len(reserved) == owed
            assert all(first <= second for first, second in zip(reserved, given, strict=True))
        assert not any(bench.around.at_limit[cycle] >> token & 1 for cycle in reserved)
