import numpy as np
import pytest

from hwshift.cost.counting import count_program
from hwshift.cost.counts import PROGRAM, ArrayCounts, LayerCounts, ProgramCounts
from hwshift.cost.cycles import LayerCycles, layer_cycles
from hwshift.simulation import simulate_program

from .examples import CASES, example


def counts(*steps):
    layers = [LayerCounts(f"l{i}", array=ArrayCounts(steps=value)) for i, value in enumerate(steps)]
    return ProgramCounts((*layers, LayerCounts(PROGRAM)))


def test_by_hand():
    """Steps in cycles 10 to 12 and 20 to 21 of 30; a layer without steps between them."""
    found = layer_cycles(counts(3, 0, 2), [13, 0, 9], 30)
    assert found == (
        LayerCycles("l0", 3, 10),
        LayerCycles("l1", 0, 0),
        LayerCycles("l2", 2, 7),
        LayerCycles(PROGRAM, 0, 8),
    )
    assert [item.total for item in found] == [13, 0, 9, 8]


@pytest.mark.parametrize("case", CASES[:6], ids="-".join)
def test_every_cycle_belongs_to_one_layer(case):
    network, program, _ = example(*case)
    simulation = simulate_program(program, network)
    own = [layer.cycles for layer in simulation.layers]
    cycles = layer_cycles(count_program(program), own, simulation.counters["total"])
    assert sum(item.total for item in cycles) == simulation.counters["total"]
    assert sum(item.busy for item in cycles) == simulation.counters["busy"]
    assert np.all([item.idle >= 0 for item in cycles])
