"""The memory side in pysim: surroundings that are random by cycle, and everything it does, cycle by cycle."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.models.axi_memory import AxiMemory
from hwshift.sim.models.transfers import OnChip, TransferMaker, instruction_words
from hwshift.sim.stalls import StallPattern
from hwshift.timing import timing

from .memory_side import MemorySide

BASE = 0x12_3450_0000
PROGRAM = 0x8000  # offsets in memory
STORES = 0x20000
SIZE = 0x40000

CONFIGS = {
    "pow2-p1-bus64": AcceleratorConfig(weight_tiles=5),
    "mac7-p2-bus32-wr4": AcceleratorConfig(
        rows=8, columns=4, pixels=2, act=QFormat(5, 6), bus_width=32, weight_rows=4, pe="mac", weights=QFormat(3, 4)),
    "pow2-p4-bus256-wr2": AcceleratorConfig(
        rows=16, columns=16, pixels=4, act=QFormat(8, 8), bus_width=256, weight_rows=2, address_width=48),
    "mac32-p1-bus128-wr4": AcceleratorConfig(bus_width=128, weight_rows=4, pe="mac"),
    "pow2-narrow-p2-bus32": AcceleratorConfig(
        pixels=2, act=QFormat(3, 4), bus_width=32, weights=Pow2Format(-6, 0), guard=6),
    "mac13-p1-bus128-wr2": AcceleratorConfig(
        rows=8, columns=8, bus_width=128, weight_rows=2, pe="mac", weights=QFormat(9, 4)),
    "pow2-bus64-8bit": AcceleratorConfig(rows=8, columns=4, pixels=4, act=QFormat(4, 4), bus_width=64, weight_rows=2),
    "mac-wide-p4-bus512": AcceleratorConfig(
        rows=32, columns=4, pixels=4, bus_width=512, pe="mac", weights=QFormat(2, 3), address_width=64),
}  # fmt: skip
"""Every P, bus widths 32 to 512, both kinds of weights, W_r 1, 2 and 4, odd formats."""


@dataclass
class Surroundings:
    """Inputs by cycle, drawn before the run: what tokens, ring, port B and dispatch do."""

    available: np.ndarray
    at_limit: np.ndarray
    room: np.ndarray
    blocked: np.ndarray
    pop: np.ndarray
    offer: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, cycles: int, hold: float) -> "Surroundings":
        """``hold``: how much of the time each of them holds the memory side up."""
        masks = [(rng.random((cycles, bits)) < hold) @ (1 << np.arange(bits)) for bits in (5, 5, 2)]
        return cls(31 - masks[0], masks[1], np.where(rng.random(cycles) < hold, 0, 3), masks[2],
                   (rng.random(cycles) >= hold).astype(int), (rng.random(cycles) >= hold).astype(int))  # fmt: skip


@dataclass
class Scenario:
    """A program and the memory it runs on."""

    config: AcceleratorConfig
    instructions: list[tuple[Opcode, dict]]
    memory: np.ndarray
    source: OnChip
    words: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.words = instruction_words(self.instructions)
        raw = np.frombuffer(self.words.tobytes(), np.uint8)
        self.memory[PROGRAM : PROGRAM + len(raw)] = raw

    @classmethod
    def draw(cls, rng: np.random.Generator, config: AcceleratorConfig, count: int) -> "Scenario":
        """``count`` random loads and stores, first of every kind; loads read what stores do not write."""
        maker = TransferMaker(rng, config, BASE, PROGRAM)
        instructions, end = [], BASE + STORES + 0x1000 - 2 * config.beat_bytes
        kinds = [*rng.permutation([-1, 0, 1, 2, 3, 4, 5]), *rng.integers(-3, 6, count)][:count]
        for kind in kinds:
            if kind < 0:
                fields = maker.store(end)
                end = maker.store_end(fields)
                instructions.append((Opcode.STORE, fields))
            else:
                instructions.append((Opcode.LOAD, maker.load(LoadKind(int(kind)))))
        source = OnChip(config)
        source.banks[:] = rng.integers(config.act.min, config.act.max + 1, source.banks.shape)
        return cls(config, instructions, rng.integers(0, 256, SIZE, np.uint8), source)

    def indices(self, opcode: Opcode) -> list[int]:
        """Places of an operation's instructions."""
        return [index for index, (each, _) in enumerate(self.instructions) if each == opcode]


