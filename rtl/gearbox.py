"""Gearbox: bus beats to weight-buffer words."""

from math import gcd

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig

__all__ = ["Gearbox", "gear_word"]


def gear_word(config: AcceleratorConfig) -> data.StructLayout:
    """A word of codes as memory holds them, and where it stands: in its tile, in the load."""
    return data.StructLayout({"codes": config.weight_word_bits, "first": 1, "tile_last": 1, "last": 1})


class Gearbox(wiring.Component):
    """Cuts the beats of weight tiles into words; each tile starts with a new beat.

    A word is there in the cycle after the beat that completes it. One beat and one word per cycle, as far as
    ``capacity`` = word + beat - gcd(word, beat) bits hold them. The rest of a tile's bits is dropped with its
    last word, and the first beat of the next tile is accepted in that cycle. Combinational from ``o.ready`` to
    ``i.ready``.

    Members
    -------
    start : In(1), tiles : In(16)
        Begin a load of at least one tile; the first beat is accepted in the next cycle at the earliest.
    i : stream of beats
    o : stream of `gear_word`
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._unit = gcd(config.weight_word_bits, config.bus_width)
        self._word = config.weight_word_bits // self._unit
        self._beat = config.bus_width // self._unit
        super().__init__({
            "start": In(1), "tiles": In(16),
            "i": In(stream.Signature(config.bus_width)), "o": Out(stream.Signature(gear_word(config))),
        })  # fmt: skip

    @property
    def capacity(self) -> int:
        """Bits it holds."""
        return (self._word + self._beat - 1) * self._unit

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        units = self.capacity // self._unit
        bits, used = Signal(self.capacity), Signal(range(units + 1))
        kept, left = Signal(self.capacity), Signal(range(units + 1))  # after this cycle's word
        emit, accept, tile_ends = Signal(), Signal(), Signal()
        more = self._count(m, emit, accept, tile_ends)
        m.d.comb += [
            self.o.valid.eq(used >= self._word), self.o.payload.codes.eq(bits),
            emit.eq(self.o.valid & self.o.ready), tile_ends.eq(emit & self.o.payload.tile_last),
            kept.eq(bits), left.eq(used),
            self.i.ready.eq(more & (left + self._beat <= units)), accept.eq(self.i.valid & self.i.ready),
        ]  # fmt: skip
        with m.If(tile_ends):
            m.d.comb += [kept.eq(0), left.eq(0)]
        with m.Elif(emit):
            m.d.comb += [kept.eq(bits >> self._word * self._unit), left.eq(used - self._word)]
        m.d.sync += [bits.eq(kept), used.eq(left)]
        with m.If(accept):
            m.d.sync += [bits.eq(kept | self._placed(m, left)), used.eq(left + self._beat)]
        return m

    def _placed(self, m: Module, position: Signal) -> Signal:
        """The beat at ``position`` units; positions are few, so this is a multiplexer."""
        placed = Signal(self.capacity)
        with m.Switch(position):
            for place in range(self._word):
                with m.Case(place):
                    m.d.comb += placed.eq(Cat(self.i.payload) << place * self._unit)
        return placed

    def _count(self, m: Module, emit: Signal, accept: Signal, tile_ends: Signal) -> Signal:
        """Words, beats and tiles left; returns whether a beat may be accepted."""
        words, beats = self._config.tile_words, self._config.tile_beats
        word, beats_left, tiles_left = Signal(range(max(2, words))), Signal(range(beats + 1)), Signal(16)
        more, out = Signal(), self.o.payload
        m.d.comb += [
            out.first.eq(word == 0), out.tile_last.eq(word == words - 1),
            out.last.eq(out.tile_last & (tiles_left == 1)),
            more.eq(Mux(tile_ends, tiles_left != 1, beats_left != 0)),
        ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += [word.eq(0), beats_left.eq(beats), tiles_left.eq(self.tiles)]
        with m.Elif(tile_ends):
            m.d.sync += [
                word.eq(0),
                beats_left.eq(Mux(tiles_left == 1, 0, beats - accept)),
                tiles_left.eq(tiles_left - 1),
            ]
        with m.Else():
            m.d.sync += [word.eq(word + emit), beats_left.eq(beats_left - accept)]
        return more
