"""Load writer: beats of load data into shift buffer, weight ring and tables."""

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
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

__all__ = ["LoadWriter", "early_bits", "job_layout", "load_targets"]

_COUNT = 22
"""Bits that count the beats of a table."""
_TABLES = (LoadKind.LANES, LoadKind.PARAMS, LoadKind.KTILES)


def job_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What a LOAD says about its data; ``first``: place of an INPUT's first value in its beat."""
    first = unsigned(max(1, (config.beat_elements - 1).bit_length()))
    return data.StructLayout({
        "kind": 3, "count": 16, "region": region_layout(),
        "zero_code": 1, "channels": 3, "push": len(Token), "dest": 16, "first": first,
    })  # fmt: skip


def early_bits(config: AcceleratorConfig) -> int:
    """Low bits of a job with which its walk begins: up to the end of its region."""
    return job_layout(config)["zero_code"].offset


def load_targets(config: AcceleratorConfig) -> dict[str, wiring.Member]:
    """Where loads go, and the weight ring's accounts.

    ``has_room``: a tile may be started; ``take_room``, ``tile_done``: the first, the last word of a tile is written.
    """
    return {
        "port": Out(stream.Signature(load_request(config))),
        "lane_write": Out(lane_write(config)), "ktile_write": Out(ktile_write(config)),
        "param_write": Out(param_write(config)), "weight_write": Out(weight_write(config)),
        "has_room": In(1), "take_room": Out(1), "tile_done": Out(1),
    }  # fmt: skip


