"""The estimated clock: against cores that were placed and routed, and by hand from made-up delays."""

import json
import re
import statistics
from pathlib import Path

import pytest

from hwshift.config import PRESETS
from hwshift.golden.formats import QFormat
from hwshift.synthesis import Resources, estimate, fit_clock
from hwshift.synthesis.clock import (
    BETWEEN,
    PATHS,
    Clock,
    block_delays,
    clock_of,
    core_delays,
)
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
    cores = [(named[name], fit_clock.area_within(named[name], DATA), 1e3 / run["fmax_mhz"])
             for name, run in clock["routed"]["training"].items()]  # fmt: skip
    assert list(clock["routed"]["training"]) == [config.name for config in CORES]
    assert fit_clock.fit_core(cores, weights) == {"between": clock["between"]}


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
    "column": {"fixed": 8.0}, "epilogue": {"fixed": 6.0, "multipliers": 8.0}, "bank": {"fixed": 9.0},
}  # fmt: skip
FEW, HALF = Resources(lut=20_000, bram=13), Resources(lut=30_000, bram=52)


def test_a_core_from_made_up_clocks():
    """Wires of 9 ns and 0.1 ns for every thousand LUTs; a core as slow as its epilogue of 14 ns tells nothing."""
    cores = [(SMALL, FEW, 11.0), (FULL, HALF, 12.0), (MAC, FEW, 14.0)]
    found = fit_clock.fit_core(cores, WEIGHTS)
    assert found["between"] == pytest.approx({"fixed": 9.0, "thousand LUTs": 0.1}, rel=1e-4)
    for config, area, ns in cores:
        told = core_delays(config, area, {"weights": WEIGHTS, **found})
        assert max(told.values()) == pytest.approx(ns, rel=1e-5)


def test_a_smaller_core_that_is_slower():
    """No term is negative: what remains is the fixed one, whose relative errors' squares are least at the sum of 1/ns
    over that of 1/ns squared."""
    found = fit_clock.fit_core([(SMALL, FEW, 12.5), (FULL, HALF, 10.0)], WEIGHTS)["between"]
    assert found == pytest.approx({"fixed": (0.1 + 0.08) / (0.01 + 0.0064)}, rel=1e-5)


def test_cores_as_slow_as_a_block_tell_nothing():
    assert fit_clock.fit_core([(MAC, FEW, 14.0)], WEIGHTS) == {"between": {}}


MODEL = {
    "device": "a device", "source": "somebody, some day", "reach": {"lut": [20_000, 30_000], "bram": [13, 52]},
    "weights": WEIGHTS, "between": {"fixed": 9.0, "thousand LUTs": 0.1},
}  # fmt: skip


def test_what_limits_by_hand():
    found = clock_of(SMALL, FEW, MODEL, "any")
    assert (found.limit, found.fmax_mhz, found.beyond) == (BETWEEN, pytest.approx(1e3 / 11), False)
    assert found.note == "a device; limited by wires between blocks; fitted to somebody, some day"
    found = clock_of(MAC, HALF, MODEL, "any")
    assert (found.limit, found.fmax_mhz, found.beyond) == ("epilogue", pytest.approx(1e3 / 14), False)
    assert found.note == "a device; limited by the block epilogue; fitted to somebody, some day"


def test_beyond_what_was_routed():
    for area in (
        Resources(lut=19_999, bram=13),
        Resources(lut=30_001, bram=13),
        Resources(lut=20_000, bram=52.5),
    ):
        found = clock_of(SMALL, area, MODEL, "any")
        assert found.beyond and found.fmax_mhz is not None
        told = "; extrapolated: the cores that were routed take 20,000 to 30,000 LUTs and 13 to 52 block RAMs"
        assert found.note.endswith(told)


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
    """A product of 32 bits by 32 takes four multipliers; a sum of digits has 56 bits of accumulator and 18 of scale."""
    assert PATHS["column"](MAC)["parts added"] == 3 and PATHS["column"](FULL)["parts added"] == 0
    both = [PATHS["epilogue"](config) for config in (MAC, FULL)]
    assert [terms["carry bits of digits"] for terms in both] == [0, 74]
    assert [terms["multipliers"] for terms in both] == [terms["sigmoid"] for terms in both] == [1, 0]
    narrow = MAC.with_(act=QFormat(8, 8), weights=QFormat(8, 8))
    assert PATHS["column"](narrow)["parts added"] == 0


@pytest.mark.soak
@pytest.mark.parametrize("config", HELD_OUT, ids=lambda config: re.sub(r"\W+", "-", config.name))
def test_routing_anew(config):
    """Whole cores, by the path of ``hwshift synth --pnr``: 8 to 25 minutes each with native programs, then kept."""
    from hwshift.synthesis import place_core

    (run,) = place_core(config)
    assert estimate(config).fmax_mhz == pytest.approx(run.fmax_mhz, rel=WORST)
