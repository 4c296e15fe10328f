"""Pixel cutter: bus beats to the pixels of a network input, which lie in memory without gaps."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INPUT_CHANNELS

__all__ = ["PixelCutter"]

_HELD = INPUT_CHANNELS - 1  # a pixel that ends in a beat has at most so many values in those before


class PixelCutter(wiring.Component):
    """Cuts beats into pixels of 1 to 4 values through a window: the last three values before the beat, and the beat.

    A pixel is there while its last value is in the beat, so one beat and one pixel per cycle. A beat is accepted
    with the last pixel that ends in it, or by itself if none does; with the last pixel of a load in any case, and
    what follows it in its beat is dropped. Combinational from ``i.valid`` to ``o.valid`` and from ``o.ready`` to
    ``i.ready``.

    Members
    -------
    start : In(1), first : In
        Begin a load; ``first``: the place of its first value in the beat that comes next.
    channels : In(3)
        Values of a pixel, 1 to 4; others count as 4. Read with ``start``.
    last : In(1)
        The next pixel is the last of its load.
    i : stream of beats
    o : stream of pixels: INPUT_CHANNELS values, of which the first ``channels`` count
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "start": In(1), "first": In(range(max(2, config.beat_elements))), "channels": In(3), "last": In(1),
            "i": In(stream.Signature(config.bus_width)),
            "o": Out(stream.Signature(data.ArrayLayout(config.act.storage_bits, INPUT_CHANNELS))),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        elements, bits = self._config.beat_elements, self._config.act.storage_bits
        end = _HELD + elements
        held = Signal(_HELD * bits)
        place = Signal(range(end))  # of the next pixel in the window
        window = Cat(held, self.i.payload)
        size = Signal(3)
        following = Signal(range(-elements, end + INPUT_CHANNELS))
        there = Signal()  # the pixel ends in the window
        fits = Signal()  # the one after it does
        m.d.comb += [
            following.eq(place + Mux(there, size, 0) - Mux(fits, 0, elements)),
            self.o.valid.eq(self.i.valid & there),
            self.i.ready.eq(~there | (self.o.ready & (~fits | self.last))),
        ]  # fmt: skip
        with m.If(self.i.valid & (self.o.ready | ~there)):
            # after the last pixel of a load, which ends with its beat, the place is that of `start`
            m.d.sync += [
                place.eq(following), there.eq(following + size <= end), fits.eq(following + 2 * size <= end)
            ]  # fmt: skip
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += held.eq(window[elements * bits :])
        with m.If(self.start):
            first = self.first + _HELD
            values = Signal(3)
            too_many = (self.channels == 0) | (self.channels > INPUT_CHANNELS)
            m.d.comb += values.eq(Mux(too_many, INPUT_CHANNELS, self.channels))
            m.d.sync += [
                place.eq(first), size.eq(values),
                there.eq(first + values <= end), fits.eq(first + 2 * values <= end),
            ]  # fmt: skip
        self._select(m, window, place)
        return m

    def _select(self, m: Module, window: Cat, place: Signal) -> None:
        """The values from ``place`` on; places are few, so this is a multiplexer. Behind the window: its last value."""
        bits, end = self._config.act.storage_bits, _HELD + self._config.beat_elements
        with m.Switch(place):
            for first in range(end):
                with m.Case(first):
                    for channel in range(INPUT_CHANNELS):
                        value = window.word_select(min(first + channel, end - 1), bits)
                        m.d.comb += self.o.payload[channel].eq(value)
