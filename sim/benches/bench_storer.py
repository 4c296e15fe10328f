"""cocotb bench of the storer: random stores from a random shift buffer, compared with the layouts in memory."""

import random
from collections import deque

import cocotb
import numpy as np

from hwshift.program.isa import Opcode
from hwshift.rtl.interfaces import store_request
from hwshift.sim.benches.common import bench_config, start
from hwshift.sim.benches.memory_units import BurstChecker, Source, Unit, chance
from hwshift.sim.models.transfers import OnChip, TransferMaker, instruction_words
from hwshift.timing import timing

_BASE, _SIZE = 0x12_0000_0000, 0x20000
_CYCLES = 20000
_OUTSTANDING = 4
_FULL = 0.95  # of the cycles, until a counter has room again
_INPUTS = ("i__valid", "i__payload", "burst__ready", "beats__ready", "store_data", "port__ready", "responded",
           "available", "at_limit")  # fmt: skip


class Stores:
    """The design among random surroundings, and the memory it has written."""

    def __init__(self, dut, config, stores, buffer, stall):
        self.unit, self.dut, self.config, self.buffer, self.stall = Unit(dut), dut, config, buffer, stall
        words = instruction_words([(Opcode.STORE, fields) for fields in stores])
        self.source = Source(dut, "i", [int.from_bytes(word.tobytes(), "little") for word in words], stall)
        self.bursts = BurstChecker(dut, config, stall)
        self.beats: deque[tuple[int, bool]] = deque()
        self.due: deque[int] = deque()
        self.stores, self.memory, self.reserved, self.pushed = stores, np.zeros(_SIZE, np.uint8), [], []
        self.at_limit = random.getrandbits(5)
        self.read: deque[int] = deque([0] * (timing(config).store_data - 1))

    async def cycle(self):
        """Drive, sample, record."""
        dut, unit, stall = self.dut, self.unit, self.stall
        self.bursts.drive(len(self.due) + sum(last for _, last in self.beats) < _OUTSTANDING)
        self.source.drive()
        available = sum(chance(stall) << bit for bit in range(5))
        self.at_limit &= ~sum(chance(_FULL) << bit for bit in range(5))
        dut.available.value, dut.at_limit.value = available, self.at_limit
        dut.port__ready.value, dut.beats__ready.value = chance(stall), bool(self.beats) and chance(stall)
        responded = bool(self.due) and chance(stall)
        dut.responded.value = responded
        await unit.settle()
        if self.source.sample():
            fields = self.stores[self.source.taken - 1]
            assert unit.value("pop") == fields["pop"] and not fields["pop"] & ~available
        if unit.value("beats__valid") and unit.value("beats__ready"):
            self._write(unit.value("beats__payload"))
        self._tokens(responded)
        if burst := self.bursts.sample():
            address, beats, _ = burst
            size = self.config.beat_bytes
            self.beats += [(address + index * size, index == beats - 1) for index in range(beats)]
        self.read.append(self._read())
        await unit.tick()
        dut.store_data.value = self.read.popleft()

    def _write(self, beat):
        address, last = self.beats.popleft()
        raw = np.frombuffer(beat.to_bytes(self.config.beat_bytes, "little"), np.uint8)
        self.memory[address - _BASE : address - _BASE + len(raw)] = raw
        if last:
            self.due.append(address)

    def _tokens(self, responded):
        if responded:
            self.due.popleft()
            if push := self.unit.value("push"):
                self.pushed.append(push)
        else:
            assert self.unit.value("push") == 0
        if reserve := self.unit.value("reserve"):
            assert not reserve & self.at_limit
            self.reserved.append(reserve)
            self.at_limit |= reserve & random.getrandbits(5)

    def _read(self):
        if not (self.unit.value("port__valid") and self.unit.value("port__ready")):
            return random.getrandbits(self.config.rows * self.config.act.bits)
        place = store_request(self.config).from_bits(self.unit.value("port__payload"))
        values = self.buffer.banks[:, int(place.sub), int(place.word)]
        mask = (1 << self.config.act.bits) - 1
        return sum((int(value) & mask) << index * self.config.act.bits for index, value in enumerate(values))


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5, 0.8])
async def stores(dut, stall):
    """Every byte is where the layouts say, tokens are taken and given."""
    config = bench_config()
    rng = np.random.default_rng(random.getrandbits(32))
    buffer = OnChip(config)
    buffer.banks[:] = rng.integers(config.act.min, config.act.max + 1, buffer.banks.shape)
    maker = TransferMaker(rng, config, _BASE, _SIZE)
    want, fields, end = np.zeros(_SIZE, np.uint8), [], _BASE + 0x1000 - 3 * config.beat_bytes
    for _ in range(10):
        fields.append(maker.store(end))
        end = maker.store_end(fields[-1])
        buffer.store(fields[-1], want, _BASE)
    await start(dut, *_INPUTS)
    bench = Stores(dut, config, fields, buffer, stall)
    idle = 0
    for _ in range(_CYCLES):
        await bench.cycle()
        idle = idle + 1 if bench.source.done and bench.unit.value("idle") else 0
        if idle == 20:
            break
    assert idle == 20, "the stores do not end"
    assert not bench.beats and not bench.due
    np.testing.assert_array_equal(bench.memory, want)
    tokens = [each["push"] for each in fields if each["push"]]
    assert bench.pushed == tokens and bench.reserved == tokens
