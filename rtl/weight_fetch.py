"""Weight fetcher: ring tiles into the array's shadow registers, one tile ahead of the sequencer."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.delay import delay
from hwshift.rtl.dispatch import weight_record
from hwshift.rtl.interfaces import weight_command
from hwshift.timing import timing

__all__ = ["WeightFetch"]


class WeightFetch(wiring.Component):
    """Walks the loops of every COMPUTE and issues one row command per cycle while it can.

    A tile takes ``tile_words`` cycles; with the sequencer taking a tile in a cycle, the first row of the next one
    issues in that same cycle, so passes can follow each other every ``tile_words`` cycles.

    The ring's head is the oldest tile. An instruction releases tiles there, one after the other, as it uses each for
    the last time; one that keeps its weights releases none and finds its first ``weight_offset`` tiles further on.

    Members
    -------
    i : stream of `weight_record`
    take : In(1)
        A step with swap issues in this cycle.
    command : Out(weight_command), command_valid : Out(1)
        At issue time; the core delays it to ``timing.read_stage``.
    full, loading : Out(1)
        State of the shadow registers.
    room : Out(16), take_room : In(1), tile_done : In(1)
        Ring tiles the loader may still start; it started one; it finished one.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(weight_record())),
                "take": In(1),
                "command": Out(weight_command(config)),
                "command_valid": Out(1),
                "full": Out(1),
                "loading": Out(1),
                "room": Out(16, init=config.weight_tiles),
                "take_room": In(1),
                "tile_done": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        tiles, words = self._config.weight_tiles, self._config.tile_words
        work = Signal(weight_record())
        busy = Signal()
        k, chunk, tile = Signal(16), Signal(16), Signal(16)
        first, ahead = Signal(16), Signal(16)  # from the head: the output tile's first tile, the next one
        row = Signal(range(max(2, words)))
        head, avail = Signal(range(tiles), name="head"), Signal(range(tiles + 1))

        final_use = Signal()  # the tile is not needed again
        offset = Signal(16)
        position = Signal(range(2 * tiles))
        last_row, release, done = Signal(), Signal(name="release"), Signal()
        m.d.comb += [
            final_use.eq((work.hold_weights | (chunk + 1 == work.chunks)) & ~work.keep_weights),
            offset.eq(Mux(final_use, 0, ahead)),
            position.eq(head + offset),
            self.command.tile.eq(Mux(position >= tiles, position - tiles, position)),
            self.command.row.eq(row),
            self.command_valid.eq(self.loading | ((~self.full | self.take) & busy & (offset < avail))),
            last_row.eq(self.command_valid & (row == words - 1)),
            release.eq(last_row & final_use),
        ]
        self._track_shadow(m, last_row, row)
        self._walk(m, work, last_row, done, k, chunk, tile)
        self._place(m, work, last_row, k, chunk, first, ahead)
        self._account(m, release, head, avail)
        with m.If(~busy | done):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [busy.eq(self.i.valid), work.eq(self.i.payload)]
            m.d.sync += [first.eq(self.i.payload.weight_offset), ahead.eq(self.i.payload.weight_offset)]
        return m

    def _track_shadow(self, m: Module, last_row: Signal, row: Signal) -> None:
        with m.If(last_row):
            m.d.sync += [self.full.eq(1), self.loading.eq(0), row.eq(0)]
        with m.Elif(self.command_valid):
            m.d.sync += [self.full.eq(0), self.loading.eq(1), row.eq(row + 1)]
        with m.Elif(self.take):
            m.d.sync += self.full.eq(0)

    def _walk(
        self, m: Module, work, last_row: Signal, done: Signal, k: Signal, chunk: Signal, tile: Signal
    ) -> None:
        with m.If(last_row):
            m.d.sync += k.eq(k + 1)
            with m.If(work.hold_weights):
                m.d.comb += done.eq(1)
            with m.Elif(k + 1 == work.ktile_count):
                m.d.sync += [k.eq(0), chunk.eq(chunk + 1)]
                with m.If(chunk + 1 == work.chunks):
                    m.d.sync += [chunk.eq(0), tile.eq(tile + 1)]
                    m.d.comb += done.eq(tile + 1 == work.tiles)
        with m.If(done):
            m.d.sync += [k.eq(0), chunk.eq(0), tile.eq(0)]

    def _place(
        self, m: Module, work, last_row: Signal, k: Signal, chunk: Signal, first: Signal, ahead: Signal
    ) -> None:
        """Every chunk reads the output tile's tiles again; the next output tile's follow those that stay."""
        with m.If(last_row):
            m.d.sync += ahead.eq(ahead + 1)
            with m.If(k + 1 == work.ktile_count):
                m.d.sync += ahead.eq(first)
                with m.If(work.keep_weights & (chunk + 1 == work.chunks)):
                    m.d.sync += [first.eq(ahead + 1), ahead.eq(ahead + 1)]

    def _account(self, m: Module, release: Signal, head: Signal, avail: Signal) -> None:
        freed = delay(m, release, timing(self._config).weight_release - 1, "release")
        with m.If(release):
            m.d.sync += head.eq(Mux(head == self._config.weight_tiles - 1, 0, head + 1))
        m.d.sync += [
            avail.eq(avail + self.tile_done - release),
            self.room.eq(self.room + freed - self.take_room),
        ]
