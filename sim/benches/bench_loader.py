"""cocotb bench of the loader: random loads of every kind, compared with the layouts in memory."""

import random
from collections import deque

import cocotb
import numpy as np

from hwshift.program.isa import LoadKind, Opcode
from hwshift.rtl.epilogue import param_write
from hwshift.rtl.interfaces import load_request
from hwshift.rtl.pass_generator import ktile_write
from hwshift.rtl.weight_buffer import weight_write
from hwshift.sim.benches.common import bench_config, start
from hwshift.sim.benches.memory_units import BurstChecker, Source, Unit, chance
from hwshift.sim.models.transfers import OnChip, TransferMaker, instruction_words

_BASE, _SIZE = 0x12_0000_0000, 0x8000
_CYCLES = 20000
_INPUTS = ("i__valid", "i__payload", "burst__ready", "beats__valid", "beats__payload", "available", "at_limit",
           "has_room", "port__ready")  # fmt: skip


class Loads:
    """The design among random surroundings, and what it has written."""

    def __init__(self, dut, config, loads, memory, stall):
        self.unit, self.dut, self.config, self.memory, self.stall = Unit(dut), dut, config, memory, stall
        words = instruction_words([(Opcode.LOAD, fields) for fields in loads])
        self.source = Source(dut, "i", [int.from_bytes(word.tobytes(), "little") for word in words], stall)
        self.bursts, self.beats = BurstChecker(dut, config, stall), deque[int]()
        self.loads, self.sink, self.ring, self.pushed = loads, OnChip(config), [], []

    async def cycle(self):
        """Drive, sample, record."""
        dut, unit = self.dut, self.unit
        self.bursts.drive()
        self.source.drive()
        available, at_limit = (sum(chance(self.stall) << bit for bit in range(5)) for _ in range(2))
        dut.available.value, dut.at_limit.value = available, 31 - at_limit
        room = chance(self.stall)
        dut.has_room.value, dut.port__ready.value = room, chance(self.stall)
        send = bool(self.beats) and chance(self.stall)
        dut.beats__valid.value = send
        if send:
            dut.beats__payload.value = self.beats.popleft()
        await unit.settle()
        if self.source.sample():
            fields = self.loads[self.source.taken - 1]
            assert unit.value("pop") == fields["pop"] and not fields["pop"] & ~available
        if burst := self.bursts.sample():
            address, beats, _ = burst
            raw = self.memory[address - _BASE :][: beats * self.config.beat_bytes]
            self.beats += [int.from_bytes(beat.tobytes(), "little") for beat in raw.reshape(beats, -1)]
        if push := unit.value("push"):
            self.pushed.append(push)
            assert not push & (31 - at_limit)
        self._record(room)
        await unit.tick()

    def _record(self, room):
        unit, sink, config = self.unit, self.sink, self.config
        if unit.value("port__valid") and unit.value("port__ready"):
            pixel = load_request(config).from_bits(unit.value("port__payload"))
            for bank in range(config.rows):
                if int(pixel.banks) >> bank & 1:
                    sink.banks[bank, int(pixel.sub), int(pixel.word)] = int(pixel.data[bank])
        if unit.value("lane_write__en"):
            sink.lanes[unit.value("lane_write__address")] = unit.value("lane_write__data")
        for name, layout, table in (
            ("param_write", param_write, sink.params),
            ("ktile_write", ktile_write, sink.ktiles),
        ):
            if write := unit.write(name, layout(config)):
                table[int(write[0].address)] = int(write[0].data)
        layout = weight_write(config)
        if write := unit.write("weight_write", layout):
            self.ring.append((int(write[0].address), write[1] >> layout["data"].offset))
            assert unit.value("take_room") == (
                len(self.ring) % config.tile_words == 1 or config.tile_words == 1
            )
            assert unit.value("tile_done") == (len(self.ring) % config.tile_words == 0)
            assert room or not unit.value("take_room")


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5, 0.8])
async def loads(dut, stall):
    """Everything arrives where the layouts say, tokens are taken and given."""
    config = bench_config()
    rng = np.random.default_rng(random.getrandbits(32))
    memory = rng.integers(0, 256, _SIZE, np.uint8)
    maker = TransferMaker(rng, config, _BASE, _SIZE)
    fields = [maker.load(LoadKind(int(kind))) for kind in [*range(6), *rng.integers(0, 6, 10)]]
    want = OnChip(config)
    for each in fields:
        want.load(each, lambda address, size: memory[address - _BASE : address - _BASE + size].tobytes())
    await start(dut, *_INPUTS)
    bench = Loads(dut, config, fields, memory, stall)
    idle = 0
    for _ in range(_CYCLES):
        await bench.cycle()
        idle = idle + 1 if bench.source.done and bench.unit.value("idle") else 0
        if idle == 20:
            break
    assert idle == 20, "the loads do not end"
    np.testing.assert_array_equal(bench.sink.banks, want.banks)
    assert bench.sink.lanes == want.lanes
    assert bench.sink.params == want.params
    assert bench.sink.ktiles == want.ktiles
    ring = config.weight_tiles * config.tile_words
    assert bench.ring == [(index % ring, word) for index, word in enumerate(want.codes)]
    assert bench.pushed == [each["push"] for each in fields if each["push"]]
