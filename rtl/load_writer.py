"""Load writer: beats of load data into shift buffer, weight ring and tables."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format
from hwshift.program.isa import INPUT_CHANNELS, LoadKind, Token
from hwshift.rtl.epilogue import param_write
from hwshift.rtl.gearbox import Gearbox
from hwshift.rtl.interfaces import load_request
from hwshift.rtl.pass_generator import ktile_write
from hwshift.rtl.pixel_cutter import PixelCutter
from hwshift.rtl.pixel_walk import PixelWalk, region_layout
from hwshift.rtl.shift_buffer import lane_write
from hwshift.rtl.weight_buffer import weight_write

__all__ = ["LoadWriter", "job_layout", "load_targets"]

_COUNT = 22
"""Bits that count the beats of a table."""


def job_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What a LOAD says about its data; ``first``: place of an INPUT's first value in its beat."""
    first = unsigned(max(1, (config.beat_elements - 1).bit_length()))
    return data.StructLayout({
        "kind": 3, "zero_code": 1, "channels": 3, "push": len(Token), "dest": 16, "count": 16,
        "first": first, "region": region_layout(),
    })  # fmt: skip


def load_targets(config: AcceleratorConfig) -> dict[str, wiring.Member]:
    """Where loads go, and the weight ring's accounts.

    ``room``: tiles that may be started; ``take_room``, ``tile_done``: the first, the last word of a tile is written.
    """
    return {
        "port": Out(stream.Signature(load_request(config))),
        "lane_write": Out(lane_write(config)), "ktile_write": Out(ktile_write(config)),
        "param_write": Out(param_write(config)), "weight_write": Out(weight_write(config)),
        "room": In(16), "take_room": Out(1), "tile_done": Out(1),
    }  # fmt: skip


