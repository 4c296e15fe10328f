"""Tests of ``hwshift synth`` that need no synthesis; the counting is tested with `hwshift.synthesis`."""


def test_place_and_route_is_of_one_target(hwshift):
    done = hwshift("synth", "4x4", "--target", "ice40", "--pnr")
    assert done.returncode == 2
    assert "--pnr is for --target ecp5" in done.stderr


def test_unknown_configuration(hwshift):
    done = hwshift("synth", "5x5")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("hwshift: error: no preset or TOML file named '5x5'")


def test_an_estimate_needs_no_tool(hwshift):
    import json

    from hwshift.config import PRESETS
    from hwshift.synthesis import estimate

    done = hwshift("synth", "8x8", "--estimate", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == estimate(PRESETS["8x8"], "ecp5").to_dict()
    shown = hwshift("synth", "8x8", "--estimate").stdout
    assert f"{estimate(PRESETS['8x8']).total.lut:,}" in shown and "fitted to Yosys" in shown
    clock = estimate(PRESETS["8x8"]).clock
    assert shown.splitlines()[-1] == f"clock: about {clock.fmax_mhz:.0f} MHz on {clock.note}"
    assert "\nclock: does not fit an LFE5U-85F" in hwshift("synth", "16x16", "--estimate").stdout
    assert hwshift("synth", "8x8", "--estimate", "-q").stdout == ""


def test_estimates_that_cannot_be(hwshift):
    done = hwshift("synth", "4x4", "--estimate", "--pnr")
    assert (done.returncode, done.stdout) == (2, "")
    done = hwshift("synth", "4x4", "--estimate", "--target", "generic")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("hwshift: error: area is estimated for ") and done.stderr.count("\n") == 1
