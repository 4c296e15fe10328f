"""Every figure the papers print, against the networks as they are built."""

from collections import Counter
from decimal import Decimal

import pytest

from hwshift.errors import NetworkError
from hwshift.zoo import build, names
from hwshift.zoo.figures import agreement, figures, unlisted
from hwshift.zoo.measures import legacy_count, measure

FIGURES = figures()


def label(figure):
    return f"{figure.network}-{figure.quantity}-{figure.printed}"


@pytest.mark.parametrize("figure", [f for f in FIGURES if f.recomputed is not None], ids=label)
def test_figure(figure):
    ours = figure.ours()
    assert round(float(ours), 6) == figure.recomputed
    assert agreement(ours, figure.printed) == figure.reproduced
    assert figure.reproduced != "no" or figure.note, "say why the figure is not reproduced"


def test_the_one_figure_of_a_network_that_cannot_be_built():
    (figure,) = (f for f in FIGURES if f.recomputed is None)
    assert (figure.network, figure.reproduced, figure.ours()) == ("ShuffleNet-0.5x-g4", "no", None)
    assert unlisted() == ("ShuffleNet-0.5x-g4",)
    with pytest.raises(NetworkError, match=r"4 groups do not divide 34 channels$"):
        build(figure.network)


def test_how_many_are_reproduced():
    found = Counter(figure.reproduced for figure in FIGURES[:119])
    assert found == {"rounding": 84, "truncation": 13, "no": 22}
    assert len(FIGURES) == 132


@pytest.mark.parametrize(("exact", "printed", "how"), [
    ("12.255232", "12", "rounding"),
    ("21.692416", "21", "truncation"),
    ("0.095642", "0.10", "rounding"),
    ("5.5", "5", "truncation"),
    ("5.5", "6", "rounding"),
    ("299.67", "301", "no"),
    ("0.98065", "0.98", "rounding"),
])  # fmt: skip
def test_agreement(exact, printed, how):
    assert agreement(Decimal(exact), printed) == how


# Sizes of the published PyTorch models that do not come from the papers.
@pytest.mark.parametrize(("name", "params", "macs"), [
    ("ResNet20", 272_474, 40_813_184),
    ("MobileNetV2", 3_504_872, 300_774_272),
    ("ShuffleNet-1x-g3", 1_864_728, 137_460_672),
    ("DARTS-V2-CIFAR10", 3_349_342, 528_359_040),
])  # fmt: skip
def test_known_sizes(name, params, macs):
    found = measure(build(name, weights="none"))
    assert (found.params, found.macs) == (params, macs)


# (BatchNorm elements, shifted elements, elements of sums, largest map) in thousands, of an independent count.
@pytest.mark.parametrize(("name", "norms", "shifted", "added", "peak"), [
    ("ResNet20", 201, 0, 86, 16),
    ("ShiftResNet20-1", 238, 83, 86, 33),
    ("ShiftResNet20-3", 483, 310, 86, 98),
    ("ShiftResNet20-6", 852, 633, 86, 197),
    ("ShiftResNet20-9", 1221, 983, 86, 295),
    ("ShiftNet-A", 10_424, 7_602, 1_656, 1_606),
    ("ShiftNet-B", 5_212, 3_603, 828, 803),
    ("ShiftNet-C", 1_844, 828, 251, 401),
    ("ShuffleNet-1x-g8", 4_629, 0, 2_183, 301),
])  # fmt: skip
def test_other_counts(name, norms, shifted, added, peak):
    found = measure(build(name, weights="none"))
    thousands = [round(value / 1000) for value in (found.norms, found.shifted, found.added, found.peak)]
    assert thousands == [norms, shifted, added, peak]


def test_counts_do_not_need_weights():
    for name in ("ShiftResNet20-6-SSL", "ShuffleNet-0.5x-g3-SE", "ShiftStyle"):
        assert measure(build(name, weights="none", size=32)) == measure(build(name, size=32))


def test_weights_are_without_biases():
    found = measure(build("ShiftNet-C", weights="none"))
    assert found.params_without_bn - found.weights == 1000


def test_the_legacy_counter_is_wrong_in_its_own_way():
    network = build("ShiftResNet20-1", weights="none")
    assert legacy_count(network) == 12_255_232 != network.macs == 5_948_032


def test_every_name_is_listed_once():
    assert len(set(names())) == len(names()) == 106
