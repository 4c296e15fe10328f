"""Sequencer: passes to steps, at most one per cycle, and the cause of every cycle without one."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.counters import Cause
from hwshift.program.isa import Token
from hwshift.rtl.delay import delay
from hwshift.rtl.interfaces import COORDINATE, WORD, step_layout
from hwshift.rtl.pass_generator import pass_layout, wrap
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
        self._row, self._column = Signal(16), Signal(16)
        self._last_column, self._last_step, self._first_step = Signal(), Signal(), Signal()
        self._half = Signal()
        self._since = Signal(range(self._timing.retire + 1), init=self._timing.retire)
        current = self._current
        m.d.comb += [
            self._first_step.eq((self._row == 0) & (self._column == 0)),
            self._last_column.eq(self._column + 1 == current.steps),
            self._last_step.eq(self._last_column & (self._row + 1 == current.rows)),
        ]
        self._decide(m)
        self._next_pass(m)
        self._walk_source(m)
        self._walk_output(m)
        self._describe(m)
        self._retire(m)
        return m

    def _decide(self, m: Module) -> None:
        """The documented rules, in order."""
        current, t = self._current, self._timing
        recent = Signal(_RESIDUAL_TO_WRITE)  # last steps issued 1, 2, 3 cycles ago ...
        halves = Signal(_RESIDUAL_TO_WRITE)  # ... and their halves
        final = Signal()
        wrote = self.issue & current.last
        m.d.sync += [recent.eq(Cat(wrote, recent[:-1])), halves.eq(Cat(self._half, halves[:-1]))]
        m.d.comb += final.eq(current.final & self._last_step)
        with m.If(self.halt):
            m.d.comb += self.cause.eq(Cause.TAIL)
        with m.Elif(~self._valid):
            self._idle_cause(m)
        with m.Elif(self._first_step & current.drain & (self._since < t.raw_distance)):
            m.d.comb += self.cause.eq(Cause.DRAIN)
        with m.Elif(self._first_step & current.swap & ~self.weights_full):
            m.d.comb += self.cause.eq(Mux(self.weights_loading, Cause.WEIGHT_LOAD, Cause.WEIGHT_WAIT))
        with m.Elif(final & (current.push & self.at_limit).any()):
            m.d.comb += self.cause.eq(Cause.TOKEN_FULL)
        with m.Elif(current.last & current.residual & recent[-1] & (halves[-1] == self._half)):
            m.d.comb += self.cause.eq(Cause.PORT)
        with m.Else():
            m.d.comb += [
                self.cause.eq(Cause.BUSY),
                self.issue.eq(1),
                self.take.eq(self._first_step & current.swap),
                self.reserve.eq(Mux(final, current.push, 0)),
            ]

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
        with m.If(~self._valid | (self.issue & self._last_step)):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [self._valid.eq(self.i.valid), self._current.eq(self.i.payload)]
        with m.If(self.issue):
            m.d.sync += self._column.eq(self._column + 1)
            with m.If(self._last_column):
                m.d.sync += [self._column.eq(0), self._row.eq(Mux(self._last_step, 0, self._row + 1))]

    def _walk_source(self, m: Module) -> None:
        """Row offset, y, x and accumulator index; a pass starts from its own fields."""
        current = self._current
        offset, y = Signal(WORD), Signal(COORDINATE)
        x, index = Signal(COORDINATE), Signal(self.step.acc.shape())
        moved_offset, moved_y, moved_x = Signal(WORD), Signal(COORDINATE), Signal(COORDINATE)
        m.d.comb += [
            moved_offset.eq(Mux(self._first_step, current.offset, offset)),
            moved_y.eq(Mux(self._first_step, current.y, y)),
            moved_x.eq(Mux(self._column == 0, current.x0, x)),
            self.step.offset.eq(moved_offset + current.ktile_offset),
            self.step.y.eq(moved_y),
            self.step.x.eq(moved_x),
            self.step.acc.eq(Mux(self._first_step, 0, index)),
        ]
        with m.If(self.issue):
            m.d.sync += [
                index.eq(self.step.acc + 1),
                x.eq(moved_x + current.x_step),
                offset.eq(moved_offset),
                y.eq(moved_y),
            ]
            with m.If(self._last_column):
                m.d.sync += [
                    offset.eq(wrap(moved_offset + current.row_step, current.length)),
                    y.eq(moved_y + current.stride_y),
                ]

    def _walk_output(self, m: Module) -> None:
        """Output and residual rows advance on last passes only and restart with the first chunk."""
        current, step = self._current, self.step
        fresh, pixel, x = Signal(), Signal(16), Signal(16)
        words = self._config.sub_banks.bit_length() - 1
        m.d.comb += [
            fresh.eq(self._first_step & current.chunk_start),
            pixel.eq(Mux(self._column == 0, current.out_x0, x)),
            self._half.eq(pixel.bit_select(words - 1, 1)),
            step.half.eq(self._half),
            step.lane0.eq(pixel & (self._config.pixels - 1)),
        ]
        with m.If(self.issue):
            m.d.sync += x.eq(pixel + current.out_step)
        for name in ("out", "res"):
            row, moved = Signal(WORD, name=f"{name}_row"), Signal(WORD, name=f"{name}_moved")
            field = {
                key: getattr(current, f"{name}_{key}")
                for key in ("offset", "row_step", "length", "base", "slot")
            }
            m.d.comb += [
                moved.eq(Mux(fresh, field["offset"], row)),
                getattr(step, f"{name}_sum").eq(moved + field["slot"] + (pixel >> words)),
                getattr(step, f"{name}_base").eq(field["base"]),
                getattr(step, f"{name}_length").eq(field["length"]),
            ]
            with m.If(self.issue & current.last):
                m.d.sync += row.eq(
                    Mux(self._last_column, wrap(moved + field["row_step"], field["length"]), moved)
                )

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
        m.d.comb += [
            step.swap.eq(current.swap & self._first_step),
            step.pixels.eq(Cat(count > lane for lane in range(self._config.pixels))),
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
