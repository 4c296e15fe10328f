"""Pass generator: COMPUTE instructions to passes, ahead of the sequencer."""

from amaranth import Array, C, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program import isa
from hwshift.program.isa import Opcode, Token
from hwshift.rtl.instruction import INSTRUCTION, layout_of
from hwshift.rtl.interfaces import COORDINATE, WORD, act_shape
from hwshift.rtl.ktile_walk import KtileWalk, walk_fields

__all__ = ["PassGenerator", "bounds_layout", "ktile_write", "pass_layout", "wrap", "wrap_sum"]

_OPCODE_BITS = max(Opcode).bit_length()
CONSTANTS = (
    "steps",
    "x0",
    "x_step",
    "stride_x",
    "stride_y",
    "out_step",
    "last_pixels",
    "out_x0",
    "height",
    "width",
    "relu_fetch",
    "pad_min",
    "maximum",
    "residual",
    "act",
    "residual_act",
    "out_base",
    "out_length",
    "out_offset",
    "out_row_step",
    "res_base",
    "res_length",
    "res_offset",
    "res_row_step",
    "push",
)
"""COMPUTE fields that go into every pass of the instruction unchanged; with the option, ``row_taps`` too."""


def _constants(config: AcceleratorConfig) -> tuple[str, ...]:
    return (*CONSTANTS, "row_taps") if config.row_taps else CONSTANTS


def wrap(value, length) -> Mux:
    """``value`` modulo ``length`` for ``value < 2 * length``: one conditional subtraction."""
    return Mux(value >= length, value - length, value)


def wrap_sum(m: Module, value: Value, step: Value, back: Value, name: str) -> Value:
    """``wrap(value + step, length)``, with one adder before the choice: ``back`` is ``step - length``, a register."""
    wrapped = Signal(signed(WORD + 2), name=name)
    m.d.comb += wrapped.eq(value + back)
    return Mux(wrapped < 0, value + step, wrapped)


def pass_layout(config: AcceleratorConfig) -> data.StructLayout:
    """One pass: a k-tile over a chunk of rows."""
    constants = {
        name: Shape(isa.COMPUTE.by_name[name].width, isa.COMPUTE.by_name[name].signed)
        for name in _constants(config)
    }
    return data.StructLayout(
        {
            **constants,
            "offset": WORD,
            "ktile_offset": WORD,
            "base": WORD,
            "length": WORD,
            "row_step": WORD,
            "lane_row": 12,
            "y": COORDINATE,
            "rows": 16,
            "first": 1,
            "last": 1,
            "swap": 1,
            "chunk_start": 1,
            "final": 1,
            "drain": 1,
            "out_slot": WORD,
            "res_slot": WORD,
            "group": 4,
            "param": 12,
            "columns": config.columns,
        }
    )


def bounds_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Clamp bounds, as the last ACTIVATION set them."""
    shape = act_shape(config)
    return data.StructLayout({name: shape for name in ("lo", "hi", "residual_lo", "residual_hi")})


def ktile_write(config: AcceleratorConfig) -> data.StructLayout:
    """A write of one beat into the k-tile table: ``address = entry // entries per beat``."""
    return data.StructLayout({"en": 1, "address": 16, "data": config.bus_width})


