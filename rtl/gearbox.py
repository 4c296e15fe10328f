"""Gearbox: bus beats to weight-buffer words."""

from math import gcd

from amaranth import Cat, Module, Mux, Signal, Value
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
        Begin a load of at least one tile; the first beat is accepted in the next cycle at the earliest. Again and
        again while there are no beats and no words.
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
        bits = Signal(self.capacity)
        used = Signal(range(units + 1))
        less = Signal.like(used, init=(1 << len(used)) - self._word)  # by a word, modulo the width
        emit = Signal()
        accept = Signal()
        tile_ends = Signal()
        # in registers: a word is there; a beat has room beside what is held, and beside what a word leaves
        there = Signal()
        fits = Signal(init=1)
        fits_after = Signal(init=1)
        word, out = self._word, self.o.payload
        more, more_after = self._count(m, emit, accept, tile_ends)
        takes = Signal()  # a beat is accepted if the word stays
        takes_after = Signal()  # if it goes
        m.d.comb += [
            self.o.valid.eq(there), out.codes.eq(bits), emit.eq(there & self.o.ready),
            tile_ends.eq(emit & out.tile_last),
            takes.eq(more & fits), takes_after.eq(Mux(out.tile_last, more_after, more & fits_after)),
            self.i.ready.eq(Mux(emit, takes_after, takes)), accept.eq(self.i.valid & self.i.ready),
        ]  # fmt: skip
        rest = Mux(out.tile_last, 0, bits >> word * self._unit)
        left = Signal.like(used)
        m.d.comb += left.eq(Mux(out.tile_last, 0, less))
        state = Cat(bits, used, less, there, fits, fits_after)
        stays = self._state(m, bits, used, self.i.valid & takes, "stays")
        goes = self._state(m, rest, left, self.i.valid & takes_after, "goes")
        m.d.sync += state.eq(Mux(emit, goes, stays))
        return m

    def _state(self, m: Module, bits: Value, used: Value, accept: Value, name: str) -> Value:
        """The registers: bits and units held, with the beat if it is accepted, and the flags that follow."""
        word, beat, units = self._word, self._beat, self.capacity // self._unit
        held = Signal(range(units + beat + 1), name=f"held_{name}")
        m.d.comb += held.eq(used + Mux(accept, beat, 0))
        filled = bits | Mux(accept, self._placed(m, used, name), 0)
        flags = held >= word, held + beat <= units, held + beat <= units + word
        width = units.bit_length()
        less = (used + Mux(accept, beat - word, -word))[:width]
        return Cat(filled[: self.capacity], held[:width], less, *flags)

    def _placed(self, m: Module, position: Value, name: str) -> Signal:
        """The beat at ``position`` units; positions are few, so this is a multiplexer."""
        placed = Signal(self.capacity, name=f"placed_{name}")
        with m.Switch(position):
            for place in range(self._word):
                with m.Case(place):
                    m.d.comb += placed.eq(Cat(self.i.payload) << place * self._unit)
        return placed

    def _count(self, m: Module, emit: Signal, accept: Signal, tile_ends: Signal) -> tuple[Value, Value]:
        """Words, beats and tiles left, with their ends in registers.

        Returns whether the tile has beats left, and whether there is a tile after it.
        """
        words, beats = self._config.tile_words, self._config.tile_beats
        word = Signal(range(max(2, words)))
        beats_left = Signal(range(beats + 1))
        tiles_left = Signal(16)
        first = Signal()
        tile_last = Signal()
        last_tile = Signal()
        some_left = Signal()
        out = self.o.payload
        m.d.comb += [
            out.first.eq(first), out.tile_last.eq(tile_last), out.last.eq(tile_last & last_tile),
        ]  # fmt: skip
        with m.If(self.start | tile_ends):
            m.d.sync += [word.eq(0), first.eq(1), tile_last.eq(words == 1)]
        with m.Elif(emit):
            m.d.sync += [word.eq(word + 1), first.eq(0), tile_last.eq(word == words - 2)]
        with m.If(self.start):
            m.d.sync += [
                beats_left.eq(beats), some_left.eq(1), tiles_left.eq(self.tiles), last_tile.eq(self.tiles == 1),
            ]  # fmt: skip
        with m.Elif(tile_ends):
            m.d.sync += [
                beats_left.eq(Mux(last_tile, 0, beats - accept)),
                some_left.eq(~last_tile & ~(accept & (beats == 1))),
                tiles_left.eq(tiles_left - 1), last_tile.eq(tiles_left == 2),
            ]  # fmt: skip
        with m.Elif(accept):
            m.d.sync += [beats_left.eq(beats_left - 1), some_left.eq(beats_left != 1)]
        return some_left, ~last_tile