def _any_of(kind: Value, *kinds: LoadKind) -> Value:
    return Cat(kind == one for one in kinds).any()


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
    port, lane_write, ktile_write, param_write, weight_write, has_room, take_room, tile_done
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
        full = Signal()
        self._end = Signal()
        m.d.comb += [
            full.eq((job.push & self.at_limit).any()), self.i.ready.eq(~self.busy | self._end),
            self.push.eq(Mux(self._end, job.push, 0)),
        ]  # fmt: skip
        # busy with a job of a kind, one register each: nothing has to be decoded on the way to a job's end
        self._does = {kind: Signal(name=f"does_{kind.name.lower()}") for kind in LoadKind}
        walks = Signal()
        writes_table = Signal()
        self._spreads = Signal(name="spreads")  # as for an INPUT, if there is a job at all
        with m.If(self.i.ready):
            coming = self.i.payload.kind
            m.d.sync += [
                self.busy.eq(self.i.valid), job.eq(self.i.payload), self._spreads.eq(coming == LoadKind.INPUT),
            ]  # fmt: skip
            m.d.sync += [does.eq(self.i.valid & (coming == kind)) for kind, does in self._does.items()]
            m.d.sync += [
                walks.eq(self.i.valid & _any_of(coming, LoadKind.MAP, LoadKind.INPUT)),
                writes_table.eq(self.i.valid & _any_of(coming, *_TABLES)),
            ]
        m.submodules.walk = walk = PixelWalk(self._config)
        m.submodules.cutter = cutter = PixelCutter(self._config)
        m.submodules.gearbox = gearbox = Gearbox(self._config)
        self._begin(m, walk, cutter, gearbox)
        ends, taken = zip(
            self._write_pixels(m, walks, walk, cutter, full),
            self._write_weights(m, gearbox, full),
            self._write_table(m, writes_table, full),
            strict=True,
        )
        m.d.comb += [self._end.eq(Cat(ends).any()), self.beats.ready.eq(Cat(taken).any())]
        self._lay_out_pixel(m, walk, cutter)
        self._lay_out_weights(m, gearbox)
        return m

    # -- jobs ----------------------------------------------------------------------------------------------

    def _begin(self, m: Module, walk: PixelWalk, cutter: PixelCutter, gearbox: Gearbox) -> None:
        """What a job needs is loaded over and over before it, so that registers need not wait for its begin."""
        job = self.i.payload
        is_input = Signal()
        m.d.comb += [
            is_input.eq(job.kind == LoadKind.INPUT),
            walk.region.eq(job.region), walk.last_beat.eq(Mux(is_input, 0, self._config.vector_beats - 1)),
            cutter.first.eq(job.first), cutter.channels.eq(job.channels),
            gearbox.tiles.eq(job.count),
        ]  # fmt: skip
        with m.If(is_input):
            m.d.comb += [walk.region.slots.eq(1), walk.region.rows.eq(job.count)]

    def _write_pixels(
        self, m: Module, walks: Signal, walk: PixelWalk, cutter: PixelCutter, full: Signal
    ) -> tuple[Value, Value]:
        """Whether a load of kind MAP or INPUT ends, and whether it takes its beat."""
        does_map, does_input = self._does[LoadKind.MAP], self._does[LoadKind.INPUT]
        held = Signal()
        moved = Signal()
        ends = Signal()
        m.d.comb += [
            held.eq(walk.last & full), moved.eq(self.port.valid & self.port.ready),
            cutter.i.valid.eq(self.beats.valid & does_input), cutter.o.ready.eq(self.port.ready & ~held),
            self.port.valid.eq(((self.beats.valid & does_map) | cutter.o.valid) & ~held),
            walk.start.eq(~walks | walk.last), walk.advance.eq(~walks | moved),
            ends.eq(moved & walk.last), cutter.start.eq(~does_input | ends),
        ]  # fmt: skip
        return ends, (moved & does_map) | (does_input & cutter.i.ready)

    def _write_weights(self, m: Module, gearbox: Gearbox, full: Signal) -> tuple[Value, Value]:
        word = gearbox.o.payload
        emit = Signal()
        ends = Signal()
        does = self._does[LoadKind.WEIGHTS]
        m.d.comb += [
            gearbox.i.valid.eq(self.beats.valid & does), gearbox.i.payload.eq(self.beats.payload),
            gearbox.o.ready.eq(does & ~(word.first & ~self.has_room) & ~(word.last & full)),
            emit.eq(gearbox.o.valid & gearbox.o.ready), self.weight_write.en.eq(emit),
            self.take_room.eq(emit & word.first), self.tile_done.eq(emit & word.tile_last),
            ends.eq(emit & word.last), gearbox.start.eq(~does | ends),
        ]  # fmt: skip
        return ends, does & gearbox.i.ready

    def _write_table(self, m: Module, writes: Signal, full: Signal) -> tuple[Value, Value]:
        write = Signal()
        address = Signal(_COUNT)
        last = Signal()
        self._count_beats(m, ~writes | last, ~writes | write, address, last)
        m.d.comb += write.eq(self.beats.valid & writes & ~(last & full))
        targets = {
            LoadKind.LANES: self.lane_write, LoadKind.PARAMS: self.param_write, LoadKind.KTILES: self.ktile_write,
        }  # fmt: skip
        for kind, target in targets.items():
            m.d.comb += [
                target.en.eq(self.beats.valid & self._does[kind] & ~(last & full)),
                target.address.eq(address), target.data.eq(self.beats.payload),
            ]  # fmt: skip
        return write & last, write

    def _count_beats(self, m: Module, start: Value, advance: Value, address: Signal, last: Signal) -> None:
        """Address of the next beat of a table, and whether it is the last; of the job that comes with ``start``."""
        config = self._config
        job = self.i.payload
        left = Signal(_COUNT)
        entries = config.bus_width // 32
        first = Signal(_COUNT)
        count = Signal(_COUNT)
        one = Signal()
        with m.Switch(job.kind):
            with m.Case(LoadKind.LANES):
                m.d.comb += [
                    first.eq(job.dest * config.lane_beats), count.eq(job.count * config.lane_beats),
                    one.eq((job.count == 1) & (config.lane_beats == 1)),
                ]  # fmt: skip
            with m.Case(LoadKind.PARAMS):
                m.d.comb += [
                    first.eq(job.dest * config.param_beats), count.eq(job.count * config.param_beats),
                    one.eq((job.count == 1) & (config.param_beats == 1)),
                ]  # fmt: skip
            with m.Default():
                m.d.comb += [
                    first.eq(job.dest // entries), count.eq((job.count + entries - 1) // entries),
                    one.eq((job.count != 0) & (job.count <= entries)),
                ]  # fmt: skip
        with m.If(advance):
            with m.If(start):
                m.d.sync += [address.eq(first), left.eq(count), last.eq(one)]
            with m.Else():
                m.d.sync += [address.eq(address + 1), left.eq(left - 1), last.eq(left == 2)]

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
            cutter.i.payload.eq(self.beats.payload), cutter.last.eq(walk.last),
        ]  # fmt: skip
        with m.If(self._spreads):
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
        tile = Signal(range(config.weight_tiles))
        row = Signal(range(max(2, config.tile_words)))
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