class PassGenerator(wiring.Component):
    """States IDLE, PREP, RUN; one pass per cycle in RUN while the pass queue has room.

    The k-tile table is addressed two passes ahead: with the first entry in IDLE, with the second in PREP.

    Members
    -------
    i : stream of instructions (DESCRIPTOR, ACTIVATION, COMPUTE)
    o : stream of `pass_layout`
    bounds : Out(bounds_layout)
    available : In(5), pop : Out(5)
        Token counters above zero; tokens taken.
    quiet : In(1)
        No pass waits or runs and every last step has retired.
    idle, wait_load, wait_store : Out(1)
        In IDLE; waiting there for a token.
    ktile_write : In(ktile_write)
        Fills the k-tile table.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._per_beat = config.bus_width // 32
        self._depth = max(1, config.ktile_entries // self._per_beat)
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTION)),
                "o": Out(stream.Signature(pass_layout(config))),
                "bounds": Out(bounds_layout(config)),
                "available": In(len(Token)),
                "pop": Out(len(Token)),
                "quiet": In(1),
                "idle": Out(1),
                "wait_load": Out(1),
                "wait_store": Out(1),
                "ktile_write": In(ktile_write(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._m = m
        self._work = Signal(layout_of(isa.COMPUTE))
        self._sources = Array(
            Signal(layout_of(isa.DESCRIPTOR), name=f"source{i}") for i in range(isa.DESCRIPTORS)
        )
        self._starts = [Signal(WORD, name=f"start{i}") for i in range(isa.DESCRIPTORS)]
        # chunk_step less the length, so that a chunk's start is one addition
        self._backs = [Signal(signed(WORD + 1), name=f"back{i}") for i in range(isa.DESCRIPTORS)]
        self._registers()
        self._next_starts = [
            wrap_sum(m, start, source.chunk_step, back, f"wrapped{i}")
            for i, (source, start, back) in enumerate(
                zip(self._sources, self._starts, self._backs, strict=True)
            )
        ]
        m.submodules.walk = self._walk = walk = KtileWalk()
        advance = Signal()
        entry = self._table(m, walk.address, advance)
        m.d.comb += walk.advance.eq(advance)
        # one register for each state: idle, the table's entry is under way, or passes go out
        idle = self._is_idle
        prepares = Signal()
        self._runs = Signal(name="runs")
        m.d.comb += [
            self.idle.eq(idle), walk.start.eq(~self._busy), self.o.valid.eq(self._runs),
            advance.eq(~self._runs | self.o.ready),
        ]  # fmt: skip
        self._prepare(m, data.View(layout_of(isa.COMPUTE), self.i.payload))
        self._keep_sources(m)
        with m.If(idle):
            self._idle(m, prepares)
        with m.Elif(prepares):
            m.d.sync += [prepares.eq(0), self._runs.eq(1)]
        with m.Elif(self.o.ready):
            self._advance(m)
        self._describe_pass(m, entry)
        return m

    def _registers(self) -> None:
        # its opposite has a register of its own, for all that a COMPUTE loads
        self._is_idle, self._busy = Signal(init=1, name="is_idle"), Signal(name="busy")
        self._tile = Signal(16)
        self._rows_left = Signal(16)
        self._y = Signal(COORDINATE)
        self._out_slot, self._res_slot = Signal(WORD), Signal(WORD)
        self._group = Signal(4)
        self._describes = Signal(name="describes")  # a DESCRIPTOR is popped

    def _table(self, m: Module, address: Signal, advance: Signal) -> data.View:
        """The k-tile table: written in beats; an entry is in a register two advances after its address."""
        m.submodules.table = table = memory.Memory(shape=self._config.bus_width, depth=self._depth, init=[])
        write, read = table.write_port(), table.read_port()
        m.d.comb += [
            write.en.eq(self.ktile_write.en),
            write.addr.eq(self.ktile_write.address),
            write.data.eq(self.ktile_write.data),
            read.addr.eq(address // self._per_beat),
            read.en.eq(advance),
        ]
        part, entry = Signal(range(max(2, self._per_beat))), Signal(layout_of(isa.KTILE_ENTRY))
        with m.If(advance):
            m.d.sync += [part.eq(address % self._per_beat), entry.eq(read.data.word_select(part, 32))]
        return entry

    def _idle(self, m: Module, prepares: Signal) -> None:
        head = data.View(layout_of(isa.END), self.i.payload)
        with m.If(self.i.valid):
            # dispatch sends three kinds of instructions, which differ in their lower bits
            with m.Switch(head.opcode[:_OPCODE_BITS]):
                with m.Case(Opcode.DESCRIPTOR):
                    m.d.comb += [self.i.ready.eq(1), self._describes.eq(1)]
                with m.Case(Opcode.ACTIVATION):
                    limits = data.View(layout_of(isa.ACTIVATION), self.i.payload)
                    m.d.comb += self.i.ready.eq(self.quiet)
                    with m.If(self.quiet):
                        m.d.sync += [
                            getattr(self.bounds, name).eq(getattr(limits, name))
                            for name in ("lo", "hi", "residual_lo", "residual_hi")
                        ]
                with m.Default():
                    self._start(m, data.View(layout_of(isa.COMPUTE), self.i.payload), prepares)

    def _prepare(self, m: Module, compute: data.View) -> None:
        """What a COMPUTE needs, loaded in every cycle, so that the registers need not wait for what the head is."""
        with m.If(~self._busy):
            m.d.comb += [getattr(self._walk, name).eq(getattr(compute, name)) for name in walk_fields()]
            m.d.sync += [
                self._work.eq(compute),
                self._tile.eq(0),
                self._rows_left.eq(compute.rows),
                self._y.eq(compute.y0),
                self._group.eq(compute.group0),
                self._out_slot.eq(0),
                self._res_slot.eq(0),
            ]
        with m.If(~self._runs):  # later than the rest, since a source is
            m.d.sync += [start.eq(self._sources[i].offset) for i, start in enumerate(self._starts)]

    def _keep_sources(self, m: Module) -> None:
        """A DESCRIPTOR is a source two cycles after it was popped, in time for the first pass of a COMPUTE behind it.

        So which one it is need not be known in the cycle in which it is known to be one.
        """
        late = Signal(layout_of(isa.DESCRIPTOR), reset_less=True)
        described = Signal()
        m.d.sync += [Value.cast(late).eq(self.i.payload), described.eq(self._describes)]
        with m.If(described):
            m.d.sync += [
                self._sources[late.id].eq(late),
                Array(self._backs)[late.id].eq(late.chunk_step - late.length),
            ]

    def _start(self, m: Module, compute: data.View, prepares: Signal) -> None:
        missing = Signal(len(Token))
        m.d.comb += [
            missing.eq(compute.pop & ~self.available),
            self.wait_load.eq((missing & Token.LOAD_COMPUTE).any()),
            self.wait_store.eq(~self.wait_load & (missing & Token.STORE_COMPUTE).any()),
        ]
        with m.If(missing == 0):
            m.d.comb += [self.i.ready.eq(1), self.pop.eq(compute.pop)]
            m.d.sync += [self._is_idle.eq(0), self._busy.eq(1), prepares.eq(1)]

    def _advance(self, m: Module) -> None:
        """To the next k-tile, chunk, output tile or instruction."""
        walk = self._walk
        with m.If(walk.last_ktile):
            with m.If(~walk.last_chunk):
                self._next_chunk(m)
            with m.Elif(~walk.last_tile):
                self._next_tile(m)
            with m.Else():
                m.d.sync += [self._is_idle.eq(1), self._busy.eq(0), self._runs.eq(0)]

    def _next_chunk(self, m: Module) -> None:
        m.d.sync += [
            self._y.eq(self._y + self._work.chunk_y),
            self._rows_left.eq(self._rows_left - self._work.chunk_rows),
        ]
        m.d.sync += [
            start.eq(following) for start, following in zip(self._starts, self._next_starts, strict=True)
        ]

    def _next_tile(self, m: Module) -> None:
        work = self._work
        m.d.sync += [
            self._tile.eq(self._tile + 1),
            self._y.eq(work.y0),
            self._rows_left.eq(work.rows),
            self._group.eq(self._group + 1),
        ]
        with m.If(self._group + 1 == self._config.groups):
            m.d.sync += [
                self._group.eq(0),
                self._out_slot.eq(self._out_slot + work.out_pitch),
                self._res_slot.eq(self._res_slot + work.res_pitch),
            ]
        m.d.sync += [
            start.eq(source.offset) for source, start in zip(self._sources, self._starts, strict=True)
        ]

    def _describe_pass(self, m: Module, entry: data.View) -> None:
        work, out = self._work, self.o.payload
        source = self._sources[entry.descriptor]
        walk = self._walk
        zero = walk.first_ktile & walk.first_chunk & walk.first_tile
        m.d.comb += [getattr(out, name).eq(getattr(work, name)) for name in _constants(self._config)]
        m.d.comb += [
            out.offset.eq(Array(self._starts)[entry.descriptor]),
            out.ktile_offset.eq(entry.offset),
            out.base.eq(source.base),
            out.length.eq(source.length),
            out.row_step.eq(source.row_step),
            out.lane_row.eq(entry.lane_row),
            out.y.eq(self._y),
            out.rows.eq(Mux(walk.last_chunk, self._rows_left, work.chunk_rows)),
            out.first.eq(walk.first_ktile),
            out.last.eq(walk.last_ktile),
            out.swap.eq(~work.hold_weights | zero),
            out.chunk_start.eq(walk.first_chunk),
            out.final.eq(walk.last_ktile & walk.last_chunk & walk.last_tile),
            out.drain.eq(work.drain & zero),
            out.out_slot.eq(self._out_slot),
            out.res_slot.eq(self._res_slot),
            out.group.eq(self._group),
            out.param.eq(work.param_base + self._tile),
            out.columns.eq(Mux(walk.last_tile, work.last_columns, C(-1, self._config.columns))),
        ]
