"""Weight buffer: the memory of the weight ring."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.delay import delay
from hwshift.rtl.interfaces import code_layout, weight_command

__all__ = ["WeightBuffer", "shadow_write", "weight_word", "weight_write"]


def weight_word(config: AcceleratorConfig) -> data.ArrayLayout:
    """One weight-buffer word: W_r rows of C codes, zero bits included."""
    return data.ArrayLayout(data.ArrayLayout(code_layout(config), config.columns), config.weight_rows)


def weight_write(config: AcceleratorConfig) -> data.StructLayout:
    """A write of word ``address = tile * tile_words + row``."""
    words = config.weight_tiles * config.tile_words
    return data.StructLayout({"en": 1, "address": range(words), "data": weight_word(config)})


def shadow_write(config: AcceleratorConfig) -> data.StructLayout:
    """A write of the array's shadow rows ``row * W_r ... row * W_r + W_r - 1``."""
    row = weight_command(config).members["row"]
    return data.StructLayout({"en": 1, "row": row, "data": weight_word(config)})


class WeightBuffer(wiring.Component):
    """Memory of ``weight_tiles * tile_words`` words, starting as zeros.

    A read command presented in a cycle (``timing.weight_stage``) is the shadow write two cycles later
    (``timing.swap_stage``), from registers: latency 2, one read and one write per cycle. A word may not be read in
    the cycle in which it is written; the ring's credits see to that.

    Members
    -------
    write : In(weight_write)
    read : In(weight_command), read_valid : In(1)
    shadow : Out(shadow_write)
        Its data holds when ``en`` is 0.
    """

    latency = 2

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "write": In(weight_write(config)),
                "read": In(weight_command(config)),
                "read_valid": In(1),
                "shadow": Out(shadow_write(config)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        words = self._config.tile_words
        # the memory's shape is plain bits: the codes are told apart on the way out
        shape = unsigned(weight_word(self._config).size)
        m.submodules.memory = memory = Memory(shape=shape, depth=self._config.weight_tiles * words, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write.en),
            write.addr.eq(self.write.address),
            write.data.eq(self.write.data),
            read.en.eq(self.read_valid),
            read.addr.eq(self.read.tile * words + (self.read.row if words > 1 else 0)),
        ]
        data_, fetched = Signal(shape, name="data", reset_less=True), delay(m, self.read_valid, 1, "fetched")
        with m.If(fetched):
            m.d.sync += data_.eq(read.data)
        m.d.comb += [
            self.shadow.en.eq(delay(m, fetched, 1, "valid")),
            self.shadow.row.eq(delay(m, self.read.row, 2, "row", reset_less=True)),
            self.shadow.data.eq(data_),
        ]
        return m
