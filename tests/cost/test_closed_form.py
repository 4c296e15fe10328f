"""Closed-form costs against values worked out by hand."""

import re

import pytest

from hwshift.cost import closed_form as cost
from hwshift.errors import DataError
from hwshift.zoo import build


def triple(found):
    return found.params, found.flops, found.accesses


def test_standard():
    # 3 * 4 * 9 weights; 64 pixels; 64 * (3 + 4) + 108
    assert triple(cost.standard(3, 4, 3, 8)) == (108, 6912, 556)
    assert cost.standard(3, 4, 3, 8).intensity == 6912 / 556


def test_depthwise():
    # 3 * 9 weights; 64 pixels; 64 * 2 * 3 + 27
    assert triple(cost.depthwise(3, 3, 8)) == (27, 1728, 411)
    assert cost.depthwise(3, 3, 8).intensity == 1728 / 411


def test_shift():
    assert triple(cost.shift(3, 8)) == (0, 0, 384)
    assert triple(cost.shift(3, 8, shifted=1)) == (0, 0, 128)
    assert triple(cost.shift(3, 8, shifted=0)) == (0, 0, 0)
    # the 1x1 convolution: 12 weights, 768 operations, 64 * 7 + 12 accesses
    assert triple(cost.shift_pointwise(3, 4, 8)) == (12, 768, 460)
    assert triple(cost.shift_pointwise(3, 4, 8, moved=True)) == (12, 768, 844)


def test_the_papers_order():
    """A depthwise convolution has the lowest ratio; with a shift in its place more is computed per access."""
    pair = cost.depthwise(256, 3, 14) + cost.pointwise(256, 256, 14)
    assert (
        cost.depthwise(256, 3, 14).intensity < pair.intensity < cost.shift_pointwise(256, 256, 14).intensity
    )
    # 256 * 9 * 196 / (2 * 256 * 196 + 256 * 9) = 451584 / 102656
    assert cost.depthwise(256, 3, 14).intensity == pytest.approx(4.39900, abs=5e-6)


def test_units():
    # 4 * 5 pixels: 2 * 12 * 6 / 3 + 54 = 102; 144 + 324 = 468; 144 + 108 = 252
    assert cost.shufflenet_unit(4, 5, 12, 6, 3) == 20 * 102
    assert cost.resnet_unit(4, 5, 12, 6) == 20 * 468
    assert cost.resnext_unit(4, 5, 12, 6, 3) == 20 * 252


def test_a_unit_of_the_zoo_costs_what_the_formula_says():
    network = build("ShuffleNet-1x-g3", weights="none")
    unit = sum(row[4] for row in network.summary() if row[0].startswith("stage3.unit2."))
    assert unit == cost.shufflenet_unit(14, 14, 480, 120, 3)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot(tmp_path, suffix):
    path = tmp_path / f"intensity.{suffix}"
    cost.plot_intensity(path)
    start = path.read_bytes()[:5]
    assert start == (b"<?xml" if suffix == "svg" else b"\x89PNG\r")
    if suffix == "svg":
        assert "shift as a pass + 1×1" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("call", "message"), [
    (lambda: cost.standard(0, 1, 3, 8), "m: must be an integer of at least 1, not 0"),
    (lambda: cost.depthwise(3, 2.5, 8), "kernel: must be an integer of at least 1, not 2.5"),
    (lambda: cost.shift(3, 8, shifted=4), "shifted: 0 to 3 channels can be shifted, not 4"),
    (lambda: cost.shufflenet_unit(1, 1, 5, 5, 3), "groups: must divide 50 weights, not 3"),
    (lambda: cost.plot_intensity("a.txt"), "a.txt: a plot must end in .svg, .png, .pdf"),
    (lambda: cost.plot_intensity("/nowhere/a.svg"), "/nowhere/a.svg: cannot be written: No such file or directory"),
])  # fmt: skip
def test_errors(call, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        call()
