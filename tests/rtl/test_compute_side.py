"""The compute side in RTL and its cycle model take the same decision in every cycle."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.program import isa
from hwshift.program.isa import Opcode, Token
from hwshift.rtl.compute_side import ComputeSide
from hwshift.sim.cycle.columns import program_table
from hwshift.sim.cycle.compute_side import commit, compute_cycle
from hwshift.sim.cycle.compute_state import new_compute_state
from hwshift.timing import timing

from ..seeds import generator, seed_of

CYCLES = 1500


def _words(instructions: list[tuple[Opcode, dict]]) -> np.ndarray:
    rows = []
    for opcode, fields in instructions:
        word = isa.FORMATS[opcode].pack({"opcode": opcode, **fields})
        rows.append(np.frombuffer(word.to_bytes(64, "little"), "<u4"))
    return np.array(rows)


def _random_compute(rng: np.random.Generator, config: AcceleratorConfig) -> dict:
    rows, chunk_rows = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    push = int(rng.choice([0, 0, Token.COMPUTE_LOAD, Token.COMPUTE_STORE]))
    count, tiles = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    left = config.weight_tiles - count * tiles
    keep = int(left >= 0 and rng.random() < 0.4)
    return {
        "ktile_base": int(rng.integers(8)), "ktile_count": count, "tiles": tiles,
        "keep_weights": keep, "weight_offset": int(rng.integers(min(left, 4) + 1)) if keep else 0,
        "rows": rows, "steps": int(rng.integers(1, 8)), "chunk_rows": chunk_rows, "chunks": -(-rows // chunk_rows),
        "hold_weights": int(rng.random() < 0.2), "residual": int(rng.random() < 0.5), "drain": int(rng.random() < 0.2),
        "out_step": config.pixels, "last_pixels": 1, "out_x0": config.pixels * int(rng.integers(4)),
        "out_length": 64, "res_length": 64, "push": push, "last_columns": (1 << config.columns) - 1,
        "pop": int(rng.choice([0, 0, Token.LOAD_COMPUTE, Token.STORE_COMPUTE])),
    }  # fmt: skip


def _random_program(rng: np.random.Generator, config: AcceleratorConfig) -> np.ndarray:
    instructions: list[tuple[Opcode, dict]] = [
        (
            Opcode.HEADER,
            {"magic": isa.MAGIC, "version": isa.ISA_VERSION, "config_hash": config.hash, "count": 0},
        )
    ]
    for _ in range(30):
        kind = rng.choice(["compute", "compute", "descriptor", "activation", "load", "store"])
        match kind:
            case "compute":
                instructions.append((Opcode.COMPUTE, _random_compute(rng, config)))
            case "descriptor":
                instructions.append((Opcode.DESCRIPTOR, {"id": int(rng.integers(8)), "length": 64}))
            case "activation":
                instructions.append((Opcode.ACTIVATION, {"lo": -5}))
            case "load":
                instructions.append((Opcode.LOAD, {}))
            case "store":
                instructions.append((Opcode.STORE, {}))
    return _words([*instructions, (Opcode.END, {})])


class _Surroundings:
    """Fetch, loader and storer as seeded random behaviour; keeps what it may do within the rules."""

    def __init__(self, seed: int, config: AcceleratorConfig) -> None:
        self.rng = generator(seed)
        self.room = config.weight_tiles
        self.started = 0

    def inputs(self, state: np.ndarray) -> dict:
        rng = self.rng
        push = pop = 0
        for token in (Token.LOAD_COMPUTE, Token.STORE_COMPUTE):
            index = int(token).bit_length() - 1
            if state["owed"][0, index] < state["token_limit"][0] and rng.random() < 0.05:
                push |= token
        for token in (Token.COMPUTE_LOAD, Token.COMPUTE_STORE):
            index = int(token).bit_length() - 1
            if state["count"][0, index] and rng.random() < 0.02:
                pop |= token
        done = int(self.started > 0 and rng.random() < 0.15)
        take = int(state["room"][0] > 0 and rng.random() < 0.15)
        self.started += take - done
        return {
            "push": int(push),
            "pop": int(pop),
            "tile_done": done,
            "take_room": take,
            "valid": int(rng.random() < 0.7),
            "load": int(rng.random() < 0.2),
            "store": int(rng.random() < 0.2),
        }


def _model(config: AcceleratorConfig, program: np.ndarray, seed: int) -> tuple[list, list[dict]]:
    """Per cycle (cause, steps so far, room, available tiles) and the inputs that were applied."""
    state = new_compute_state(config, timing(config)).view(np.recarray)
    table = program_table(program)
    around = _Surroundings(seed, config)
    record = state[0]
    trace, script = [], []
    for cycle in range(CYCLES):
        inputs = around.inputs(state)
        inputs["valid"] &= int(record.next < len(table))
        before = record.causes.copy()
        compute_cycle(record, table, inputs["valid"], cycle)
        record.load_pop = int(inputs["load"] and record.load_level > 0)
        record.store_pop = int(inputs["store"] and record.store_level > 0)
        trace.append((int(np.argmax(record.causes - before)), int(record.room)))
        inputs["next"] = min(int(record.next), len(table) - 1)
        script.append(inputs)
        commit(
            record,
            cycle,
            inputs["pop"],
            inputs["push"],
            inputs["push"],
            inputs["take_room"],
            inputs["tile_done"],
        )
    assert record.causes.sum() == CYCLES
    return trace, script


def _rtl(config: AcceleratorConfig, program: np.ndarray, script: list[dict]) -> list:
    dut = ComputeSide(config)
    trace = []

    async def bench(ctx):
        for inputs in script:
            ctx.set(dut.i.payload, int.from_bytes(program[inputs["next"]].tobytes(), "little"))
            ctx.set(dut.i.valid, inputs["valid"])
            ctx.set(dut.unit_push, inputs["push"])
            ctx.set(dut.unit_reserve, inputs["push"])
            ctx.set(dut.unit_pop, inputs["pop"])
            ctx.set(dut.tile_done, inputs["tile_done"])
            ctx.set(dut.take_room, inputs["take_room"])
            ctx.set(dut.load.ready, inputs["load"])
            ctx.set(dut.store.ready, inputs["store"])
            trace.append((ctx.get(dut.cause), ctx.get(dut.room)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return trace


@pytest.mark.parametrize("changes", [
    {}, {"weight_rows": 4}, {"rows": 8, "columns": 4, "pixels": 2, "weight_rows": 2}, {"weight_tiles": 3},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_rtl_and_model_agree_in_every_cycle(changes: dict, seed: int) -> None:
    config = PRESETS["4x4"].with_(**changes)
    seed = seed_of("compute side", seed)
    program = _random_program(generator(seed), config)
    expected, script = _model(config, program, 100 + seed)
    actual = _rtl(config, program, script)
    for cycle, (want, have) in enumerate(zip(expected, actual, strict=True)):
        assert have == want, f"cycle {cycle}: RTL {have}, model {want}"
    assert len({cause for cause, _ in expected}) >= 6