EVENTS = ("ar", "r", "aw", "w", "b", "o", "load", "store", "pop", "reserve", "push", "take_room", "tile_done",
          "load_half", "store_half", "idle")  # fmt: skip
"""What is recorded of every cycle; 0 or 1, or a mask."""


class MemoryBench:
    """Runs a scenario on the RTL.

    Members
    -------
    events : list of tuple
        `EVENTS` of every cycle.
    sink : OnChip
        What loads have filled.
    popped : list of int
        Instructions that came out.
    ring : list of (int, int)
        Address and data of weight-buffer writes.
    errors : list of int
        Error codes, by cycle in which there was one.
    """

    def __init__(
        self, scenario: Scenario, around: Surroundings, stalls: StallPattern, latency: tuple[int, int], *,
        dut: MemorySide | None = None, bad: range = range(0), regions: dict[str, int] | None = None,
        halt_at: int | None = None,
    ) -> None:  # fmt: skip
        self.scenario, self.around = scenario, around
        self.config = scenario.config
        self.memory = AxiMemory(self.config, BASE, scenario.memory, latency, stalls, bad)
        self.dut = dut or MemorySide(self.config)
        self.sink = OnChip(self.config)
        self.events: list[tuple] = []
        self.popped: list[int] = []
        self.ring: list[tuple[int, int]] = []
        self.errors: list[int] = []
        self.drained: list[int] = []
        self.halt_at = halt_at
        self.regions = {
            "program_base": BASE + PROGRAM, "program_limit": BASE + STORES - 1,
            "read_base": BASE, "read_limit": BASE + PROGRAM - 1,
            "write_base": BASE + STORES, "write_limit": BASE + SIZE - 1,
        } | (regions or {})  # fmt: skip

    def run(self, cycles: int) -> "MemoryBench":
        """Simulate cycles 0 to ``cycles`` - 1, or to the end of the work and some cycles more."""
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)

        async def bench(ctx):
            await self._start(ctx)
            quiet = 0
            for cycle in range(cycles):
                await self._cycle(ctx, cycle)
                quiet = quiet + 1 if self.finished else 0
                if quiet == 20:
                    break

        simulator.add_testbench(bench)
        simulator.run()
        return self

    @property
    def finished(self) -> bool:
        """Whether every instruction has come out, loads and stores have been popped, and nothing is left to do."""
        waiting = len(self.popped) < len(self.scenario.words) or any(self.heads.values())
        return not waiting and self.memory.quiet and bool(self.events[-1][EVENTS.index("idle")])

    async def _start(self, ctx) -> None:
        for name, value in self.regions.items():
            ctx.set(getattr(self.dut.settings, name), value)
        ctx.set(self.dut.settings.program_count, len(self.scenario.words))
        ctx.set(self.dut.start, 1)
        await ctx.tick()
        ctx.set(self.dut.start, 0)
        self.heads = {
            "load": self.scenario.indices(Opcode.LOAD),
            "store": self.scenario.indices(Opcode.STORE),
        }
        self.offered = {"load": False, "store": False}
        self.read = deque([0] * timing(self.config).store_data)  # of the last cycles, the oldest first

    async def _cycle(self, ctx, cycle: int) -> None:
        dut, around = self.dut, self.around
        for name, value in self.memory.drive(cycle).items():
            ctx.set(getattr(dut.bus, name), value)
        for name in ("available", "at_limit", "room"):
            ctx.set(getattr(dut, name), int(getattr(around, name)[cycle]))
        ctx.set(dut.o.ready, int(around.pop[cycle]))
        ctx.set(dut.halt, int(self.halt_at is not None and cycle >= self.halt_at))
        for name in ("load", "store"):
            self._offer(ctx, name, bool(around.offer[cycle]))
        ctx.set(Value.cast(dut.store_data), self.read.popleft())
        halves = self._grant(ctx, int(around.blocked[cycle]))
        self.memory.observe(cycle, lambda name: int(ctx.get(getattr(dut.bus, name))))
        self._record(ctx, halves)
        await ctx.tick()

    def _offer(self, ctx, name: str, offer: bool) -> None:
        port, waiting = getattr(self.dut, name), self.heads[name]
        self.offered[name] = bool(waiting) and (self.offered[name] or offer)
        ctx.set(port.valid, int(self.offered[name]))
        if self.offered[name]:
            ctx.set(port.payload, int.from_bytes(self.scenario.words[waiting[0]].tobytes(), "little"))

    def _grant(self, ctx, blocked: int) -> tuple[int, int]:
        """Port B: refuses blocked halves; the loader goes before the storer."""
        dut, masks = self.dut, []
        for name in ("port", "store_port"):
            port = getattr(dut, name)
            half = 1 << (int(ctx.get(port.payload.sub)) // self.config.pixels)
            valid, ready = int(ctx.get(port.valid)), int(not half & blocked)
            ctx.set(port.ready, ready)
            masks.append(half if valid and ready else 0)
            blocked |= half if valid else 0
        return masks[0], masks[1]

    def _record(self, ctx, halves: tuple[int, int]) -> None:
        dut, shakes = self.dut, self.memory.handshakes
        popped = {"o": int(ctx.get(dut.o.valid) and ctx.get(dut.o.ready))}
        for name in ("load", "store"):
            popped[name] = int(self.offered[name] and ctx.get(getattr(dut, name).ready))
            if popped[name]:
                self.heads[name].pop(0)
                self.offered[name] = False
        if popped["o"]:
            self.popped.append(ctx.get(dut.o.payload))
        strobes = {name: int(ctx.get(getattr(dut, name)))
                   for name in ("pop", "reserve", "push", "take_room", "tile_done", "idle")}  # fmt: skip
        values = {**shakes, **popped, **strobes, "load_half": halves[0], "store_half": halves[1]}
        self.events.append(tuple(values[name] for name in EVENTS))
        if ctx.get(dut.error):
            self.errors.append(int(ctx.get(dut.error_code)))
        self.drained.append(int(ctx.get(dut.drained)))
        self._take_writes(ctx, halves[0])
        if halves[1]:
            place = ctx.get(dut.store_port.payload)
            column = self.scenario.source.banks[:, int(place.sub), int(place.word)]
            mask = (1 << self.config.act.bits) - 1
            self.read.append(
                sum((int(value) & mask) << index * self.config.act.bits for index, value in enumerate(column))
            )
        else:
            self.read.append(int(np.random.default_rng(len(self.events)).integers(1 << 62)))

    def _take_writes(self, ctx, granted: int) -> None:
        dut, sink = self.dut, self.sink
        if granted:
            pixel = ctx.get(dut.port.payload)
            for bank in range(self.config.rows):
                if int(pixel.banks) >> bank & 1:
                    sink.banks[bank, int(pixel.sub), int(pixel.word)] = int(pixel.data[bank])
        for port, table in (
            (dut.lane_write, sink.lanes),
            (dut.param_write, sink.params),
            (dut.ktile_write, sink.ktiles),
        ):
            if ctx.get(port.en):
                table[int(ctx.get(port.address))] = int(ctx.get(port.data))
        if ctx.get(dut.weight_write.en):
            self.ring.append(
                (int(ctx.get(dut.weight_write.address)), int(ctx.get(Value.cast(dut.weight_write.data))))
            )


def expected(scenario: Scenario) -> tuple[OnChip, np.ndarray]:
    """Buffers and memory after a scenario, from the layouts; call it before the run, which writes the memory."""
    sink, memory = OnChip(scenario.config), scenario.memory.copy()
    for opcode, fields in scenario.instructions:
        if opcode == Opcode.LOAD:
            sink.load(fields, lambda address, size: memory[address - BASE : address - BASE + size].tobytes())
        else:
            scenario.source.store(fields, memory, BASE)
    return sink, memory
