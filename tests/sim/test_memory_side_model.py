"""The cycle model of the memory side does in every cycle what the RTL does."""

import numpy as np
import pytest

from hwshift.program.isa import Opcode
from hwshift.sim.cycle.axi_memory import new_axi_state
from hwshift.sim.cycle.columns import program_table
from hwshift.sim.cycle.memory_side import memory_cycle, memory_idle, new_memory_state
from hwshift.sim.stalls import StallPattern
from hwshift.timing import timing

from ..rtl.memory_bench import CONFIGS, EVENTS, MemoryBench, Scenario, Surroundings

COUNTERS = {"ar": "read_bursts", "aw": "write_bursts", "w": "store_beats"}


def model_events(scenario, around, stalls, latency, cycles):
    """`EVENTS` of every cycle, as `MemoryBench` records them."""
    config = scenario.config
    state = new_memory_state(config, timing(config), len(scenario.words))
    memory, table, matrix = new_axi_state(*latency), program_table(scenario.words), stalls.matrix()
    heads = {"load": scenario.indices(Opcode.LOAD), "store": scenario.indices(Opcode.STORE)}
    offered = {"load": False, "store": False}
    events = []
    s = state[0]
    for cycle in range(cycles):
        for name, waiting in heads.items():
            offered[name] = bool(waiting) and (offered[name] or bool(around.offer[cycle]))
        now = {name: waiting[0] if offered[name] else -1 for name, waiting in heads.items()}
        before = state.copy()
        popped = int(state["queued"][0] > 0 and around.pop[cycle])
        idle = memory_idle(s) and not any(offered.values())
        written = int(memory["response_head"][0])
        memory_cycle(s, memory[0], table, matrix, cycle, now["load"], now["store"], popped,
                     around.available[cycle], around.at_limit[cycle], around.room[cycle], around.blocked[cycle])  # fmt: skip
        values = {name: int(state[field][0] - before[field][0]) for name, field in COUNTERS.items()}
        values["r"] = int(sum(state[field][0] - before[field][0] for field in ("fetch_beats", "load_beats")))
        values["b"] = int(memory["response_head"][0] != written)
        values |= {"o": popped, "load": int(s["load_pop"]), "store": int(s["store_pop"]), "idle": int(idle)}
        values |= {name: int(s[name]) for name in ("take_room", "tile_done", "load_half", "store_half")}
        values["pop"] = int(s["load_tokens"] | s["store_tokens"])
        values["push"] = int(s["load_pushes"] | s["store_pushes"])
        values["reserve"] = int(s["load_pushes"] | s["store_reserves"])
        events.append(tuple(values[name] for name in EVENTS))
        for name in heads:
            if values[name]:
                heads[name].pop(0)
                offered[name] = False
    return events


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("density", "hold", "latency"), [
    (0.0, 0.0, (1, 1)), (0.0, 0.0, (40, 20)), (0.5, 0.3, (10, 3)), (0.95, 0.6, (5, 30)), (-0.6, 0.4, (20, 8)),
])  # fmt: skip
def test_every_event_in_its_cycle(name, density, hold, latency):
    seed = [*name.encode(), int(100 * abs(density))]
    rng = np.random.default_rng(seed)
    stalls = StallPattern.bursty(-density, 30, 7) if density < 0 else StallPattern.random(density, 7)
    cycles = 1500
    scenario = Scenario.draw(rng, CONFIGS[name], 12)
    around = Surroundings.draw(rng, cycles, hold)
    want = model_events(scenario, around, stalls, latency, cycles)
    have = MemoryBench(scenario, around, stalls, latency).run(cycles).events
    for cycle, (model, rtl) in enumerate(zip(want, have, strict=False)):
        assert rtl == model, f"cycle {cycle}: {EVENTS} are {rtl} in the RTL, {model} in the model"
    assert len(have) > 300
    if density == 0:
        assert all(any(row[index] for row in have) for index in range(len(EVENTS)))
