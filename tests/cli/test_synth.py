"""Tests of ``hwshift synth`` that need no synthesis; the counting is tested with `hwshift.synthesis`."""


def test_place_and_route_is_of_one_target(hwshift):
    done = hwshift("synth", "4x4", "--target", "ice40", "--pnr")
    assert done.returncode == 2
    assert "--pnr is for --target ecp5" in done.stderr


def test_unknown_configuration(hwshift):
    done = hwshift("synth", "5x5")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("hwshift: error: no preset or TOML file named '5x5'")
