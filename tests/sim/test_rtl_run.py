"""Tests of running a core in `tb_top`, with a small core that copies bursts."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.errors import SimulationError
from hwshift.program.registers import ErrorCode, Launch
from hwshift.sim.rtl_run import RtlRun, run_rtl
from hwshift.sim.stalls import StallPattern

from ..seeds import generator, offset
from .copy_core import BURST, copy_core

CONFIG = PRESETS["4x4"]
BURSTS = 6
SIZE = BURSTS * BURST * CONFIG.beat_bytes
LAUNCH = Launch(0, BURSTS, 0, 0, SIZE - 1, SIZE, 2 * SIZE - 1)


def cycles(read_latency, write_latency, stalls=None):
    """Cycle of the core's last response plus one, which is that of ``done``, from the contract alone."""
    streams = (stalls or StallPattern.none()).matrix()

    def next_open(channel, cycle):
        while streams[channel, cycle % streams.shape[1]]:
            cycle += 1
        return cycle

    cycle = 0
    for _ in range(BURSTS):
        cycle = next_open(0, cycle) + read_latency
        for _ in range(BURST):
            cycle = next_open(1, cycle) + 1
        cycle = next_open(2, cycle) + 1
        for _ in range(BURST):
            cycle = next_open(3, cycle) + 1
        cycle = next_open(4, cycle - 1 + write_latency) + 1
    return cycle


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    path = tmp_path_factory.mktemp("core") / "core.v"
    path.write_text(copy_core(CONFIG))
    return path


@pytest.fixture
def run(simulator, rtl_builds, core):
    return lambda runs: run_rtl(CONFIG, runs, simulator=simulator, build_dir=rtl_builds, core=core)


def image(seed=0):
    return generator(seed).integers(0, 256, 2 * SIZE, dtype=np.uint8).tobytes()


def test_counters_and_cycles(run):
    """One simulation, several memories: each run takes exactly the cycles of the contract."""
    settings = [
        (1, 1, None),
        (9, 4, None),
        (3, 2, StallPattern.random(0.5, seed=1 + offset())),
        (5, 7, StallPattern.bursty(0.8, 10, seed=2 + offset())),
        (2, 3, StallPattern.random(0.95, seed=3 + offset(), length=500)),
        (2, 3, StallPattern.random({"w": 0.9}, seed=4 + offset(), length=77)),
        (1, 1, None),
    ]
    results = run([
        RtlRun(LAUNCH, image(seed), read, write, stalls) for seed, (read, write, stalls) in enumerate(settings)
    ])  # fmt: skip
    for seed, (setting, result) in enumerate(zip(settings, results, strict=True)):
        assert result.check() is result
        total = cycles(*setting) + 1
        assert result.counters["total"] == result.irq_cycle == total
        assert result.counters["wait_load"] + result.counters["wait_store"] == total
        assert result.counters["load_beats"] == result.counters["store_beats"] == BURSTS * BURST
        assert result.counters["read_bursts"] == result.counters["write_bursts"] == BURSTS
        assert result.counters["busy"] == result.counters["fetch_beats"] == 0
        assert result.status == dict.fromkeys(result.status, 0) | {"done": 1}
        before = image(seed)
        assert result.memory == before[:SIZE] * 2


def test_errors_and_runs_after_them(run):
    """An error ends the run; the next one starts afresh."""
    bad = 2 * BURST * CONFIG.beat_bytes
    read, write, beyond, fine = run([
        RtlRun(LAUNCH, image(), error_range=(bad, bad)),
        RtlRun(LAUNCH, image(), error_range=(SIZE + bad, SIZE + bad)),
        RtlRun(LAUNCH, image()[:-8]),
        RtlRun(LAUNCH, image()),
    ])  # fmt: skip
    assert read.error is ErrorCode.READ_RESPONSE and read.interrupted and not read.status["done"]
    assert write.error is ErrorCode.WRITE_RESPONSE
    assert beyond.error is ErrorCode.WRITE_RESPONSE
    assert read.counters["read_bursts"] == write.counters["write_bursts"] == 3
    assert write.memory[SIZE : SIZE + bad] == image()[:bad]
    assert fine.check().memory == image()[:SIZE] * 2
    with pytest.raises(
        SimulationError, match=r"^the run ended with READ_RESPONSE, status \{'busy': 0, .*\}$"
    ):
        read.check()


def test_watchdog_and_runs_that_do_not_end(run):
    slow = RtlRun(replace(LAUNCH, watchdog=50), image(), read_latency=100)
    endless = RtlRun(LAUNCH, image(), read_latency=10_000, max_cycles=300)
    watched, given_up, fine = run([slow, endless, RtlRun(LAUNCH, image())])
    assert watched.error is ErrorCode.WATCHDOG and watched.interrupted
    assert watched.counters["total"] == 1 + 50 + 1  # AR in cycle 0, then nothing
    assert not given_up.interrupted and given_up.irq_cycle == 300 and given_up.status["busy"]
    with pytest.raises(SimulationError, match=r"^the run has not ended after 300 cycles$"):
        given_up.check()
    fine.check()


def test_violations_are_reported(rtl_builds, core, tmp_path):
    """The same core with bursts that are not INCR."""
    text = core.read_text()
    broken = text.replace("assign m_axi_arburst = 2'h1;", "assign m_axi_arburst = 2'h0;")
    assert broken != text
    (tmp_path / "core.v").write_text(broken)
    [result] = run_rtl(
        CONFIG, [RtlRun(LAUNCH, image())], simulator="icarus", build_dir=rtl_builds, core=tmp_path / "core.v"
    )
    assert (result.broken, result.violations) == ((6,), BURSTS)
    with pytest.raises(SimulationError, match=rf"^{BURSTS} AXI violations, of the rules \(6,\)$"):
        result.check()


@pytest.mark.parametrize(
    ("field", "value"), [("read_latency", 0), ("write_latency", 0), ("max_cycles", 1 << 32)]
)
def test_numbers_out_of_range(field, value):
    with pytest.raises(ValueError, match=rf"^{field} must lie in 1\.\.4294967295, not {value}$"):
        RtlRun(LAUNCH, image(), **{field: value})


def test_memory_of_partial_beats(rtl_builds, core):
    with pytest.raises(ValueError, match=r"^memory must be beats of 8 bytes, not 12 bytes$"):
        run_rtl(CONFIG, [RtlRun(LAUNCH, bytes(12))], simulator="icarus", build_dir=rtl_builds, core=core)
