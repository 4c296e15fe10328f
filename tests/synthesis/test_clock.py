"""The estimated clock: against cores that were placed and routed, and by hand from made-up delays."""

import json
import statistics
from pathlib import Path

import pytest

from hwshift.config import PRESETS
from hwshift.golden.formats import QFormat
from hwshift.synthesis import Resources, estimate, fit_clock
from hwshift.synthesis.clock import BETWEEN, LIMITS, PATHS, Clock, block_delays, clock_of, core_delays, wires
from hwshift.synthesis.estimate import model
from hwshift.synthesis.fit_clock import CORES, HELD_OUT, PLACED

MEDIAN, WORST = 0.10, 0.25
DATA = model("ecp5")


def test_errors_on_cores_that_the_fit_has_not_seen():
    """Routed clocks are what nextpnr told, kept with its version and seed; the estimate is the user's."""
    routed = DATA["clock"]["routed"]["held_out"]
    assert list(routed) == [config.name for config in HELD_OUT] and len(HELD_OUT) >= 3
    found = [abs(estimate(config).fmax_mhz / routed[config.name]["fmax_mhz"] - 1) for config in HELD_OUT]
    assert statistics.median(found) <= MEDIAN and max(found) <= WORST
    assert not {config.hash for config in HELD_OUT} & {config.hash for config in (*CORES, *PLACED)}
    for run in (*routed.values(), *DATA["clock"]["routed"]["training"].values()):
        assert run["seed"] == 1 and "nextpnr" in run["tools"] and run["utilization"]["TRELLIS_COMB"] > 20_000


def test_the_weights_are_those_of_the_stored_placements():
    clock, named = DATA["clock"], {config.name: config for config in (*PLACED, *CORES)}
    weights = fit_clock.fit_blocks([(name, named[config], delay) for name, config, delay in clock["blocks"]])
    assert weights == clock["weights"]
    cores = [(named[name], estimate(named[name]).total.lut, 1e3 / run["fmax_mhz"])
             for name, run in clock["routed"]["training"].items()]  # fmt: skip
    assert fit_clock.fit_between(cores, weights) == clock["between"]


def test_blocks_alone():
    """Near and not equal: each term has a few placements."""
    clock, named = DATA["clock"], {config.name: config for config in PLACED}
    assert [(name, config) for name, config, _ in clock["blocks"]] == [
        (name, config.name) for config in PLACED for name in PATHS
    ]
    for name, config, delay in clock["blocks"]:
        assert block_delays(named[config], clock["weights"])[name] == pytest.approx(delay, rel=0.07)


def test_the_manual_tells_these_errors():
    page = (Path(__file__).parents[2] / "docs" / "synthesis.md").read_text()
    assert f"<!-- estimates: clock -->\n{fit_clock.error_table(DATA)}\n<!-- end -->" in page


def test_blocks_from_made_up_delays():
    """Delays that follow the terms are found again."""
    assert set(fit_clock.BLOCKS) == set(PATHS)
    true = {name: {"fixed": 3.0 + place} for place, name in enumerate(PATHS)}
    true["column"]["carry bits"] = 0.1
    samples = [
        (name, config, sum(true[name].get(term, 0) * value for term, value in PATHS[name](config).items()))
        for name in PATHS
        for config in PLACED
    ]
    weights = fit_clock.fit_blocks(samples)
    for name, config, delay in samples:
        assert block_delays(config, weights)[name] == pytest.approx(delay, rel=1e-4)


SMALL, MAC, FULL = CORES[0], PRESETS["4x4-mac"], PRESETS["4x4"]
WEIGHTS = {
    "column": {"fixed": 8.0},
    "epilogue": {"fixed": 6.0, "parts of the product": 2.0},
}  # 4 parts: 14 ns
QUARTER = LIMITS["lut"] // 4  # half of the device's side


