"""cocotb bench of fetch: every instruction comes out once, in order, and never more are asked for than fit."""

import random
from collections import deque

import cocotb

from hwshift.program.isa import INSTRUCTION_BYTES
from hwshift.sim.benches.common import bench_config, start
from hwshift.sim.benches.memory_units import BurstChecker, Unit, chance
from hwshift.timing import timing

_BASE = 0x12_0000_0F00
_CYCLES = 20000


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(count=[1, 4, 30, 101], stall=[0.0, 0.5, 0.9])
async def instructions(dut, count, stall):
    """Bursts, beats and pops stall at random."""
    config, unit = bench_config(), Unit(dut)
    program = [random.getrandbits(8 * INSTRUCTION_BYTES) for _ in range(count)]
    per_instruction = INSTRUCTION_BYTES // config.beat_bytes
    await start(dut, "start", "base", "count", "burst__ready", "beats__valid", "beats__payload", "o__ready")
    dut.start.value, dut.base.value, dut.count.value = 1, _BASE, count
    await unit.tick()
    dut.start.value = 0
    bursts, beats = BurstChecker(dut, config, stall), deque[int]()
    popped: list[int] = []
    asked = 0
    for _ in range(_CYCLES):
        bursts.drive()
        dut.o__ready.value = chance(stall)
        send = bool(beats) and chance(stall)
        dut.beats__valid.value = send
        if send:
            dut.beats__payload.value = beats.popleft()
        await unit.settle()
        if burst := bursts.sample():
            address, length, last = burst
            assert address == _BASE + asked * INSTRUCTION_BYTES, "bursts are not in order"
            for beat in range(length):
                word = program[asked + beat // per_instruction]
                beats.append(
                    word >> beat % per_instruction * config.bus_width & ((1 << config.bus_width) - 1)
                )
            asked += length // per_instruction
            assert last == (asked == count)
            assert asked - len(popped) <= timing(config).instruction_queue, "more than the queue holds"
        if unit.value("o__valid") and unit.value("o__ready"):
            popped.append(unit.value("o__payload"))
        done = len(popped) == count
        await unit.tick()
        if done:
            break
    assert popped == program
    dut.o__ready.value = 1
    for _ in range(20):
        await unit.settle()
        assert unit.value("exhausted") and not unit.value("o__valid") and not unit.value("burst__valid")
        await unit.tick()
