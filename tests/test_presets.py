"""A trained network on a real image, through the RTL of every preset and of the rows of the covering array."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.data import Images, load_for
from hwshift.errors import CompileError
from hwshift.resolve import load_network, prepare
from hwshift.verification import verify

from .sim.covering import configuration, covering_array

ROWS = covering_array()


def _twin(config: AcceleratorConfig) -> str:
    return "fashion-shiftnet" if config.pe == "mac" else "fashion-shiftnet-pow2"


@pytest.mark.parametrize("number", [index for index, row in enumerate(ROWS) if not row["residual"]])
def test_a_row_without_residual_adds_refuses_the_trained_network(number):
    config = configuration(ROWS[number])
    network = prepare(load_network(_twin(config)), config)
    with pytest.raises(CompileError, match="m0: it needs residual, which the configuration leaves out"):
        compile_network(network, config)


@pytest.mark.soak
@pytest.mark.parametrize("number", [index for index, row in enumerate(ROWS) if row["residual"]])
def test_trained_network_on_a_row(number, rtl_builds):
    """Its maps and sums in the row's formats: every bit and every counter, right classes or not."""
    config = configuration(ROWS[number])
    network = prepare(load_network(_twin(config)), config)
    data = load_for(network, "fashion-test", limit=1)
    report = verify(
        network, config, Images.of(data, network.act).codes, simulator="verilator", build_dir=rtl_builds
    )
    assert report.ok and report.mismatches == 0 and report.counters_equal, report.differences
    assert report.values_compared > 150_000


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
