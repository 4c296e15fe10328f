"""The cocotb benches of fetch, loader and storer; each also on broken designs."""

import pytest
from amaranth.hdl import Cat, Const

from hwshift.config import AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.golden.formats import QFormat
from hwshift.rtl import load_writer, loader
from hwshift.rtl.export import convert
from hwshift.rtl.fetch import Fetch
from hwshift.rtl.loader import Loader
from hwshift.rtl.storer import Storer
from hwshift.sim.benches.common import config_env
from hwshift.sim.runner import run_cocotb
from hwshift.tools import simulator_problem

from ..seeds import seed_of

NARROW = AcceleratorConfig(
    rows=8, columns=4, pixels=2, act=QFormat(5, 6), bus_width=32, weight_rows=2, weight_tiles=5
)
WIDE = AcceleratorConfig(
    rows=16, columns=8, pixels=4, bus_width=256, pe="mac", weights=QFormat(3, 4), weight_tiles=6
)


class StuckAddress(Fetch):
    """Asks for the first burst again and again."""

    def _address(self, m, *signals):
        super()._address(m, *signals)
        m.d.comb += self.burst.payload.address.eq(self.base)


class UnboundedFetch(Fetch):
    """Asks for instructions that the queue has no room for."""

    def _address(self, m, asked, taken, after):
        super()._address(m, asked, taken, after)
        m.d.comb += self.burst.valid.eq(asked != 0)


class NoWrap(load_writer.PixelWalk):
    """Runs over the end of the buffer."""

    def _describe_place(self, m):
        super()._describe_place(m)
        split = (self._config.sub_banks - 1).bit_length()
        m.d.comb += self.place.word.eq(self._offset.word + (self._x >> split))


class NoZeroBit(load_writer.LoadWriter):
    """Never marks the first code of a word as zero."""

    def _lay_out_weights(self, m, gearbox):
        super()._lay_out_weights(m, gearbox)
        m.d.comb += self.weight_write.data[0][0].zero.eq(0)


class NoPixelAcrossBeats(load_writer.PixelCutter):
    """Knows nothing of earlier beats."""

    def _select(self, m, window, place):
        super()._select(m, Cat(self.i.payload, window[len(self.i.payload) :]), place)


class NoMask(Storer):
    """Stores lanes that hold nothing."""

    def _read(self, m, walk, fifo, reading, granted, lanes, gates):
        super()._read(m, walk, fifo, reading, granted, Const(-1, len(lanes)), gates)


class IgnoresLimit(Storer):
    """Promises tokens that do not fit their counter."""

    def _ask(self, m, bursts, pushes, push):
        super()._ask(m, bursts, pushes, push)
        m.d.comb += [self.burst.valid.eq(bursts.o.valid), bursts.o.ready.eq(self.burst.ready)]


@pytest.fixture
def run(tmp_path, rtl_builds):
    if problem := simulator_problem("icarus"):
        pytest.skip(problem)

    def run(dut, bench, config):
        source = tmp_path / "dut.v"
        source.write_text(convert(dut, "dut"))
        return run_cocotb(sources=[source], top="dut", test_module=f"hwshift.sim.benches.{bench}",
                          seed=seed_of(bench, 3), simulator="icarus", build_dir=rtl_builds,
                          extra_env=config_env(config))  # fmt: skip

    return run


CASES = [(Fetch, "bench_fetch", 12), (Loader, "bench_loader", 3), (Storer, "bench_storer", 3)]


@pytest.mark.parametrize("config", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize(("block", "bench", "tests"), CASES, ids=[bench for _, bench, _ in CASES])
def test_passes(run, block, bench, tests, config):
    assert run(block(config), bench, config).tests == tests


def check_failure(run, dut, bench, config):
    with pytest.raises(SimulationError, match=r"of \d+ cocotb tests failed \(seed \d+\)") as caught:
        run(dut, bench, config)
    assert "AssertionError" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(("block", "bench"), [
    (StuckAddress, "bench_fetch"), (UnboundedFetch, "bench_fetch"), (NoMask, "bench_storer"),
    (IgnoresLimit, "bench_storer"),
])  # fmt: skip
def test_can_fail(run, block, bench):
    check_failure(run, block(NARROW), bench, NARROW)


@pytest.mark.parametrize(
    ("module", "part"), [(load_writer, NoWrap), (load_writer, NoPixelAcrossBeats), (loader, NoZeroBit)]
)
def test_loader_bench_can_fail(run, module, part, monkeypatch):
    monkeypatch.setattr(module, part.__base__.__name__, part)
    check_failure(run, Loader(NARROW), "bench_loader", NARROW)
