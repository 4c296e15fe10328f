"""Bursts: the rows of a LOAD or STORE, cut where AXI wants it."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import BURST_BEATS
from hwshift.rtl.axi import burst_layout

__all__ = ["Bursts", "exceeds", "transfer_layout"]

_PAGE = 4096
_FAR = BURST_BEATS.bit_length() + 2  # bits that hold three bursts and more


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
        self._waits = Signal(init=1)  # the opposite of active, for all that is loaded
        self._rows = Signal(16)
        self._row_beats = Signal(32)
        self._stride = Signal(32)
        self._left = Signal(32)  # beats of this row, those of this burst included
        # one bit more than the bus has: set once an address went beyond it
        self._row_address = Signal(self._config.address_width + 1)  # of the next row
        self._address = Signal(self._config.address_width + 1)
        # of this burst, known with its address: its beats, whether it ends the row, and whether the row is the last
        self._beats = Signal(range(BURST_BEATS + 1))
        self._row_ends = Signal()
        self._last_row = Signal()
        self._low = Signal(range(BURST_BEATS))  # its first beat's number in the page, modulo 64
        # of what is left, and of a whole row: see _next_burst
        self._far, self._rows_far = Signal(name="_far"), Signal(name="_rows_far")
        burst = self.o.payload
        advance = Signal()
        m.d.comb += [
            burst.beats.eq(self._beats), burst.address.eq(self._address), burst.beyond.eq(self._address[-1]),
            burst.last.eq(self._row_ends & self._last_row), self.o.valid.eq(self.active),
            advance.eq(self.o.valid & self.o.ready),
        ]  # fmt: skip
        # what is loaded next follows from registers alone; only whether it is waits for the burst to be taken
        with m.If(self._waits | advance):
            with m.If(self._waits):  # as often as may be, so that the registers need not wait for start
                self._begin(m)
            with m.Elif(self._row_ends):
                self._next_row(m)
            with m.Else():
                self._next_burst(m)
        return m

    def _place(self, address: Value) -> tuple[Value, Value]:
        """The beat's number in its page: modulo a burst, and how many bursts are before it."""
        place = address[(self._config.beat_bytes - 1).bit_length() : _PAGE.bit_length() - 1]
        bits = BURST_BEATS.bit_length() - 1
        return place[:bits], place[bits:]

    def _begin_row(self, m: Module, near: Value, low: Value, left: Value, far: Value) -> None:
        """A row's first burst."""
        bits = BURST_BEATS.bit_length()
        over, beyond = (exceeds(beats, BURST_BEATS) for beats in (left[:bits], left[:bits] + low))
        m.d.sync += self._far.eq(far)
        self._cut(m, near, low, left, left[bits:].any() | Mux(near, beyond, over))  # `near` comes late

    def _cut(self, m: Module, near: Value, low: Value, left: Value, more: Value) -> None:
        """The next burst, of a row with ``left`` beats left; ``near``: 64 beats from ``low`` on go beyond the page."""
        longest = BURST_BEATS - Mux(near, low, 0)
        m.d.sync += [
            self._beats.eq(Mux(more, longest, left)), self._row_ends.eq(~more), self._low.eq(low),
            self._left.eq(left),
        ]  # fmt: skip

    def _begin(self, m: Module) -> None:
        transfer, width = self.transfer, self._config.address_width
        shift = (self._config.beat_bytes - 1).bit_length()
        beyond = transfer.address[width:].any() if width < 64 else 0
        first = Cat(Const(0, shift), transfer.address[shift:width], beyond)
        stride = transfer.row_stride >> shift << shift
        low, before = self._place(first)
        far = transfer.row_beats[_FAR:].any()
        self._begin_row(m, before.all(), low, transfer.row_beats, far)
        m.d.sync += [
            self._rows_far.eq(far),
            self.active.eq(self.start), self._waits.eq(~self.start),
            self._rows.eq(transfer.rows), self._last_row.eq(transfer.rows == 1),
            self._row_beats.eq(transfer.row_beats), self._stride.eq(stride),
            self._address.eq(first), self._row_address.eq(self._sum(first, stride)),
        ]  # fmt: skip

    def _next_row(self, m: Module) -> None:
        low, before = self._place(self._row_address)
        self._begin_row(m, before.all(), low, self._row_beats, self._rows_far)
        m.d.sync += [
            self._rows.eq(self._rows - 1), self._last_row.eq(self._rows == 2),
            self.active.eq(~self._last_row), self._waits.eq(self._last_row),
            self._row_address.eq(self._sum(self._row_address, self._stride)),
            self._address.eq(self._row_address),
        ]  # fmt: skip

    def _next_burst(self, m: Module) -> None:
        """A burst that does not end its row is as long as it may be: 64 beats, or up to the page's end.

        Whether there is another one behind the next follows from what is left before this one, so that it need not
        wait for the difference: with this one whole and the next one not near the page's end it is more than 128
        beats, otherwise that with ``low``. Of 512 and more a register knows, from the burst before, which leaves 448.
        """
        whole, step = self._beats[-1], self._beats * self._config.beat_bytes
        _, before = self._place(self._address)
        pages_last = before == (1 << len(before)) - 2 if len(before) else Const(1)
        near = Mux(whole, pages_last, int(not len(before)))
        over, beyond = (
            exceeds(beats, 2 * BURST_BEATS) for beats in (self._left[:_FAR], self._left[:_FAR] + self._low)
        )
        more = self._far | Mux(near | ~whole, beyond, over)
        self._cut(m, near, Mux(whole, self._low, 0), (self._left - self._beats)[:32], more)
        m.d.sync += [
            self._far.eq(self._left[_FAR:].any()), self._address.eq(self._sum(self._address, step)),
        ]  # fmt: skip

    def _sum(self, address: Signal, step: Value) -> Value:
        total = address + step
        return Cat(total[: self._config.address_width], total[self._config.address_width :].any())


def exceeds(count: Value, most: int) -> Value:
    """``count > most``, a power of two, without a carry chain."""
    place = most.bit_length() - 1
    return count[place + 1 :].any() | (count[place] & count[:place].any())
