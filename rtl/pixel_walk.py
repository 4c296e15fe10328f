"""Pixel walk: the places of a map in the shift buffer, in the order in which memory holds them."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.interfaces import WORD, store_request
from hwshift.rtl.loop import Loop

__all__ = ["PixelWalk", "region_layout"]


def region_layout() -> data.StructLayout:
    """Where a LOAD or STORE works in the shift buffer: fields of the instruction, those that count turns first."""
    names = ("rows", "slots", "width", "base", "length", "offset", "row_step", "pitch", "x0")
    return data.StructLayout(dict.fromkeys(names, WORD))


class PixelWalk(wiring.Component):
    """Walks row, pixel, slot and beat of a region, one place per cycle; combinational from registers.

    The word is ``base + (row offset + slot * pitch + x // 2P) mod length``, the modulus one conditional
    subtraction. Offsets are kept in three registers, so that one sum each gives both words and which it is. The first
    place is there in the cycle after it was begun.

    Members
    -------
    start : In(1), region : In(region_layout), last_beat : In
        What `advance` does: begin. ``last_beat``: beats per pixel and slot, minus 1.
    advance : In(1)
        To the next place, or, with ``start``, to the first one of ``region``.
    place : Out(store_request), beat : Out
        Sub-bank and word, and the beat of the vector.
    last_slot, last : Out(1)
        In the last slot of a pixel; at the last place of the region.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        beats = range(max(2, config.vector_beats, config.gate_beats if config.gates else 0))
        super().__init__({
            "start": In(1), "region": In(region_layout()), "last_beat": In(beats), "advance": In(1),
            "place": Out(store_request(config)), "beat": Out(beats), "last_slot": Out(1), "last": Out(1),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._region = Signal(region_layout())
        self._end_beat = Signal.like(self.last_beat)
        self._last_beat = Signal(name="at_last_beat")
        next_beat = Signal()
        self._slots, self._columns, self._rows = (Loop(m, name) for name in ("slot", "column", "row"))
        # offsets in words, of the row and of the slot in it; pixel; row_step less the length
        offsets = _offsets_layout()
        self._row = Signal(offsets)
        self._offset = Signal(offsets)
        self._x = Signal(WORD)
        self._step_down = Signal(signed(WORD + 1))
        self._describe_place(m)
        # at the last place of a pixel, of a row, of the region
        self._pixel_ends, self._row_ends = Signal(name="pixel_ends"), Signal(name="row_ends")
        following = [next_beat, *(loop.following for loop in (self._slots, self._columns, self._rows))]
        m.d.comb += next_beat.eq(self._last_beat)
        m.d.sync += [
            self._last_beat.eq(next_beat), self._pixel_ends.eq(Cat(following[:2]).all()),
            self._row_ends.eq(Cat(following[:3]).all()), self.last.eq(Cat(following).all()),
        ]  # fmt: skip
        self._next_beat = next_beat
        with m.If(self.advance):
            with m.If(self.start):
                self._begin(m)
            with m.Else():
                self._advance(m)
        return m

    def _describe_place(self, m: Module) -> None:
        split = (self._config.sub_banks - 1).bit_length()
        total = Signal(_offsets_layout())
        m.d.comb += [
            *_added(total, self._offset, self._x >> split),
            self.place.sub.eq(self._x[:split]),
            self.place.word.eq(Mux(total.beyond < 0, total.word, total.wrapped)),
            self.last_slot.eq(self._slots.last),
        ]  # fmt: skip

    def _begin(self, m: Module) -> None:
        region = self.region
        first = Signal(_offsets_layout())
        m.d.comb += [
            first.word.eq(region.base + region.offset), first.wrapped.eq(first.word - region.length),
            first.beyond.eq(region.offset - region.length),
        ]  # fmt: skip
        m.d.sync += [
            self._region.eq(region), self._end_beat.eq(self.last_beat), self.beat.eq(0),
            self._row.eq(first), self._offset.eq(first),
            self._x.eq(region.x0), self._step_down.eq(region.row_step - region.length),
        ]  # fmt: skip
        m.d.comb += self._next_beat.eq(self.last_beat == 0)
        self._slots.load(region.slots)
        self._columns.load(region.width)
        self._rows.load(region.rows)

    def _advance(self, m: Module) -> None:
        region = self._region
        m.d.sync += self.beat.eq(self.beat + 1)
        m.d.comb += self._next_beat.eq(self.beat + 1 == self._end_beat)
        with m.If(self._last_beat):
            m.d.comb += self._next_beat.eq(self._end_beat == 0)
            m.d.sync += [self.beat.eq(0), *_added(self._offset, self._offset, region.pitch)]
            self._slots.step()
        with m.If(self._pixel_ends):
            m.d.sync += [self._offset.eq(self._row), self._x.eq(self._x + 1)]
            self._columns.step()
        with m.If(self._row_ends):
            self._next_row(m)

    def _next_row(self, m: Module) -> None:
        forth, back, row = (
            Signal(_offsets_layout(), name=name) for name in ("row_forth", "row_back", "next_row")
        )
        m.d.comb += [
            *_added(forth, self._row, self._region.row_step), *_added(back, self._row, self._step_down),
            row.eq(Mux(forth.beyond < 0, forth.as_value(), back.as_value())),
        ]  # fmt: skip
        m.d.sync += [self._row.eq(row), self._offset.eq(row), self._x.eq(self._region.x0)]
        self._rows.step()


def _offsets_layout() -> data.StructLayout:
    """An offset less the buffer's length (below 0: as it is); the word there, and one length before that."""
    return data.StructLayout({"beyond": signed(WORD + 2), "word": WORD, "wrapped": WORD})


def _added(total: data.View, offsets: data.View, step: Value) -> list:
    """Offsets that are ``step`` further."""
    return [getattr(total, name).eq(getattr(offsets, name) + step) for name in _offsets_layout().members]
