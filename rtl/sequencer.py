"""Sequencer: passes to steps, at most one per cycle, and the cause of every cycle without one."""

from collections.abc import Callable

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.counters import Cause
from hwshift.program.isa import Token
from hwshift.program.row_taps import LEAD_STEPS
from hwshift.rtl.delay import delay
from hwshift.rtl.interfaces import COORDINATE, WORD, step_layout
from hwshift.rtl.pass_generator import pass_layout, wrap_sum
from hwshift.timing import timing

__all__ = ["Sequencer"]

_RESIDUAL_TO_WRITE = 3  # cycles from the residual's read to the result's write


class Sequencer(wiring.Component):
    """Decides in every cycle whether the current pass issues its next step (stage 0 of the rigid pipeline).

    Members
    -------
    i : stream of `pass_layout`
    step : Out(step_layout), issue : Out(1)
        Combinational.
    weights_full, weights_loading : In(1); take : Out(1)
        Shadow registers; a step with swap issues.
    at_limit : In(5), reserve : Out(5), push : Out(5)
        Token counters: reserved when the final step issues, pushed when it retires.
    halt : In(1)
        No more steps.
    tail, wait_load, wait_store, front_empty : In(1)
        What is true of the blocks in front, for the cause.
    cause : Out(4)
        `Cause` of this cycle.
    quiet : Out(1)
        No pass waits or runs and every last step has retired.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._timing = timing(config)
        tokens = len(Token)
        super().__init__(
            {
                "i": In(stream.Signature(pass_layout(config))),
                "step": Out(step_layout(config)),
                "issue": Out(1),
                "weights_full": In(1),
                "weights_loading": In(1),
                "take": Out(1),
                "at_limit": In(tokens),
                "reserve": Out(tokens),
                "push": Out(tokens),
                "halt": In(1),
                "tail": In(1),
                "wait_load": In(1),
                "wait_store": In(1),
                "front_empty": In(1),
                "cause": Out(4),
                "quiet": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._current, self._valid = Signal(pass_layout(self._config)), Signal()
        # where the next step is, in registers: decisions and steps need no counting
        self._last_column, self._last_row, self._last_step = Signal(), Signal(), Signal()
        # and what it has to wait for: it swaps, drains, ends an instruction; there is one that meets no write on port B
        self._swaps, self._drains, self._ends, self._open = Signal(), Signal(), Signal(), Signal()
        self._pixel = Signal(16)  # output column
        self._half = self._half_of(self._pixel)
        self._since = Signal(range(self._timing.retire + 1), init=self._timing.retire)
        self._take = Signal()
        meets = self._decide(m)
        self._next_pass(m)
        if self._config.row_taps:
            self._count_lead(m)
        self._walk_source(m)
        self._walk_output(m, meets)
        self._describe(m)
        self._retire(m)
        return m

    def _half_of(self, pixel: Value) -> Value:
        return pixel[self._config.sub_banks.bit_length() - 2]

    def _decide(self, m: Module) -> Callable[[data.View, Value], Value]:
        """The documented rules, in order.

        Returns whether a step of a pass at a pixel will meet a write on port B in the next cycle.
        """
        current = self._current
        recent = Signal(_RESIDUAL_TO_WRITE)  # last steps issued 1, 2, 3 cycles ago ...
        halves = Signal(_RESIDUAL_TO_WRITE)  # ... and their halves
        settled = Signal(init=1)
        wrote = self.issue & current.last
        m.d.sync += [
            recent.eq(Cat(wrote, recent[:-1])), halves.eq(Cat(self._half, halves[:-1])),
            settled.eq(~wrote & (settled | (self._since == self._timing.raw_distance - 1))),
        ]  # fmt: skip
        drain = self._drains & ~settled
        weights = self._swaps & ~self.weights_full
        tokens = self._ends & (current.push & self.at_limit).any()
        m.d.comb += [
            self.issue.eq(self._open & ~self.halt & ~(drain | weights | tokens)),
            self.take.eq(self.issue & self._swaps),
            self.reserve.eq(Mux(self.issue & self._ends, current.push, 0)),
        ]
        with m.If(self.halt):
            m.d.comb += self.cause.eq(Cause.TAIL)
        with m.Elif(~self._valid):
            self._idle_cause(m)
        with m.Elif(drain):
            m.d.comb += self.cause.eq(Cause.DRAIN)
        with m.Elif(weights):
            m.d.comb += self.cause.eq(Mux(self.weights_loading, Cause.WEIGHT_LOAD, Cause.WEIGHT_WAIT))
        with m.Elif(tokens):
            m.d.comb += self.cause.eq(Cause.TOKEN_FULL)
        with m.Elif(~self._open):
            m.d.comb += self.cause.eq(Cause.PORT)
        with m.Else():
            m.d.comb += self.cause.eq(Cause.BUSY)
        return lambda item, pixel: (
            item.last & item.residual & recent[-2] & (halves[-2] == self._half_of(pixel))
        )

    def _idle_cause(self, m: Module) -> None:
        with m.If(self.tail & ~self.i.valid):
            m.d.comb += self.cause.eq(Cause.TAIL)
        with m.Elif(self.wait_load):
            m.d.comb += self.cause.eq(Cause.WAIT_LOAD)
        with m.Elif(self.wait_store):
            m.d.comb += self.cause.eq(Cause.WAIT_STORE)
        with m.Elif(self.front_empty & ~self.i.valid):
            m.d.comb += self.cause.eq(Cause.FETCH)
        with m.Else():
            m.d.comb += self.cause.eq(Cause.SETUP)

    def _next_pass(self, m: Module) -> None:
        coming, current = self.i.payload, self._current
        m.d.comb += [
            self._take.eq(~self._valid | (self.issue & self._last_step)), self.i.ready.eq(self._take),
        ]  # fmt: skip
        columns, rows, single = Signal(16), Signal(16), Signal()  # left, this one included
        with m.If(self.issue):
            last = Mux(self._last_column, single & (rows == 2), (columns == 2) & self._last_row)
            m.d.sync += [
                self._swaps.eq(0), self._drains.eq(0),
                columns.eq(Mux(self._last_column, current.steps, columns - 1)),
                self._last_column.eq(Mux(self._last_column, single, columns == 2)),
                self._last_step.eq(last), self._ends.eq(last & current.final),
            ]  # fmt: skip
            with m.If(self._last_column):
                m.d.sync += [rows.eq(rows - 1), self._last_row.eq(rows == 2)]
        with m.If(self._take):
            one, one_row = coming.steps == 1, coming.rows == 1
            m.d.sync += [
                self._valid.eq(self.i.valid), current.eq(coming),
                self._swaps.eq(coming.swap), self._drains.eq(coming.drain),
                columns.eq(coming.steps), self._last_column.eq(one), single.eq(one),
                rows.eq(coming.rows), self._last_row.eq(one_row),
                self._last_step.eq(one & one_row), self._ends.eq(one & one_row & coming.final),
            ]  # fmt: skip

    def _next_row(self, m: Module, row: Value, prefix: str) -> Value:
        """``wrap(row + row_step, length)``."""
        names = f"{prefix}row_step", f"{prefix}length"
        down = Signal(signed(WORD + 1), name=f"{prefix}row_down")
        with m.If(self._take):
            step, length = (getattr(self.i.payload, name) for name in names)
            m.d.sync += down.eq(step - length)
        return wrap_sum(m, row, getattr(self._current, names[0]), down, f"{prefix}wrapped")

    def _walk_source(self, m: Module) -> None:
        """Row offset, y, x and accumulator index; a pass starts from its own fields."""
        current, coming, step = self._current, self.i.payload, self.step
        offset, y, x, index = Signal(WORD), Signal(COORDINATE), Signal(COORDINATE), Signal(step.acc.shape())
        m.d.comb += [
            step.offset.eq(offset + current.ktile_offset), step.y.eq(y), step.x.eq(x), step.acc.eq(index),
        ]  # fmt: skip
        next_row = self._next_row(m, offset, "")
        with m.If(self.issue):
            m.d.sync += [index.eq(index + 1), x.eq(Mux(self._last_column, current.x0, x + current.x_step))]
            with m.If(self._last_column):
                m.d.sync += [offset.eq(next_row), y.eq(y + current.stride_y)]
        with m.If(self._take):
            m.d.sync += [offset.eq(coming.offset), y.eq(coming.y), x.eq(coming.x0), index.eq(0)]

    def _walk_output(self, m: Module, meets: Callable[[data.View, Value], Value]) -> None:
        """Output and residual rows advance on last passes only and restart with the first chunk."""
        current, coming, step, pixel = self._current, self.i.payload, self.step, self._pixel
        words = self._config.sub_banks.bit_length() - 1
        m.d.comb += [step.half.eq(self._half), step.lane0.eq(pixel & (self._config.pixels - 1))]
        next_pixel = Signal(16)
        further = pixel + self._unless_lead(current.out_step)
        m.d.comb += next_pixel.eq(Mux(self._last_column, current.out_x0, further))
        m.d.sync += self._open.eq(self._valid & ~meets(current, pixel))
        with m.If(self.issue):
            m.d.sync += [pixel.eq(next_pixel), self._open.eq(~meets(current, next_pixel))]
        with m.If(self._take):
            m.d.sync += [
                pixel.eq(coming.out_x0), self._open.eq(self.i.valid & ~meets(coming, coming.out_x0)),
            ]  # fmt: skip
        for name in ("out", "res"):
            row = Signal(WORD, name=f"{name}_row")
            m.d.comb += [
                getattr(step, f"{name}_sum").eq(row + getattr(current, f"{name}_slot") + (pixel >> words)),
                getattr(step, f"{name}_base").eq(getattr(current, f"{name}_base")),
                getattr(step, f"{name}_length").eq(getattr(current, f"{name}_length")),
            ]
            next_row = self._next_row(m, row, f"{name}_")
            with m.If(self.issue & current.last & self._last_column):
                m.d.sync += row.eq(next_row)
            with m.If(self._take & coming.chunk_start):
                m.d.sync += row.eq(getattr(coming, f"{name}_offset"))

    def _count_lead(self, m: Module) -> None:
        """The first steps of a row, which give no pixels with row_taps: a one for each that is left."""
        current, coming = self._current, self.i.payload
        left = self._lead = Signal(LEAD_STEPS, name="lead")
        with m.If(self.issue):
            m.d.sync += left.eq(Mux(self._last_column, current.row_taps.replicate(len(left)), left >> 1))
        with m.If(self._take):
            m.d.sync += left.eq(coming.row_taps.replicate(len(left)))
        m.d.comb += self.step.row_taps.eq(current.row_taps)

    def _unless_lead(self, value: Value) -> Value:
        """The value, or 0 in a step that gives no pixels."""
        return Mux(self._lead[0], 0, value) if self._config.row_taps else value

    def _describe(self, m: Module) -> None:
        current, step = self._current, self.step
        same = (
            "base",
            "length",
            "height",
            "width",
            "stride_x",
            "relu_fetch",
            "pad_min",
            "maximum",
            "first",
            "last",
            "lane_row",
            "param",
            "act",
            "residual_act",
            "residual",
            "group",
            "columns",
        )
        m.d.comb += [getattr(step, name).eq(getattr(current, name)) for name in same]
        count = Mux(self._last_column, current.last_pixels, current.out_step)
        pixels = Cat(count > lane for lane in range(self._config.pixels))
        m.d.comb += [
            step.swap.eq(self._swaps),
            step.pixels.eq(self._unless_lead(pixels)),
        ]

    def _retire(self, m: Module) -> None:
        t = self._timing
        with m.If(self.issue & self._current.last):
            m.d.sync += self._since.eq(1)
        with m.Elif(self._since < t.retire):
            m.d.sync += self._since.eq(self._since + 1)
        m.d.comb += [
            self.push.eq(delay(m, self.reserve, t.retire - 1, "push")),
            self.quiet.eq(~self._valid & ~self.i.valid & (self._since == t.retire)),
        ]
