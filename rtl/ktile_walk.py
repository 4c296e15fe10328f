"""K-tile walk: which k-tile entry belongs to which pass of an instruction, two passes ahead."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwshift.rtl.loop import Loop

__all__ = ["KtileWalk", "walk_fields"]


def walk_fields() -> dict[str, int]:
    """Fields of COMPUTE that say how its k-tiles, chunks and output tiles are walked, with their widths."""
    return {"ktile_base": 16, "ktile_count": 16, "ktile_advance": 1, "chunks": 16, "tiles": 16}


class KtileWalk(wiring.Component):
    """Walks output tiles, in each its chunks, in each its k-tiles.

    The outputs ``first_*`` and ``last_*`` tell of the pass that goes out; ``address`` is that of the entry two passes
    later. One pass per cycle; from registers, but for one choice and one increment in ``address``.

    Members
    -------
    ktile_base, ktile_count, ktile_advance, chunks, tiles : In
        Fields of the instruction, read with ``start``, when ``address`` is that of its first entry.
    start, advance : In(1)
        With both, begin. With ``advance`` alone, go on: the first time to the instruction's first pass.
    address : Out(16)
    first_ktile, last_ktile, first_chunk, last_chunk, first_tile, last_tile : Out(1)
        Arbitrary before the first pass.
    """

    def __init__(self) -> None:
        flags = [f"{end}_{name}" for name in ("ktile", "chunk", "tile") for end in ("first", "last")]
        super().__init__(
            {name: In(width) for name, width in walk_fields().items()}
            | {"start": In(1), "advance": In(1), "address": Out(16)}
            | dict.fromkeys(flags, Out(1))
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        loops = {name: Loop(m, f"next_{name}") for name in ("ktile", "chunk", "tile")}
        ktile, chunk, tile = loops.values()
        given = {"ktile": self.ktile_count, "chunk": self.chunks, "tile": self.tiles}
        address = Signal(16)
        base = Signal(16)
        step = Signal(16)
        following = Mux(ktile.last, Mux(chunk.last, base + step, base), address + 1)
        m.d.comb += self.address.eq(Mux(self.start, self.ktile_base, following))
        with m.If(self.start):
            m.d.sync += [
                address.eq(self.ktile_base), base.eq(self.ktile_base),
                step.eq(Mux(self.ktile_advance, self.ktile_count, 0)),
            ]  # fmt: skip
            for name, loop in loops.items():
                loop.load(given[name])
        with m.Elif(self.advance):
            m.d.sync += address.eq(self.address)
            for name, loop in loops.items():
                m.d.sync += [
                    getattr(self, f"{end}_{name}").eq(getattr(loop, end)) for end in ("first", "last")
                ]
            ktile.step()
            with m.If(ktile.last):
                chunk.step()
                with m.If(chunk.last):
                    m.d.sync += base.eq(base + step)
                    tile.step()
        return m
