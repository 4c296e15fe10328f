"""The checker of AXI4-Lite in Amaranth's simulator notices every rule that is broken."""

import pytest

from hwshift.rtl.axi_lite import AxiLiteSlave

from .axi_lite_bus import simulate
from .axi_lite_watch import NAMES, LiteRules

ASKED = [{"awvalid": 1, "awready": 1, "wvalid": 1, "wready": 1, "arvalid": 1, "arready": 1}]
BROKEN = {
    "AWVALID falls before AWREADY": [{"awvalid": 1}, {}],
    "ARVALID falls before ARREADY": [{"arvalid": 1}, {}],
    "W changes while it waits": [{"wvalid": 1, "wdata": 1}, {"wvalid": 1, "wdata": 2}],
    "R changes while it waits": [*ASKED, {"rvalid": 1, "rdata": 1}, {"rvalid": 1, "rdata": 2}],
    "B changes while it waits": [*ASKED, {"bvalid": 1, "bresp": 0}, {"bvalid": 1, "bresp": 2}],
    "R without AR": [{"rvalid": 1, "rready": 1, "arvalid": 1, "arready": 1}],
    "B without AW and W": [{"awvalid": 1, "awready": 1}, {"bvalid": 1, "bready": 1}],
}


def play(cycles):
    rules = LiteRules()
    for signals in cycles:
        rules.cycle(dict.fromkeys(NAMES, 0) | signals)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named(rule):
    with pytest.raises(AssertionError, match=f"^{rule}"):
        play(BROKEN[rule])


def test_what_keeps_to_the_rules_passes():
    play([*ASKED, {"rvalid": 1}, {"rvalid": 1, "rready": 1, "bvalid": 1, "bready": 1}, {}])


class Hasty(AxiLiteSlave):
    """Answers what has not been asked."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.sync += self.s_axi.bvalid.eq(self.s_axi.bready)
        return m


def test_the_bench_sees_an_answer_to_nothing():
    dut = Hasty(12)

    async def bench(ctx):
        ctx.set(dut.s_axi.bready, 1)
        for _ in range(3):
            await ctx.tick()

    with pytest.raises(AssertionError, match="^B without AW and W"):
        simulate(dut, bench)
