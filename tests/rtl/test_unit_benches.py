"""The cocotb benches of the processing element, the array and the epilogue; each also on broken designs."""

import pytest
from amaranth.back import verilog
from amaranth.hdl import Cat, Const, Module, Mux

from hwshift.config import AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.golden.formats import QFormat
from hwshift.rtl.array import Array, Column
from hwshift.rtl.epilogue import Epilogue
from hwshift.rtl.pe import Pe
from hwshift.sim.benches.common import config_env
from hwshift.sim.runner import run_cocotb
from hwshift.tools import pin_yosys, simulator_problem

from ..seeds import seed_of

SHIFT_ADD = AcceleratorConfig(pixels=2, weight_rows=2, scale_digits=4, param_tiles=16, guard=3)
TAPS = AcceleratorConfig(act=QFormat(8, 8), bus_width=32, row_taps=True)
MAC = AcceleratorConfig(pe="mac", act=QFormat(8, 8), weights=QFormat(4, 8), param_tiles=16, guard=5)


class SignBeforeShift(Pe):
    """Rounds the terms of negative weights the other way."""

    def elaborate(self, platform):  # noqa: ARG002
        m = Module()
        places = self._config.guard + self._config.weights.p_max
        signed = Mux(self.weight.sign, -self.x, self.x)
        shifted = Cat(Const(0, places), signed).as_signed() >> self.weight.q
        m.d.comb += self.term.eq(Mux(self.weight.zero, 0, shifted))
        return m


class RoundedTerm(Pe):
    """Drops a product's lowest bit."""

    def elaborate(self, platform):  # noqa: ARG002
        m = Module()
        places = self._config.weights.n - self._config.guard
        m.d.comb += self.term.eq((self.x * self.weight.value >> (places + 1)) << 1)
        return m


class OneSign(Array):
    """Takes the sign of a column's first weight for all of them."""

    class column(Column):
        def _negative(self, weights):
            return [weights[0].sign] * len(weights)


class RowsReversed(Array):
    """Gives the weights of the first lane to the last."""

    class column(Column):
        def _weights(self, m):
            return super()._weights(m)[::-1]


class OwnLane(Array):
    """Gives every element what its own lane reads, whatever its age."""

    def elaborate(self, platform):
        self._config = self._config.with_(row_taps=False)
        return super().elaborate(platform)


class SaturatesLow(Epilogue):
    """Its highest value is one less than the format's."""

    def _window(self, pipe, stage, name, act, lo, hi):
        window, most = super()._window(pipe, stage, name, act, lo, hi), self._config.act.max
        for bound in ("high", "late_high"):
            high = getattr(window, bound)
            setattr(window, bound, Mux(high == most, high - 1, high))
        return window


class RoundsDigits(Epilogue):
    """Loses the lowest bit of the product."""

    def _round(self, pipe, product, shift, beyond, name):
        return super()._round(pipe, product & ~(1 << self._config.guard), shift, beyond, name)


@pytest.fixture
def run(tmp_path, rtl_builds):
    if problem := simulator_problem("icarus"):
        pytest.skip(problem)
    pin_yosys()

    def run(dut, bench, config):
        source = tmp_path / "dut.v"
        source.write_text(verilog.convert(dut, name="dut", strip_internal_attrs=True))
        return run_cocotb(sources=[source], top="dut", test_module=f"hwshift.sim.benches.{bench}",
                          seed=seed_of(bench, 5), simulator="icarus", build_dir=rtl_builds,
                          extra_env=config_env(config))  # fmt: skip

    return run


CASES = [(Pe, "bench_pe"), (Array, "bench_array"), (Epilogue, "bench_epilogue")]


@pytest.mark.parametrize("config", [SHIFT_ADD, MAC], ids=["shift_add", "mac"])
@pytest.mark.parametrize("block, bench", CASES, ids=[bench for _, bench in CASES])
def test_passes(run, block, bench, config):
    assert run(block(config), bench, config).tests == 1


def test_passes_with_row_taps(run):
    assert run(Array(TAPS), "bench_array", TAPS).tests == 1


BROKEN = [
    (SignBeforeShift, "bench_pe", SHIFT_ADD),
    (RoundedTerm, "bench_pe", MAC),
    (OneSign, "bench_array", SHIFT_ADD),
    (RowsReversed, "bench_array", MAC),
    (OwnLane, "bench_array", TAPS),
    (SaturatesLow, "bench_epilogue", MAC),
    (RoundsDigits, "bench_epilogue", SHIFT_ADD),
]


@pytest.mark.parametrize("block, bench, config", BROKEN, ids=[block.__name__ for block, _, _ in BROKEN])
def test_can_fail(run, block, bench, config):
    with pytest.raises(SimulationError, match=r"^1 of 1 cocotb tests failed \(seed \d+\)") as caught:
        run(block(config), bench, config)
    assert "AssertionError" in caught.value.__notes__[0]
