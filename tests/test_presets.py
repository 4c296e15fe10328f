"""A trained network on a real image, through the RTL of every preset."""

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.data import Images, load_for
from hwshift.resolve import load_network, prepare
from hwshift.verification import verify


@pytest.mark.soak
@pytest.mark.parametrize("preset", [name for name in PRESETS if not name.startswith("4x4")])
def test_trained_network(preset, rtl_builds):
    config = PRESETS[preset]
    network = prepare(load_network("fashion-shiftnet-pow2"), config)
    data = load_for(network, "fashion-test", limit=1)
    report = verify(
        network, config, Images.of(data, network.act).codes, simulator="verilator", build_dir=rtl_builds
    )
    assert report.ok and report.mismatches == 0 and report.counters_equal, report.differences
    assert report.values_compared > 150_000
    assert np.array_equal(report.classes_rtl, data.labels)
