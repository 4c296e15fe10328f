"""Weight fetcher: ring tiles into the array's shadow registers, one tile ahead of the sequencer."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.delay import delay
from hwshift.rtl.dispatch import weight_record
from hwshift.rtl.interfaces import weight_command
from hwshift.rtl.loop import Loop
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
        At issue time; the core delays it to ``timing.weight_stage``.
    full, loading : Out(1)
        State of the shadow registers.
    room : Out(16), has_room : Out(1), take_room : In(1), tile_done : In(1)
        Ring tiles the loader may still start, and whether there is one; it started one; it finished one.
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
                "has_room": Out(1, init=1),
                "take_room": In(1),
                "tile_done": In(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        tiles, words = self._config.weight_tiles, self._config.tile_words
        work = Signal(weight_record())
        busy = Signal()
        ktile, chunk, tile = (Loop(m, name) for name in ("ktile", "chunk", "tile"))
        ahead = Signal(16)  # from the head: the next tile
        row = Signal(range(max(2, words)))
        last_of_tile = Signal(init=words == 1)
        head = Signal(range(tiles), name="head")
        avail = Signal(range(tiles + 1))

        final_use = Signal()  # the tile is not needed again
        last_tile = Signal(name="last_of_all")  # nor another one, by the loops
        position = Signal(range(2 * tiles))
        last_row = Signal()
        release = Signal(name="release")
        done = Signal()
        there = Signal()  # the next tile to read is in the ring
        m.d.comb += [
            final_use.eq((work.hold_weights | chunk.last) & ~work.keep_weights),
            there.eq(busy & Mux(final_use, avail != 0, ahead < avail)),
            position.eq(head + Mux(final_use, 0, ahead)),
            self.command.tile.eq(Mux(position >= tiles, position - tiles, position)),
            self.command.row.eq(row),
            self.command_valid.eq(self.loading | ((~self.full | self.take) & there)),
            # of several rows, the last one does not wait for the sequencer
            last_row.eq(self.command_valid if words == 1 else last_of_tile),
            release.eq(last_row & final_use),
            done.eq(last_row & (work.hold_weights | last_tile)),
        ]
        m.d.sync += last_tile.eq(Cat(loop.following for loop in (ktile, chunk, tile)).all())
        self._track_shadow(m, last_row, row, last_of_tile)
        self._walk(m, work, last_row, ktile, chunk, tile, ahead)
        self._account(m, release, head, avail)
        with m.If(~busy | done):
            record = self.i.payload
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [busy.eq(self.i.valid), work.eq(record), ahead.eq(record.weight_offset)]
            for loop, count in ((ktile, record.ktile_count), (chunk, record.chunks), (tile, record.tiles)):
                loop.load(count)
        return m

    def _track_shadow(self, m: Module, last_row: Signal, row: Signal, last_of_tile: Signal) -> None:
        words = self._config.tile_words
        with m.If(last_row):
            m.d.sync += [self.full.eq(1), self.loading.eq(0), row.eq(0), last_of_tile.eq(words == 1)]
        with m.Elif(self.command_valid):
            m.d.sync += [
                self.full.eq(0), self.loading.eq(1), row.eq(row + 1), last_of_tile.eq(row == words - 2),
            ]  # fmt: skip
        with m.Elif(self.take):
            m.d.sync += self.full.eq(0)

    def _walk(
        self,
        m: Module,
        work: data.View,
        last_row: Signal,
        ktile: Loop,
        chunk: Loop,
        tile: Loop,
        ahead: Signal,
    ) -> None:
        """Every chunk reads the output tile's tiles again; the next output tile's follow those that stay."""
        first = Signal(16)  # the output tile's first tile, as ``ahead``; the tile of the chunk's first pass
        with m.If(last_row):
            ktile.step()
            m.d.sync += ahead.eq(ahead + 1)
            with m.If(ktile.last):
                chunk.step()
                m.d.sync += ahead.eq(first)
                with m.If(chunk.last):
                    tile.step()
                    with m.If(work.keep_weights):
                        m.d.sync += [first.eq(ahead + 1), ahead.eq(ahead + 1)]
        with m.If(self.i.ready):
            m.d.sync += first.eq(self.i.payload.weight_offset)

    def _account(self, m: Module, release: Signal, head: Signal, avail: Signal) -> None:
        freed = delay(m, release, timing(self._config).weight_release - 1, "release")
        with m.If(release):
            m.d.sync += head.eq(Mux(head == self._config.weight_tiles - 1, 0, head + 1))
        m.d.sync += [
            avail.eq(avail + self.tile_done - release),
            self.room.eq(self.room + freed - self.take_room),
            self.has_room.eq(Mux(freed == self.take_room, self.room != 0, freed | (self.room != 1))),
        ]