def test_between_blocks_from_made_up_clocks():
    """10 ns and 6 ns for the device's side; a core that is as slow as its epilogue of 14 ns tells nothing of it."""
    cores = [(SMALL, QUARTER, 13.0), (FULL, LIMITS["lut"], 16.0), (MAC, QUARTER, 13.9)]
    found = fit_clock.fit_between(cores, WEIGHTS)
    assert found == pytest.approx({"fixed": 10.0, "side": 6.0}, rel=1e-3)
    assert fit_clock.fit_between(cores[:2], WEIGHTS) == found
    delays = core_delays(MAC, QUARTER, {"weights": WEIGHTS, "between": found})
    assert delays == pytest.approx({"column": 8.0, "epilogue": 14.0, BETWEEN: 13.0}, rel=1e-3)


MODEL = {
    "device": "a device", "source": "somebody, some day", "luts": [20_000, 30_000], "weights": WEIGHTS,
    "between": {"fixed": 9.0, "side": 8.0},
}  # fmt: skip


def test_what_limits_by_hand():
    assert wires(QUARTER) == {"fixed": 1, "side": pytest.approx(0.5)}
    found = clock_of(SMALL, Resources(lut=QUARTER), MODEL, "any")
    assert (found.limit, found.fmax_mhz, found.beyond) == (BETWEEN, pytest.approx(1e3 / 13), False)
    assert found.note == "a device; limited by wires between blocks; fitted to somebody, some day"
    found = clock_of(MAC, Resources(lut=QUARTER, dsp=80), MODEL, "any")
    assert (found.limit, found.fmax_mhz) == ("epilogue", pytest.approx(1e3 / 14))
    assert found.note == "a device; limited by the block epilogue; fitted to somebody, some day"


def test_beyond_what_was_routed():
    for lut in (19_999, 30_001):
        found = clock_of(SMALL, Resources(lut=lut), MODEL, "any")
        assert found.beyond and found.fmax_mhz is not None
        assert found.note.endswith("; extrapolated: the cores that were routed take 20,000 to 30,000 LUTs")


def test_what_the_device_does_not_hold():
    found = clock_of(SMALL, Resources(lut=83_641, bram=209, dsp=156), MODEL, "any")
    note = "does not fit a device: 83,641 of 83,640 LUTs, 209 of 208 block RAMs; so no clock is estimated"
    assert found == Clock(None, None, True, note)


def test_a_device_without_routed_cores():
    found = clock_of(SMALL, Resources(lut=20_000), None, "Xilinx UltraScale+")
    note = "no core was placed and routed for Xilinx UltraScale+, so no clock is estimated"
    assert found == Clock(None, None, False, note)


def test_presets():
    """A clock where the device holds the core, and a reason where it does not."""
    assert estimate(PRESETS["4x4"]).clock.beyond is False
    whole = estimate(PRESETS["8x8"])
    assert whole.clock.beyond and 30 < whole.fmax_mhz < estimate(PRESETS["4x4"]).fmax_mhz + 0.1
    plain = json.loads(json.dumps(whole.to_dict()))
    assert plain["fmax_mhz"] == round(whole.fmax_mhz, 1)
    assert plain["clock"] == {
        "limit": whole.clock.limit,
        "beyond_what_was_routed": True,
        "note": whole.clock.note,
    }
    large = estimate(PRESETS["16x16-mac"])
    assert (
        large.fmax_mhz is None
        and large.to_dict()["fmax_mhz"] is None
        and "1,088 of 156 DSP blocks" in large.clock.note
    )


def test_terms_by_hand():
    """Products of 32 bits by 32 and of an accumulator of 56 bits by a scale of 18 take four multipliers of 18 each."""
    assert PATHS["column"](MAC)["parts added"] == 3 and PATHS["epilogue"](MAC)["parts of the product"] == 4
    assert PATHS["column"](FULL)["parts added"] == PATHS["epilogue"](FULL)["parts of the product"] == 0
    assert PATHS["epilogue"](FULL)["levels of digits"] == 2  # four digits
    narrow = MAC.with_(act=QFormat(8, 8), weights=QFormat(8, 8))
    assert PATHS["column"](narrow)["parts added"] == 0
