"""Tests of ``hwshift simulate``; figures are tested with `hwshift.simulation`."""

import json


def test_table(hwshift, tiny):
    done = hwshift("simulate", tiny, "--config", "4x4", "--clock", "100")
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "m0_relu1",
        "weight_load",
        "utilisation, array busy",
        "images per second at 100 MHz",
        "batch 1",
    ):
        assert text in done.stdout


def test_json(hwshift, tiny):
    fast, slow = (
        json.loads(hwshift("simulate", tiny, "--config", "4x4", "--json", *more).stdout)
        for more in ([], ["--latency", "64", "--stalls", "0.5", "--seed", "2"])
    )
    assert fast["counters"]["steps"] == slow["counters"]["steps"]
    assert fast["counters"]["total"] < slow["counters"]["total"]
    assert slow["read_latency"] == 64
    assert slow["operations"]["steps"] == slow["counters"]["steps"]


def test_quiet(hwshift, tiny):
    done = hwshift("simulate", tiny, "--config", "4x4", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
