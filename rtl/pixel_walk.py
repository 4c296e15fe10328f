"""Pixel walk: the places of a map in the shift buffer, in the order in which memory holds them."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.interfaces import WORD, store_request

__all__ = ["PixelWalk", "region_layout"]


def region_layout() -> data.StructLayout:
    """Where a LOAD or STORE works in the shift buffer: fields of the instruction."""
    names = ("rows", "base", "length", "offset", "row_step", "pitch", "slots", "width", "x0")
    return data.StructLayout(dict.fromkeys(names, WORD))


class PixelWalk(wiring.Component):
    """Walks row, pixel, slot and beat of a region, one place per cycle; combinational from registers.

    The word is ``base + (row offset + slot * pitch + x // 2P) mod length``, the modulus one conditional
    subtraction. The first place is there in the cycle after ``start``.

    Members
    -------
    start : In(1), region : In(region_layout), last_beat : In
        Begin. ``last_beat``: beats per pixel and slot, minus 1.
    advance : In(1)
        To the next place.
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
        self._row, self._slot, self._x = Signal(WORD), Signal(WORD), Signal(WORD)  # offsets in words; pixel
        self._columns, self._slots = Signal(WORD), Signal(WORD)  # left, this one included
        self._describe_place(m)
        with m.If(self.start):
            self._begin(m)
        with m.Elif(self.advance):
            self._advance(m)
        return m

    def _describe_place(self, m: Module) -> None:
        region, split = self._region, (self._config.sub_banks - 1).bit_length()
        total, wrapped = Signal(WORD + 1), Signal(WORD)
        m.d.comb += [
            total.eq(self._row + self._slot + (self._x >> split)),
            wrapped.eq(Mux(total >= region.length, total - region.length, total)),
            self.place.sub.eq(self._x[:split]), self.place.word.eq(region.base + wrapped),
            self.last_slot.eq(self._slots == 1),
            self.last.eq(
                (self.beat == self._end_beat) & self.last_slot & (self._columns == 1) & (region.rows == 1)
            ),
        ]  # fmt: skip

    def _begin(self, m: Module) -> None:
        region = self.region
        m.d.sync += [
            self._region.eq(region), self._end_beat.eq(self.last_beat), self.beat.eq(0),
            self._row.eq(region.offset), self._slot.eq(0), self._x.eq(region.x0),
            self._columns.eq(region.width), self._slots.eq(region.slots),
        ]  # fmt: skip

    def _advance(self, m: Module) -> None:
        region = self._region
        m.d.sync += self.beat.eq(self.beat + 1)
        with m.If(self.beat == self._end_beat):
            m.d.sync += [
                self.beat.eq(0),
                self._slot.eq(self._slot + region.pitch),
                self._slots.eq(self._slots - 1),
            ]
            with m.If(self.last_slot):
                m.d.sync += [
                    self._slot.eq(0), self._slots.eq(region.slots),
                    self._x.eq(self._x + 1), self._columns.eq(self._columns - 1),
                ]  # fmt: skip
                with m.If(self._columns == 1):
                    self._next_row(m)

    def _next_row(self, m: Module) -> None:
        region = self._region
        row = self._row + region.row_step
        m.d.sync += [
            self._x.eq(region.x0), self._columns.eq(region.width), region.rows.eq(region.rows - 1),
            self._row.eq(Mux(row >= region.length, row - region.length, row)),
        ]  # fmt: skip
