"""Bursts: the rows of a LOAD or STORE, cut where AXI wants it."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import BURST_BEATS
from hwshift.rtl.axi import burst_layout

__all__ = ["Bursts", "transfer_layout"]

_PAGE = 4096


def transfer_layout() -> data.StructLayout:
    """The rows in memory, as LOAD and STORE give them."""
    return data.StructLayout({"rows": 16, "row_beats": 32, "row_stride": 32, "address": 64})


class Bursts(wiring.Component):
    """Walks ``rows`` rows of ``row_beats`` beats, ``row_stride`` bytes apart, in bursts.

    A burst has min(64, beats left in the row, beats to the next multiple of 4096 bytes) beats. One burst per
    cycle; the first is valid in the cycle after ``start``. Address bits below a beat are ignored.

    Members
    -------
    start : In(1), transfer : In(transfer_layout)
        Begin; only while not ``active``.
    active : Out(1)
        There is a burst left.
    o : stream of `burst_layout`
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "start": In(1), "transfer": In(transfer_layout()), "active": Out(1),
            "o": Out(stream.Signature(burst_layout(config))),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._rows, self._row_beats, self._stride = Signal(16), Signal(32), Signal(32)
        self._left = Signal(32)  # beats of this row, those of this burst included
        # one bit more than the bus has: set once an address went beyond it
        self._row_address = Signal(self._config.address_width + 1)  # of the next row
        self._address = Signal(self._config.address_width + 1)
        # of this burst, known with its address: its beats, whether it ends the row, and whether the row is the last
        self._beats, self._row_ends, self._last_row = Signal(range(BURST_BEATS + 1)), Signal(), Signal()
        burst, advance = self.o.payload, Signal()
        m.d.comb += [
            burst.beats.eq(self._beats), burst.address.eq(self._address), burst.beyond.eq(self._address[-1]),
            burst.last.eq(self._row_ends & self._last_row), self.o.valid.eq(self.active),
            advance.eq(self.o.valid & self.o.ready),
        ]  # fmt: skip
        with m.If(~self.active):  # as often as may be, so that the registers need not wait for start
            m.d.sync += self.active.eq(self.start)
            self._begin(m)
        with m.Elif(advance):
            self._advance(m)
        return m

    def _cut(self, m: Module, address: Value, left: Value) -> None:
        """The burst at an address, of a row with so many beats left."""
        shift = (self._config.beat_bytes - 1).bit_length()
        place = address[shift : _PAGE.bit_length() - 1]
        bits = BURST_BEATS.bit_length() - 1
        low, near = place[:bits], place[bits:].all()
        limit = Mux(near, BURST_BEATS - low, BURST_BEATS)
        more = left[bits + 1 :].any() | (left[: bits + 1] > limit)
        m.d.sync += [self._beats.eq(Mux(more, limit, left)), self._row_ends.eq(~more)]

    def _begin(self, m: Module) -> None:
        transfer, width = self.transfer, self._config.address_width
        shift = (self._config.beat_bytes - 1).bit_length()
        beyond = transfer.address[width:].any() if width < 64 else 0
        first = Cat(Const(0, shift), transfer.address[shift:width], beyond)
        stride = transfer.row_stride >> shift << shift
        m.d.sync += [
            self._rows.eq(transfer.rows), self._last_row.eq(transfer.rows == 1),
            self._row_beats.eq(transfer.row_beats), self._left.eq(transfer.row_beats), self._stride.eq(stride),
            self._address.eq(first), self._row_address.eq(self._add(first, stride)),
        ]  # fmt: skip
        self._cut(m, first, transfer.row_beats)

    def _advance(self, m: Module) -> None:
        """A burst that does not end its row is as long as it may be, whatever is left."""
        address, left = Signal.like(self._address), Signal.like(self._left)
        with m.If(self._row_ends):
            m.d.comb += [address.eq(self._row_address), left.eq(self._row_beats)]
            m.d.sync += [
                self._rows.eq(self._rows - 1), self._last_row.eq(self._rows == 2), self.active.eq(~self.o.payload.last),
                self._row_address.eq(self._add(self._row_address, self._stride)),
            ]  # fmt: skip
        with m.Else():
            step = self._beats * self._config.beat_bytes
            m.d.comb += [address.eq(self._add(self._address, step)), left.eq(self._left - self._beats)]
        m.d.sync += [self._address.eq(address), self._left.eq(left)]
        self._cut(m, address, left)

    def _add(self, address: Signal, step: Value) -> Value:
        total = address + step
        return Cat(total[: self._config.address_width], total[self._config.address_width :].any())