class LoadWriter(wiring.Component):
    """Takes a job into the job register and writes its beats, at most one per cycle, in the cycle they are taken.

    The register is loaded in a cycle where it is empty or its job ends, so jobs follow each other without a gap.
    A job ends with its last beat (WEIGHTS: last word), and waits before it while a token that it pushes is at its
    limit. Beats (MAP) or pixels (INPUT) wait for port B, words for room in the weight ring (WEIGHTS), others
    for nothing.

    Members
    -------
    i : stream of `job_layout`
    beats : stream of beats
    at_limit : In(5), push : Out(5)
    busy : Out(1)
    port, lane_write, ktile_write, param_write, weight_write, room, take_room, tile_done
        See `load_targets`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "i": In(stream.Signature(job_layout(config))), "beats": In(stream.Signature(config.bus_width)),
            "at_limit": In(len(Token)), "push": Out(len(Token)), "busy": Out(1), **load_targets(config),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._job = job = Signal(job_layout(self._config))
        full, self._end, self._take = Signal(), Signal(), Signal()
        m.d.comb += [
            full.eq((job.push & self.at_limit).any()),
            self.i.ready.eq(~self.busy | self._end), self._take.eq(self.i.valid & self.i.ready),
            self.push.eq(Mux(self._end, job.push, 0)),
        ]  # fmt: skip
        with m.If(self.i.ready):
            m.d.sync += [self.busy.eq(self.i.valid), job.eq(self.i.payload)]
        m.submodules.walk = walk = PixelWalk(self._config)
        m.submodules.cutter = cutter = PixelCutter(self._config)
        m.submodules.gearbox = gearbox = Gearbox(self._config)
        address, table_last = self._table_counters(m)
        self._begin(m, walk, cutter, gearbox)
        with m.If(self.busy):
            with m.Switch(job.kind):
                with m.Case(LoadKind.MAP):
                    self._write_map(m, walk, full)
                with m.Case(LoadKind.INPUT):
                    self._write_input(m, walk, cutter, full)
                with m.Case(LoadKind.WEIGHTS):
                    self._write_weights(m, gearbox, full)
                with m.Default():
                    self._write_table(m, table_last, full)
        self._lay_out_pixel(m, walk, cutter)
        self._lay_out_weights(m, gearbox)
        self._lay_out_tables(m, address)
        return m

    # -- jobs ----------------------------------------------------------------------------------------------

    def _begin(self, m: Module, walk: PixelWalk, cutter: PixelCutter, gearbox: Gearbox) -> None:
        job, is_input = self.i.payload, Signal()
        m.d.comb += [
            is_input.eq(job.kind == LoadKind.INPUT),
            walk.start.eq(self._take), walk.region.eq(job.region),
            walk.last_beat.eq(Mux(is_input, 0, self._config.vector_beats - 1)),
            cutter.start.eq(self._take & is_input), cutter.first.eq(job.first),
            gearbox.start.eq(self._take & (job.kind == LoadKind.WEIGHTS)), gearbox.tiles.eq(job.count),
        ]  # fmt: skip
        with m.If(is_input):
            m.d.comb += [walk.region.slots.eq(1), walk.region.rows.eq(job.count)]

    def _write_map(self, m: Module, walk: PixelWalk, full: Signal) -> None:
        m.d.comb += [
            self.port.valid.eq(self.beats.valid & ~(walk.last & full)),
            self.beats.ready.eq(self.port.valid & self.port.ready),
            walk.advance.eq(self.beats.ready), self._end.eq(self.beats.ready & walk.last),
        ]  # fmt: skip

    def _write_input(self, m: Module, walk: PixelWalk, cutter: PixelCutter, full: Signal) -> None:
        held = walk.last & full
        m.d.comb += [
            cutter.i.valid.eq(self.beats.valid), self.beats.ready.eq(cutter.i.ready),
            self.port.valid.eq(cutter.o.valid & ~held), cutter.o.ready.eq(self.port.ready & ~held),
            walk.advance.eq(self.port.valid & self.port.ready), self._end.eq(walk.advance & walk.last),
        ]  # fmt: skip

    def _write_weights(self, m: Module, gearbox: Gearbox, full: Signal) -> None:
        word, emit = gearbox.o.payload, Signal()
        m.d.comb += [
            gearbox.i.valid.eq(self.beats.valid), gearbox.i.payload.eq(self.beats.payload),
            self.beats.ready.eq(gearbox.i.ready),
            gearbox.o.ready.eq(~(word.first & (self.room == 0)) & ~(word.last & full)),
            emit.eq(gearbox.o.valid & gearbox.o.ready), self.weight_write.en.eq(emit),
            self.take_room.eq(emit & word.first), self.tile_done.eq(emit & word.tile_last),
            self._end.eq(emit & word.last),
        ]  # fmt: skip

    def _write_table(self, m: Module, table_last: Signal, full: Signal) -> None:
        write, kind = Signal(), self._job.kind
        m.d.comb += [
            write.eq(self.beats.valid & ~(table_last & full)), self.beats.ready.eq(write),
            self.lane_write.en.eq(write & (kind == LoadKind.LANES)),
            self.param_write.en.eq(write & (kind == LoadKind.PARAMS)),
            self.ktile_write.en.eq(write & (kind == LoadKind.KTILES)),
            self._end.eq(write & table_last),
        ]  # fmt: skip

    def _table_counters(self, m: Module) -> tuple[Signal, Signal]:
        """Address of the next beat of a table, and whether it is the last."""
        config, job = self._config, self.i.payload
        entries = config.bus_width // 32
        address, left, last = Signal(_COUNT), Signal(_COUNT), Signal()
        m.d.comb += last.eq(left == 1)
        with m.If(self._take):
            with m.Switch(job.kind):
                with m.Case(LoadKind.LANES):
                    m.d.sync += [
                        address.eq(job.dest * config.lane_beats),
                        left.eq(job.count * config.lane_beats),
                    ]
                with m.Case(LoadKind.PARAMS):
                    m.d.sync += [
                        address.eq(job.dest * config.param_beats),
                        left.eq(job.count * config.param_beats),
                    ]
                with m.Default():
                    m.d.sync += [
                        address.eq(job.dest // entries),
                        left.eq((job.count + entries - 1) // entries),
                    ]
        with m.Elif(self.beats.ready):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1)]
        return address, last

    # -- data ----------------------------------------------------------------------------------------------

    def _lay_out_pixel(self, m: Module, walk: PixelWalk, cutter: PixelCutter) -> None:
        config, pixel, job = self._config, self.port.payload, self._job
        elements = data.View(
            data.ArrayLayout(config.act.storage_bits, config.beat_elements), self.beats.payload
        )
        m.d.comb += [pixel.sub.eq(walk.place.sub), pixel.word.eq(walk.place.word)]
        for bank in range(config.rows):
            beat, element = divmod(bank, config.beat_elements)
            m.d.comb += [pixel.banks[bank].eq(walk.beat == beat), pixel.data[bank].eq(elements[element])]
        m.d.comb += [
            cutter.i.payload.eq(self.beats.payload), cutter.channels.eq(job.channels), cutter.last.eq(walk.last),
        ]  # fmt: skip
        with m.If(job.kind == LoadKind.INPUT):
            m.d.comb += pixel.banks.eq(-1)
            with m.Switch(job.channels):
                for channels in range(1, INPUT_CHANNELS):
                    with m.Case(channels):
                        self._spread(m, cutter.o.payload, channels)
                with m.Default():
                    self._spread(m, cutter.o.payload, INPUT_CHANNELS)

    def _spread(self, m: Module, values: data.View, channels: int) -> None:
        """Whole copies of a pixel over the banks; 0 in those that are left over."""
        rows = self._config.rows
        for bank in range(rows):
            value = values[bank % channels] if bank < rows // channels * channels else 0
            m.d.comb += self.port.payload.data[bank].eq(value)

    def _lay_out_weights(self, m: Module, gearbox: Gearbox) -> None:
        config, weights = self._config, self._config.weights
        tile, row = Signal(range(config.weight_tiles)), Signal(range(max(2, config.tile_words)))
        m.d.comb += self.weight_write.address.eq(tile * config.tile_words + row)
        with m.If(self.weight_write.en):
            m.d.sync += row.eq(row + 1)
        with m.If(self.tile_done):
            m.d.sync += [row.eq(0), tile.eq(Mux(tile == config.weight_tiles - 1, 0, tile + 1))]
        for index in range(config.weight_rows * config.columns):
            line, column = divmod(index, config.columns)
            code = gearbox.o.payload.codes.word_select(index, config.code_bits)
            value = code
            if isinstance(weights, Pow2Format):
                smallest = 1 << weights.shift_bits | (weights.p_max - weights.p_min)
                value = Cat(code, self._job.zero_code & (code == smallest))
            m.d.comb += self.weight_write.data[line][column].eq(value)

    def _lay_out_tables(self, m: Module, address: Signal) -> None:
        for target in (self.lane_write, self.ktile_write, self.param_write):
            m.d.comb += [target.address.eq(address), target.data.eq(self.beats.payload)]
