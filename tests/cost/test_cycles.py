import pytest

from hwshift.cost.counting import count_program
from hwshift.cost.counts import PROGRAM
from hwshift.cost.cycles import LayerCycles
from hwshift.program.counters import Cause
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.stalls import StallPattern

from .examples import CASES, analysis


def test_by_hand():
    layer = LayerCycles("a", {"busy": 3, "setup": 2, "wait_load": 8})
    assert (layer.busy, layer.idle, layer.total) == (3, 10, 13)
    assert (LayerCycles("b", {}).busy, LayerCycles("b", {}).total) == (0, 0)


@pytest.mark.parametrize("case", CASES[:6], ids="-".join)
def test_every_cycle_belongs_to_one_layer_and_has_one_cause(case):
    found = analysis(*case)
    counters = found.simulation.counters
    for cause in Cause:
        name = cause.name.lower()
        assert sum(item.causes.get(name, 0) for item in found.cycles) == counters[name]
    assert sum(item.total for item in found.cycles) == counters["total"]
    assert all(value > 0 for item in found.cycles for value in item.causes.values())
    for layer, item in zip(found.counts.layers, found.cycles, strict=True):
        assert item.name == layer.name
        assert item.busy == layer.array.steps
    assert found.cycles[-1].name == PROGRAM
    assert set(found.cycles[-1].causes) == {"tail"}


def test_stalls_of_a_slow_memory_are_waiting():
    fast = analysis("csc", "8x8")
    slow = analysis("csc", "8x8", memory=MemoryTiming(200, 200, StallPattern.random(0.8, seed=1)))
    more = slow.simulation.counters["total"] - fast.simulation.counters["total"]
    waits = ("weight_wait", "wait_load", "wait_store", "fetch", "tail", "token_full")
    assert more > 0
    assert (
        more
        <= sum(slow.simulation.counters[name] - fast.simulation.counters[name] for name in waits)
        + fast.simulation.counters["setup"]
    )
    assert [item.busy for item in slow.cycles] == [item.busy for item in fast.cycles]
    assert count_program(slow.program) == slow.counts == fast.counts
