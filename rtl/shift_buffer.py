"""Shift buffer: R banks of activations, read with one displacement per lane, and port B with its users."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program import isa
from hwshift.rtl.delay import delay
from hwshift.rtl.instruction import layout_of
from hwshift.rtl.interfaces import (
    act_shape,
    load_request,
    residual_request,
    step_layout,
    store_request,
    write_data,
    write_request,
)
from hwshift.rtl.lane_address import LaneAddress, lane_pixels, lane_region, lane_step
from hwshift.timing import timing

__all__ = ["Bank", "LaneTable", "PortB", "ShiftBuffer", "bank_port", "lane_write", "strobe"]


def strobe(shape: ShapeLike) -> wiring.Signature:
    """A payload that is taken in every cycle in which it is valid."""
    return wiring.Signature({"valid": Out(1), "payload": Out(shape)})


def bank_port(config: AcceleratorConfig) -> wiring.Signature:
    """Port B of one bank: a word per half, the rest per sub-bank; ``q`` follows a read by one cycle."""
    act, subs = act_shape(config), config.sub_banks
    return wiring.Signature({
        "word": Out(data.ArrayLayout((config.feature_depth - 1).bit_length(), 2)),
        "write": Out(subs), "data": Out(data.ArrayLayout(act, subs)),
        "read": Out(subs), "q": In(data.ArrayLayout(act, subs)),
    })  # fmt: skip


def lane_write(config: AcceleratorConfig) -> wiring.Signature:
    """Write of one bus beat into the lane table: beat ``address mod lane_beats`` of a row."""
    beats = config.lane_rows * config.lane_beats
    return wiring.Signature({
        "en": Out(1), "address": Out((beats - 1).bit_length()), "data": Out(config.bus_width),
    })  # fmt: skip


def _users(config: AcceleratorConfig) -> dict[str, wiring.Member]:
    """The four users of port B."""
    act = act_shape(config)
    return {
        "write": In(strobe(write_request(config))),
        "write_data": In(write_data(config)),
        "residual": In(strobe(residual_request(config))),
        "residual_data": Out(write_data(config)),
        "load": In(stream.Signature(load_request(config))),
        "store": In(stream.Signature(store_request(config))),
        "store_data": Out(data.ArrayLayout(act, config.rows)),
    }


def _held(config: AcceleratorConfig, values: ShapeLike) -> dict[str, wiring.Member]:
    """What `hwshift.rtl.row_taps` needs of the values that are read."""
    return {"step": In(1), "coming": Out(values)} if config.row_taps else {}


def _pick(index: Value, options: Sequence[Value]) -> Value:
    """The option at ``index``; the first one for an index without an option."""
    choice = options[0]
    for position, option in enumerate(options[1:], 1):
        choice = Mux(index == position, option, choice)
    return choice


class LaneTable(wiring.Component):
    """The lane table: ``lane_rows`` rows of R entries.

    Latency two cycles from ``row`` to ``entries``, which are registers, one row per cycle, no backpressure. A row
    may not be read in the cycle in which it is written.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "write": In(lane_write(config)),
            "en": In(1), "row": In((config.lane_rows - 1).bit_length()),
            "entries": Out(data.ArrayLayout(layout_of(isa.LANE_ENTRY), config.rows)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        beats = self._config.lane_beats
        shape = data.ArrayLayout(self._config.bus_width, beats)
        m.submodules.rows = rows = Memory(shape=shape, depth=self._config.lane_rows, init=[])
        read, write = rows.read_port(transparent_for=()), rows.write_port(granularity=1)
        segment_bits = (beats - 1).bit_length()
        segment, row = self.write.address[:segment_bits], self.write.address[segment_bits:]
        entries = Signal.like(self.entries, name="entries_late", reset_less=True)
        m.d.sync += entries.eq(read.data)
        m.d.comb += [
            read.en.eq(self.en), read.addr.eq(self.row), self.entries.eq(entries),
            write.addr.eq(row), write.data.eq(Cat(self.write.data for _ in range(beats))),
        ]  # fmt: skip
        for beat in range(beats):
            m.d.comb += write.en[beat].eq(self.write.en & (segment == beat))
        return m


class Bank(wiring.Component):
    """One bank: 2P memories, the choice of P activations by port A, and port B.

    Port A: latency three cycles from ``pixels`` to ``x``, one step per cycle, no backpressure; what block RAM gives
    goes into registers first, since on an ECP5 it is slow and far away. Of pixel lanes that touch one sub-bank in the
    same step, only the lowest reads right. Port B: data one cycle after a read. Port A may not read a word in the
    cycle in which port B writes it.

    Members
    -------
    en : In(1), pixels : In(lane_pixels)
        Stage 4.
    relu : In(1)
        Stage 6, of the same step: negative values become 0, after what is outside the map has been filled in.
    x : Out(array of P activations)
        Stage 7, registered.
    step : In(1), coming : Out(array of P activations)
        Only with ``row_taps``, stage 6: ``x`` takes what comes; without a step it stays as it is.
    port : In(bank_port)
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "en": In(1), "pixels": In(lane_pixels(config)), "relu": In(1),
            "x": Out(data.ArrayLayout(act_shape(config), config.pixels)),
            "port": In(bank_port(config)), **_held(config, data.ArrayLayout(act_shape(config), config.pixels)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        fetched = [self._sub_bank(m, sub) for sub in range(self._config.sub_banks)]
        pixels = delay(m, self.pixels, 2, "pixels", reset_less=True)
        for lane in range(self._config.pixels):
            self._activation(m, pixels[lane], fetched, lane)
        return m

    def _sub_bank(self, m: Module, sub: int) -> Value:
        shape = act_shape(self._config)
        memory = Memory(shape=shape, depth=self._config.feature_depth, init=[])
        m.submodules[f"sub_{sub}"] = memory
        array, read, write = memory.read_port(), memory.read_port(), memory.write_port()
        word, half = self.pixels[-1].word, sub // self._config.pixels
        for pixel in reversed(list(self.pixels)[:-1]):
            word = Mux(pixel.sub == sub, pixel.word, word)
        m.d.comb += [
            array.en.eq(self.en), array.addr.eq(word),
            write.en.eq(self.port.write[sub]), write.addr.eq(self.port.word[half]),
            write.data.eq(self.port.data[sub]),
            read.en.eq(self.port.read[sub] | self.port.write[sub]), read.addr.eq(self.port.word[half]),
            self.port.q[sub].eq(read.data),
        ]  # fmt: skip
        return delay(m, array.data, 1, f"fetched_{sub}", reset_less=True)

    def _activation(self, m: Module, pixel: data.View, fetched: Sequence[Value], lane: int) -> None:
        act = self._config.act
        value = Signal(act_shape(self._config), name="value")
        m.d.comb += value.eq(Mux(pixel.fill, Const(act.min, act_shape(self._config)), 0))
        with m.If(pixel.inside):
            m.d.comb += value.eq(_pick(pixel.sub, fetched))
        coming = Mux(self.relu & value[-1], 0, value)
        if self._config.row_taps:
            m.d.comb += self.coming[lane].eq(coming)
            with m.If(self.step):
                m.d.sync += self.x[lane].eq(coming)
        else:
            m.d.sync += self.x[lane].eq(coming)


class PortB(wiring.Component):
    """Shares port B of all banks; see `ShiftBuffer` for the members.

    Write and residual are asked for a cycle before load and store, so that which halves are free is in registers.
    What is granted is in registers in front of the banks in the next cycle; data of a read is there one cycle later,
    those for the storer, which is far from some of the banks, another one later, from registers. What a write brings
    comes in the cycle of the banks, and goes to them through one multiplexer.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(_users(config) | {"banks": Out(bank_port(config)).array(config.rows)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        load, store = self.load.payload, self.store.payload
        self._write = write = delay(m, self.write.payload, 1, "write", reset_less=True)
        residual = delay(m, self.residual.payload, 1, "residual", reset_less=True)
        writing = Signal(2)
        reading = Signal(2)
        taken = Signal(2)
        loading = Signal(2)
        for half in range(2):
            writes = self.write.valid & (self.write.payload.half == half)
            reads = self.residual.valid & (self.residual.payload.half == half)
            m.d.sync += [writing[half].eq(writes), reading[half].eq(reads), taken[half].eq(writes | reads)]
            m.d.comb += loading[half].eq(self.load.valid & (load.sub[-1] == half))
        m.d.comb += [
            self.load.ready.eq(~taken.bit_select(load.sub[-1], 1)),
            self.store.ready.eq(~(taken | loading).bit_select(store.sub[-1], 1)),
        ]
        for half in range(2):
            word = Signal.like(self.banks[0].word[half], name=f"word_{half}", reset_less=True)
            other = Mux(loading[half], load.word, store.word)
            m.d.sync += word.eq(Mux(writing[half], write.word, Mux(reading[half], residual.word, other)))
            m.d.comb += [bank.word[half].eq(word) for bank in self.banks]
        written = delay(m, writing, 1, "written", reset_less=True)
        lane0 = delay(m, write.lane0, 1, "write_lane0", reset_less=True)
        loaded = delay(m, load.data, 1, "load_data", reset_less=True)
        for sub in range(self._config.sub_banks):
            half = sub // self._config.pixels
            self._enable_writes(m, sub, writing[half])
            self._choose_data(m, sub, written[half], lane0, loaded)
            self._read_sub_bank(m, sub, reading[half])
        self._residual_data(m)
        self._store_data(m)
        return m

    def _pixels_of(self, sub: int) -> list[int]:
        """The pixel that goes to a sub-bank, for each lane0, below 0 where none does: p goes to place lane0 + p."""
        place = sub % self._config.pixels
        return [place - lane0 for lane0 in range(self._config.pixels)]

    def _enable_writes(self, m: Module, sub: int, writing: Value) -> None:
        write, load = self._write, self.load.payload
        enable, loaded = Signal(name=f"enable_{sub}"), Signal(name=f"loaded_{sub}")
        enables = [write.pixels[p] if p >= 0 else 0 for p in self._pixels_of(sub)]
        m.d.comb += [
            enable.eq(writing & _pick(write.lane0, enables)),
            loaded.eq(self.load.valid & self.load.ready & (load.sub == sub)),
        ]
        for index, bank in enumerate(self.banks):
            group, column = divmod(index, self._config.columns)
            mine = enable & write.columns[column] & (write.group == group)
            register = Signal(name=f"write_{sub}_{index}")
            m.d.sync += register.eq(mine | (loaded & load.banks[index]))
            m.d.comb += bank.write[sub].eq(register)

    def _choose_data(self, m: Module, sub: int, written: Value, lane0: Value, loaded: Value) -> None:
        columns = self._config.columns
        values = Signal(data.ArrayLayout(act_shape(self._config), columns), name=f"values_{sub}")
        pixels = [self.write_data[p].as_value() for p in self._pixels_of(sub) if p >= 0]
        m.d.comb += values.eq(_pick(lane0, pixels))
        for index, bank in enumerate(self.banks):
            m.d.comb += bank.data[sub].eq(Mux(written, values[index % columns], loaded[index]))

    def _read_sub_bank(self, m: Module, sub: int, reading: Value) -> None:
        stored = self.store.valid & self.store.ready & (self.store.payload.sub == sub)
        register = Signal(name=f"read_{sub}")
        m.d.sync += register.eq(reading | stored)
        m.d.comb += [bank.read[sub].eq(register) for bank in self.banks]

    def _residual_data(self, m: Module) -> None:
        lanes, columns = self._config.pixels, self._config.columns
        half, lane0, group = (
            delay(m, getattr(self.residual.payload, name), 3, f"residual_{name}", reset_less=True)
            for name in ("half", "lane0", "group")
        )
        for column in range(columns):
            banks = [self.banks[group_ * columns + column] for group_ in range(self._config.groups)]
            subs = [_pick(group, [bank.q[sub] for bank in banks]) for sub in range(self._config.sub_banks)]
            values = [Mux(half, subs[lanes + place], subs[place]) for place in range(lanes)]
            for lane in range(lanes):
                m.d.comb += self.residual_data[lane][column].eq(_pick(lane0, values[lane:]))

    def _store_data(self, m: Module) -> None:
        sub = delay(m, self.store.payload.sub, 2, "store_sub", reset_less=True)
        vector = Signal.like(self.store_data, name="store_vector", reset_less=True)
        m.d.comb += self.store_data.eq(vector)
        for value, bank in zip(vector, self.banks, strict=True):
            m.d.sync += value.eq(_pick(sub, list(bank.q)))


class ShiftBuffer(wiring.Component):
    """The memory of feature maps: every lane reads its own neighbour of the step's pixels.

    Port A takes one step per cycle, without backpressure; ``x`` follows `latency` cycles later. Of pixel
    lanes that touch one sub-bank in the same step, only the lowest reads right: see
    `hwshift.program.ports.lanes_per_step`.

    Port B takes, per half and cycle, one request: the first of write, residual, load, store. The first two, which
    are made a cycle ahead, are never refused, so a residual may not meet a write on its half; a load or store
    request is granted (``ready``) in the cycle it is made unless one before it touches its half. A load or store of
    cycle t, or a write or residual of t - 1, addresses the banks in t + 1. A word that it writes is read by what
    addresses it in t + 2 or later; port A may not address it in t + 1.

    Memories start as zeros and survive reset.

    Tested with every P, R = 4 and 8, act formats of 8 to 32 bits, strides 0 to 15, dx and dy -64 to 63.

    Members
    -------
    cmd : In(strobe of `step_layout`)
        In stage 0.
    x : Out(array [P][R] of activations)
        In stage 7.
    coming : Out(array [R] of activations)
        Only with ``row_taps``: what ``x`` takes at the end of stage 6; without a step it stays as it is.
    lane_write : In
        ``en``, ``address`` (row * lane_beats + beat) and ``data``: one bus beat into the lane table.
    write : In(strobe of `write_request`), write_data : In(array [P][C] of activations)
        The data two cycles after the request.
    residual : In(strobe of `residual_request`)
    residual_data : Out(array [P][C] of activations)
        Three cycles after the request; pixels that lie beyond the half are arbitrary.
    load : stream of `load_request`
    store : stream of `store_request`
    store_data : Out(array [R] of activations)
        ``timing.store_data`` cycles after the request was granted.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        act = act_shape(config)
        super().__init__(_users(config) | {
            "cmd": In(strobe(step_layout(config))),
            "x": Out(data.ArrayLayout(data.ArrayLayout(act, config.rows), config.pixels)),
            "lane_write": In(lane_write(config)),
        } | ({"coming": Out(data.ArrayLayout(act, config.rows))} if config.row_taps else {}))  # fmt: skip

    @property
    def latency(self) -> int:
        """Cycles from ``cmd`` to ``x``."""
        times = timing(self._config)
        return times.x_stage - times.lane_stage

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.table = table = LaneTable(self._config)
        m.submodules.port_b = port_b = PortB(self._config)
        wiring.connect(m, wiring.flipped(self.lane_write), table.write)
        for name in ("write", "residual", "load", "store"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(port_b, name))
        m.d.comb += [
            table.en.eq(self.cmd.valid), table.row.eq(self.cmd.payload.lane_row),
            self.residual_data.eq(port_b.residual_data), self.store_data.eq(port_b.store_data),
            port_b.write_data.eq(self.write_data),
        ]  # fmt: skip
        step, region = self._stage_2(m), self._stage_3(m)
        times = timing(self._config)
        en = delay(m, self.cmd.valid, times.read_stage - times.lane_stage, "read")
        relu = delay(m, self.cmd.payload.relu_fetch, self.latency - 1, "relu", reset_less=True)
        for index in range(self._config.rows):
            m.submodules[f"lane_{index}"] = lane = LaneAddress(self._config)
            m.submodules[f"bank_{index}"] = bank = Bank(self._config)
            wiring.connect(m, port_b.banks[index], bank.port)
            m.d.comb += [
                lane.entry.eq(table.entries[index]), lane.step.eq(step), lane.region.eq(region),
                bank.pixels.eq(lane.pixels), bank.en.eq(en), bank.relu.eq(relu),
            ]  # fmt: skip
            m.d.comb += [self.x[pixel][index].eq(bank.x[pixel]) for pixel in range(self._config.pixels)]
        if self._config.row_taps:
            steps = delay(m, en, times.x_stage - 1 - times.read_stage, "step")
            for index in range(self._config.rows):
                bank = m.submodules[f"bank_{index}"]
                m.d.comb += [bank.step.eq(steps), self.coming[index].eq(bank.coming[0])]
        return m

    def _stage_2(self, m: Module) -> data.View:
        step = Signal(lane_step(self._config), reset_less=True)
        cmd = delay(m, self.cmd.payload, 1, "cmd", reset_less=True)
        for name in ("y", "offset", "width", "height", "pad_min"):
            m.d.sync += getattr(step, name).eq(getattr(cmd, name))
        for lane, x in enumerate(step.x):
            # lane * stride without a multiplier
            parts = [(cmd.stride_x << bit) for bit in range(lane.bit_length()) if lane >> bit & 1]
            m.d.sync += x.eq(sum(parts, cmd.x))
        return step

    def _stage_3(self, m: Module) -> data.View:
        region = Signal(lane_region(self._config), reset_less=True)
        base = delay(m, self.cmd.payload.base, 2, "base", reset_less=True)
        length = delay(m, self.cmd.payload.length, 2, "length", reset_less=True)
        m.d.sync += [region.base.eq(base), region.length.eq(length), region.wrapped.eq(base - length)]
        return region
