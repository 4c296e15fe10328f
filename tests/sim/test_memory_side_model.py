"""The cycle model of the memory side does in every cycle what the RTL does."""

import numpy as np
import pytest

from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.cycle.axi_memory import new_axi_state
from hwshift.sim.cycle.columns import program_table
from hwshift.sim.cycle.memory_side import memory_cycle, memory_idle
from hwshift.sim.cycle.memory_state import new_memory_state
from hwshift.sim.models.transfers import OnChip
from hwshift.sim.stalls import StallPattern
from hwshift.timing import timing

from ..rtl.memory_bench import BASE, CONFIGS, EVENTS, SIZE, STORES, MemoryBench, Scenario, Surroundings
from ..seeds import generator, offset

COUNTERS = {"ar": "read_bursts", "aw": "write_bursts", "w": "store_beats"}


def model_events(scenario, around, stalls, latency, cycles):
    """`EVENTS` of every cycle, as `MemoryBench` records them."""
    config = scenario.config
    state = new_memory_state(config, timing(config), len(scenario.words))
    memory, table, masks = new_axi_state(*latency), program_table(scenario.words), stalls.masks()
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
        inputs = (getattr(around, field)[cycle] for field in ("available", "at_limit", "room", "blocked"))
        memory_cycle(s, memory[0], table, masks, cycle, now["load"], now["store"], popped, *inputs)
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


def compare(scenario, around, stalls, latency, cycles):
    """Run both; the events of every cycle."""
    want = model_events(scenario, around, stalls, latency, cycles)
    have = MemoryBench(scenario, around, stalls, latency).run(cycles).events
    for cycle, (model, rtl) in enumerate(zip(want, have, strict=False)):
        assert rtl == model, f"cycle {cycle}: {EVENTS} are {rtl} in the RTL, {model} in the model"
    return have


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("density", "hold", "latency"), [
    (0.0, 0.0, (1, 1)), (0.0, 0.0, (40, 20)), (0.5, 0.3, (10, 3)), (0.95, 0.6, (5, 30)), (-0.6, 0.4, (20, 8)),
])  # fmt: skip
def test_every_event_in_its_cycle(name, density, hold, latency):
    rng = generator(*name.encode(), int(100 * abs(density)))
    stalls = (
        StallPattern.bursty(-density, 30, 7 + offset())
        if density < 0
        else StallPattern.random(density, 7 + offset())
    )
    cycles = 1500
    scenario = Scenario.draw(rng, CONFIGS[name], 30)
    have = compare(scenario, Surroundings.draw(rng, cycles, hold), stalls, latency, cycles)
    if density == 0:
        assert all(any(row[index] for row in have) for index in range(len(EVENTS)))


LONG = {"length": 2000, "width": 100, "slots": 2, "pitch": 50, "rows": 3, "row_step": 100}
SHORT = {"length": 20, "width": 1, "slots": 1, "pitch": 1, "rows": 1}


def rows(config, fields, offset):
    """Fields with their rows in memory, one behind the other."""
    beats = fields["width"] * fields["slots"] * config.vector_beats
    return fields | {"row_beats": beats, "row_stride": beats * config.beat_bytes, "address": BASE + offset}


@pytest.mark.parametrize("held", ["room", "blocked", "writes", "nothing", "single"])
def test_full_queues(held):
    """Data FIFOs, job queue and outstanding bursts at their limits."""
    config = CONFIGS["pow2-p1-bus64"]
    weights = {"kind": LoadKind.WEIGHTS, "count": 200, "rows": 1, "row_beats": 400, "address": BASE + 8}
    lanes = {
        "kind": LoadKind.LANES,
        "count": 2,
        "rows": 1,
        "row_beats": 2 * config.lane_beats,
        "address": BASE,
    }
    size = 4 * config.vector_beats * config.beat_bytes
    instructions = {
        "room": [(Opcode.LOAD, weights)] + [(Opcode.LOAD, lanes)] * 9,
        "blocked": [(Opcode.LOAD, rows(config, LONG, 0)), (Opcode.STORE, rows(config, LONG, STORES))],
        "writes": [(Opcode.STORE, rows(config, LONG, STORES)), (Opcode.STORE, rows(config, LONG, STORES))],
        "nothing": [(Opcode.LOAD, rows(config, LONG, 0)), (Opcode.STORE, rows(config, LONG, STORES))] * 3,
        "single": [
            (Opcode.STORE, rows(config, SHORT, STORES + index * size) | {"push": 24}) for index in range(12)
        ],
    }[held]
    cycles = 2500
    scenario = Scenario(config, instructions, np.zeros(SIZE, np.uint8), OnChip(config))
    around = Surroundings.draw(generator(5), cycles, 0.0)
    blocked = np.arange(cycles) % 1000 < 800
    if held == "room":
        around.room[blocked] = 0
    elif held == "blocked":
        around.blocked[blocked] = 3
    stalls = StallPattern.random({"w": 0.8} if held == "writes" else {}, 3 + offset())
    events = compare(scenario, around, stalls, (60, 90), cycles)
    assert len(events) > 300


@pytest.mark.parametrize("name", ["read_latency", "write_latency"])
def test_latencies_are_checked(name):
    with pytest.raises(ValueError, match=f"^{name} must be 1 or more, not 0$"):
        new_axi_state(**{"read_latency": 1, "write_latency": 1, name: 0})
