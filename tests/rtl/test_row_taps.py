"""What elements of age 1 and 2 take, against lists of what lanes have read; with pauses between steps."""

import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.row_taps import RowTaps

from ..seeds import python_random

CONFIGS = {
    "4x4": AcceleratorConfig(act=QFormat(4, 4), bus_width=32, row_taps=True),
    "8x4": AcceleratorConfig(rows=8, act=QFormat(4, 4), bus_width=32, row_taps=True),
}


def play(config, cycles):
    """Present (step, row_taps, coming) per cycle, ``x`` as the shift buffer holds it; aged after every cycle."""
    dut, seen = RowTaps(config), []

    async def bench(ctx):
        x = [0] * config.rows
        for step, row_taps, coming in cycles:
            for name, value in (("step", step), ("row_taps", row_taps), ("coming", coming), ("x", x)):
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            x = coming if step else x
            seen.append([[ctx.get(dut.aged[age][row]) for row in range(config.rows)] for age in range(2)])

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("pauses", [0.0, 0.4])
def test_values_walk_down_the_rows(name, pauses):
    config, rng = CONFIGS[name], python_random(4)
    cycles, row_taps = [], 1
    for _ in range(300):
        row_taps = rng.choice([row_taps] * 9 + [0])  # rows of steps with taps, of any length
        if rng.random() < 0.1:
            row_taps = 1
        coming = [rng.randint(config.act.min, config.act.max) for _ in range(config.rows)]
        cycles.append((int(rng.random() >= pauses), row_taps, coming))
    seen = play(config, cycles)
    read, checked, mode = [], {0: 0, 1: 0, 2: 0}, []
    for (step, taps, coming), aged in zip(cycles, seen, strict=True):
        if step:
            read.append(coming)
            mode.append(taps)
        if not read:
            continue
        if not mode[-1]:
            assert aged == [read[-1], read[-1]]
            checked[0] += 1
        elif len(read) > 1:
            assert [aged[0][row] for row in range(config.rows)] == [
                read[-2][row - 1] for row in range(config.rows)
            ]
            checked[1] += 1
            if mode[-2] and len(read) > 2:
                assert aged[1] == [read[-3][row - 2] for row in range(config.rows)]
                checked[2] += 1
    assert min(checked.values()) > 20
