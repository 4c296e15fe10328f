"""Port B of the shift buffer: who goes first, and that nothing is lost or written twice."""

from typing import NamedTuple

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.interfaces import load_request, residual_request, store_request, write_data, write_request
from hwshift.rtl.shift_buffer import PortB, strobe
from tests.formal.prover import Refuted, prove

CONFIG = AcceleratorConfig(act=QFormat(4, 4), bus_width=32, pixels=2, feature_depth=64)


class Request(NamedTuple):
    """A request of port B."""

    valid: Signal
    payload: data.View


class Shared(wiring.Component):
    """Epilogue write, residual read, loader write, storer read: in this order for each half, in every cycle."""

    def __init__(self, port):
        self._port = port
        super().__init__({
            "write": In(strobe(write_request(CONFIG))), "residual": In(strobe(residual_request(CONFIG))),
            "load": In(stream.Signature(load_request(CONFIG))), "store": In(stream.Signature(store_request(CONFIG))),
            "write_data": In(write_data(CONFIG)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, port = Module(), self._port
        m.submodules.port = port
        for name in ("write", "residual", "load", "store"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(port, name))
        write, residual, load, store = self.write, self.residual, self.load, self.store
        # the sequencer never issues a residual that meets a write on its half
        clash = write.valid & residual.valid & (write.payload.half == residual.payload.half)
        m.d.comb += [Assume(~clash), port.write_data.eq(self.write_data)]
        write, residual = (  # they are made a cycle ahead
            Request(
                before(m, user.valid), data.View(user.payload.shape(), before(m, user.payload.as_value()))
            )
            for user in (write, residual)
        )
        for half in range(2):
            writes = write.valid & (write.payload.half == half)
            reads = residual.valid & (residual.payload.half == half)
            loads = load.valid & (load.payload.sub[-1] == half)
            stores = store.valid & (store.payload.sub[-1] == half)
            free = ~writes & ~reads
            m.d.comb += [
                Assert(~loads | (load.ready == free)),
                Assert(~stores | (store.ready == (free & ~loads))),
            ]
            word = Mux(writes, write.payload.word, Mux(reads, residual.payload.word, load.payload.word))
            word = Mux(free & ~loads, store.payload.word, word)
            for index, bank in enumerate(port.banks):
                depth_bits = len(bank.word[half])
                used = writes | reads | loads | stores
                m.d.comb += Assert(~before(m, used) | (bank.word[half] == before(m, word[:depth_bits])))
                for place in range(CONFIG.pixels):
                    sub = half * CONFIG.pixels + place
                    mine = loads & free & (load.payload.sub == sub) & load.payload.banks[index]
                    pixel = (place - write.payload.lane0)[:1]
                    column, group = index % CONFIG.columns, index // CONFIG.columns
                    written = (
                        writes & (write.payload.lane0 <= place) & write.payload.pixels.bit_select(pixel, 1)
                        & write.payload.columns[column] & (write.payload.group == group)
                    )  # fmt: skip
                    value = Signal(CONFIG.act.bits, name=f"value_{sub}_{index}")
                    stored = stores & free & ~loads & (store.payload.sub == sub)
                    result = Mux(before(m, pixel), self.write_data[1][column], self.write_data[0][column])
                    m.d.comb += [
                        value.eq(Mux(before(m, mine), before(m, load.payload.data[index].as_unsigned()), result)),
                        Assert(bank.write[sub] == before(m, mine | written)),
                        Assert(~bank.write[sub] | (bank.data[sub].as_unsigned() == value)),
                        Assert(bank.read[sub] == before(m, reads | stored)),
                    ]  # fmt: skip
        return m


def before(m, value):
    """What a value was in the cycle before; 0 before the first."""
    register = Signal.like(Value.cast(value), name="before")
    m.d.sync += register.eq(value)
    return register


class StoreFirst(PortB):
    """Lets the storer go before the loader."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.store.ready.eq(self.store.valid)
        return m


def test_priority(tmp_path):
    prove(Shared(PortB(CONFIG)), tmp_path, cycles=5)


def test_another_order_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Shared(StoreFirst(CONFIG)), tmp_path, cycles=3)
