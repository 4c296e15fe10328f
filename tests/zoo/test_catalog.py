"""Names, options and weights of the published networks."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.float_model import evaluate_all, evaluate_float
from hwshift.network.graph import Node
from hwshift.network.passes import RoundWeights
from hwshift.resolve import load_network
from hwshift.zoo import Genotype, build, from_text, names, suggest
from hwshift.zoo.catalog import FAMILIES, define
from hwshift.zoo.genotype import DARTS_V2
from hwshift.zoo.shift_layers import SPARSITY, sparse_shifts
from hwshift.zoo.values import Random

from ..seeds import generator


def noise(network, seed=0):
    shape = network.nodes[0].op.shape(())
    return generator(seed).uniform(-1, 1, (1, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", names())
def test_listed_names_are_spelled_as_the_network(name):
    assert build(name, weights="none").name == name
    assert define(name.upper()).name == define(name.lower()).name == name


def test_each_name_has_the_form_of_one_family():
    for name in names():
        assert sum(family.match(name) is not None for family in FAMILIES) == 1, name


@pytest.mark.parametrize(("spelled", "name"), [
    ("shiftresnet-20-3", "ShiftResNet20-3"),
    ("ShiftResNet32-2", "ShiftResNet32-2"),
    ("fe-net-1x", "FE-Net-1.0x"),
    ("FENet-1.375x-se2", "FE-Net-1.375x-SE2"),
    ("shufflenet-1.0x-g3", "ShuffleNet-1x-g3"),
    ("mobilenet-v2-1x", "MobileNetV2"),
    ("ShiftNAS-CIFAR-10", "ShiftNAS-CIFAR10"),
    ("resnet20-net-9", "ResNet20-net-9"),
])  # fmt: skip
def test_spellings(spelled, name):
    assert define(spelled).name == name


@pytest.mark.parametrize(("text", "message"), [
    ("ResNet21", "ResNet21: a depth is 6n + 2 from 8 to 1202, not 21"),
    ("ShiftResNet20-0", "ShiftResNet20-0: an expansion is 1 to 64, not 0"),
    ("ResNet32-net-1",
     "ResNet32-net-1: reduced ResNets have the depths 20, 56, 110 and match the expansions 1, 3, 6, 9"),
    ("ShiftResNet20-3-SSL", "ShiftResNet20-3-SSL: sparse shifts are known of ShiftResNet20-6 and ShiftResNet56-6"),
    ("FE-Net-2x", "FE-Net-2x: FE-Net has the widths 1.0x, 1.375x"),
    ("ShuffleNet-3x-g3",
     "ShuffleNet-3x-g3: ShuffleNet has the widths 0.25x, 0.5x, 1x, 1.5x, 2x and the groups 1, 2, 3, 4, 8"),
    ("ShuffleNet-1.5x-g4",
     "ShuffleNet-1.5x-g4: cannot be built by scaling Table 1: 4 groups do not divide 102 channels"),
    ("ShuffleNet-0.25x-g2", "ShuffleNet-0.25x-g2: cannot be built by scaling Table 1: 50 channels have no quarter"),
    ("ShiftNet-A@0", "size: a side is 1 to 8192, not 0"),
    ("ShiftNet-A@ax3", "size: a size is a side such as 224, or HEIGHTxWIDTH, not 'ax3'"),
    ("ShiftNet-A,join=sum", "join: must be one of concat, none, project, not 'sum'"),
    ("ShiftNet-A,stem=0", "stem: must be an integer from 1 to 1048575, not 0"),
    ("ShiftNet-A,weights=int", "weights: must be one of float, fixed, pow2, none, not 'int'"),
    ("ShiftNet-A,shifts=none", "shifts: must be one of modulo, contiguous, learned, not 'none'"),
    ("ShiftNet-A,shifts=modulo,sparsity=0.5", "sparsity: is of learned shifts, these are modulo"),
    ("ShiftNet-A,sparsity=2", "sparsity: a share is a number from 0 to 1, not 2"),
    ("ShiftNet-A,sparsity=cifar10", "sparsity: has shares of 9 shifts, the network has 21"),
    ("ShiftResNet20-1,sparsity=svhn",
     "sparsity: must be a share, one share per layer, or cifar10, cifar100, not 'svhn'"),
    ("ShiftNet-A,seed=1,seed=2", "ShiftNet-A: seed is given twice"),
    ("ShiftNet-A,seed", "ShiftNet-A: an option is KEY=VALUE, not 'seed'"),
    ("ShiftNet-A,head=4",
     ("ShiftNet-A: unknown option 'head'; known: size, classes, seed, weights, shifts, sparsity, stem, "
      "join, spatial, kernel, order")),
    ("ShiftNAS-CIFAR10,genotype=pc", "genotype: published are shiftnas-cifar10, shiftnas-cifar100, darts-v2, not 'pc'"),
    ("ShiftNAS-CIFAR10,channels=35", "channels: must be even, not 35"),
    ("ShiftNet-B,stem=32", "group1.module1.conv2: 0 channels are left for it to compute, at least 1 is needed"),
    ("ShuffleNet-1x-g3,stem=300",
     "stage2.unit1.conv2: -60 channels are left for it to compute, at least 1 is needed"),
    ("ShiftStyle,width=1000000,weights=none",
     "down1.conv: the network has 2,000,243,000,000 weights up to here, 268,435,456 are allowed"),
    ("ShiftNAS-CIFAR10,layers=100000,weights=none",
     "cell364.node4b.relu1: the network has more than 20,000 nodes, which is the limit"),
    ("FE-Net-1x@16", "block4.unit4.pool: a window of 2 does not fit 1 padded rows"),
])  # fmt: skip
def test_refused(text, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        from_text(text)


def test_unknown_names():
    assert from_text("shftnet-a") is None
    assert suggest("shftnet-a")[0] == "ShiftNet-A"
    assert suggest("mixd", ("mixed",)) == ["mixed"]
    with pytest.raises(
        NetworkError, match=r"^ShufleNet-1x-g3: no such network; did you mean ShuffleNet-1x-g3"
    ):
        build("ShufleNet-1x-g3")
    with pytest.raises(NetworkError, match=r"^zzz: no such network$"):
        build("zzz")


def test_options_of_a_name():
    network = load_network("shiftresnet20-1@24x16,classes=7,seed=3,weights=pow2")
    assert network.nodes[0].op.shape(()) == (3, 24, 16)
    assert network.shapes()[network.output] == (7, 1, 1)
    assert network.meta == {"family": "ShiftResNet", "weights": "pow2", "seed": 3}
    same = build("ShiftResNet20-1", size=(24, 16), classes=7, seed=3, weights="pow2")
    assert all(
        np.array_equal(one.op.weight, other.op.weight)
        for one, other in zip(network.nodes, same.nodes, strict=True)
        if isinstance(one.op, ops.Conv2d)
    )


@pytest.mark.parametrize("name", ["FE-Net-1.375x", "ShiftNet-A"])
def test_no_weight_is_next_to_zero(name):
    """Five bits hold zero or -2**-15, not both in one layer."""
    for node in build(name).nodes:
        if isinstance(node.op, ops.Conv2d | ops.Linear):
            assert np.abs(node.op.weight).min() > 2**-15, node.name


def test_seeds_and_kinds_of_weights():
    first, again, other = (build("ShiftResNet20-1", seed=s).node("stem").op.weight for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    pow2 = build("ShiftResNet20-1", weights="pow2").node("stem").op.weight
    assert set(np.frexp(np.abs(pow2[pow2 != 0]))[0].tolist()) == {0.5}
    fixed = build("ShiftResNet20-1", weights="fixed").node("stem").op.weight
    assert np.array_equal(fixed * 65536, np.rint(fixed * 65536)) and not np.array_equal(fixed, first)
    assert np.abs(fixed - first).max() <= 2**-17


# One network of each family at a size that is quick, with both kinds of weights.
RANGE = [
    "ResNet110@32", "ResNet110-net-3@32", "ShiftResNet110-1@32", "ShiftResNet110-1-concat@32",
    "ShiftResNet20-6-SSL@32", "ShiftResNet20-6-concat,order=before", "ShiftNet-A@64", "ShiftNet-C@64",
    "ShiftStyle@32", "FE-Net-1.375x-SE2@64", "FE-Net-1.0x-DW@64", "ShuffleNet-1.5x-g1-SE@64",
    "ShuffleNet-1x-g3@64", "MobileNetV2@64", "ShiftNAS-CIFAR100,layers=8", "DARTS-V2-ImageNet@64",
]  # fmt: skip


@pytest.mark.parametrize("weights", ["float", "pow2"])
@pytest.mark.parametrize("text", RANGE)
def test_maps_stay_in_range_and_differ(text, weights):
    network = from_text(text, weights)
    maps = evaluate_all(network, noise(network), dtype=np.float32)
    largest = max(maps, key=lambda name: np.abs(maps[name]).max())
    assert np.abs(maps[largest]).max() < 100, largest
    assert maps[network.output].std() > 0.02
    other = evaluate_float(network, noise(network, 1), dtype=np.float32)
    assert np.abs(other - maps[network.output]).max() > 1e-3


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_sparsity_of_table_2(data):
    """The totals are printed: 1615 and 1488 of 1728 channels."""
    network = build("ShiftResNet20-6-SSL", sparsity=data, weights="none")
    shifts = [node.op.offsets for node in network.nodes if isinstance(node.op, ops.SpatialShift)]
    still = [int((~offsets.any(axis=1)).sum()) for offsets in shifts]
    assert (sum(still), sum(map(len, shifts))) == ({"cifar10": 1615, "cifar100": 1488}[data], 1728)
    assert [n / len(offsets) for n, offsets in zip(still, shifts, strict=True)] == list(SPARSITY[data])


def test_sparsity_of_table_8():
    for name, share in (("FE-Net-1.0x", 0.600), ("FE-Net-1.375x", 0.695), ("FE-Net-1.375x-SE2", 0.802)):
        network = build(name, weights="none")
        shifts = [node.op.offsets for node in network.nodes if isinstance(node.op, ops.SpatialShift)]
        still = sum(int((~offsets.any(axis=1)).sum()) for offsets in shifts)
        assert still / sum(map(len, shifts)) == pytest.approx(share, abs=0.005)


def test_sparsity_by_layer_and_too_short():
    network = build("ShiftNet-C", sparsity=[1.0] * 11 + [0.5], weights="none")
    shifts = [node.op.offsets for node in network.nodes if isinstance(node.op, ops.SpatialShift)]
    assert [int(offsets.any(axis=1).sum()) for offsets in shifts] == [0] * 11 + [128]
    with pytest.raises(NetworkError, match="^sparsity: has shares of 13 shifts, the network has 12$"):
        build("ShiftNet-C", sparsity=[0.5] * 13, weights="none")


def test_sparse_shifts_reach_all_neighbours():
    offsets = sparse_shifts(4000, 0.25, generator(0))
    assert (~offsets.any(axis=1)).sum() == 1000
    assert {tuple(pair) for pair in offsets.tolist()} == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_concatenations_of_fe_blocks_keep_the_channels_order():
    """With units that add nothing, what the last unit of a block reads is the block's input, in its order."""
    network = build("FE-Net-1.0x", size=64)
    nodes = [
        Node(node.name, replace(node.op, gamma=0 * node.op.gamma, beta=0 * node.op.beta), node.inputs)
        if re.fullmatch(r"block2\.unit[123]\.conv2\.bn", node.name)
        else node
        for node in network.nodes
    ]
    maps = evaluate_all(network.with_nodes(nodes), noise(network))
    assert sum(one is not other for one, other in zip(nodes, network.nodes, strict=True)) == 3
    np.testing.assert_array_equal(maps["block2.unit4.concat"], maps["block1.unit3.conv2.bn"])


def test_shuffle_is_that_of_the_paper():
    order = build("ShuffleNet-1x-g3", weights="none").node("stage3.unit2.shuffle").op.order
    assert order[:4].tolist() == [0, 40, 80, 1]


GOOD = (("skip_connect", 0), ("sep conv 3x3", 1))


def test_genotypes_from_python():
    given = SimpleNamespace(normal=GOOD, reduce=GOOD, normal_concat=[2], reduce_concat=None)
    network = build("ShiftNAS-CIFAR10", genotype=given, layers=3, weights="none")
    assert network.shapes()["cell1.concat"] == (36, 32, 32)
    assert Genotype.of({"normal": DARTS_V2.normal, "reduce": DARTS_V2.reduce}) == DARTS_V2
    every = tuple((name, i % 2) for i, name in enumerate((
        "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
        "dil_conv_3x3", "dil_conv_5x5", "conv_7x1_1x7", "conv_7x1_1x7",
    )))  # fmt: skip
    network = build("DARTS-V2-CIFAR10", genotype=Genotype(every, every), channels=8, layers=3, size=16)
    assert np.isfinite(evaluate_float(network, noise(network), dtype=np.float32)).all()


@pytest.mark.parametrize(("normal", "message"), [
    ((("conv_9x9", 0), ("skip_connect", 1)), r"normal\[0\]: unknown operation 'conv_9x9'; known: max_pool_3x3, "),
    ((("none", 0), ("skip_connect", 1)), r"normal\[0\]: unknown operation 'none'; known: "),
    ((("skip_connect", 0), ("skip_connect", 2)), r"normal\[1\]: states 0 to 1 exist here, not 2"),
    ((("skip_connect", 0),), "normal: a cell has two edges for each state, not 1 edges"),
    (("skip_connect", 0), r"normal\[0\]: an edge is \(operation, state\), not 'skip_connect'"),
    ((), "normal: a cell has two edges for each state, not 0 edges"),
])  # fmt: skip
def test_bad_genotypes(normal, message):
    with pytest.raises(NetworkError, match=f"^{message}"):
        Genotype(normal, GOOD)
    with pytest.raises(NetworkError):
        build("ShiftNAS-CIFAR10", genotype={"normal": normal, "reduce": GOOD})


def test_bad_genotype_objects():
    with pytest.raises(NetworkError, match="^genotype: needs the fields normal and reduce, not 3$"):
        build("ShiftNAS-CIFAR10", genotype=3)
    with pytest.raises(NetworkError, match="^normal_concat: states 2 to 2 exist here, not 5$"):
        Genotype(GOOD, GOOD, normal_concat=(5,))
    with pytest.raises(NetworkError, match="^normal_concat: must be a sequence, not 3$"):
        Genotype(GOOD, GOOD, normal_concat=3)
    for normal in (5, "sep_conv_3x3"):
        with pytest.raises(NetworkError, match=f"^normal: must be a sequence, not {normal!r}$"):
            Genotype(normal, GOOD)


def test_integers_of_numpy():
    edges = [("skip_connect", np.int64(0)), ("sep_conv_3x3", np.int64(1))]
    genotype = Genotype(edges, GOOD, normal_concat=np.array([2]))
    assert genotype.normal == (("skip_connect", 0), ("sep_conv_3x3", 1))
    assert [type(state) for _, state in genotype.normal] == [int, int]
    assert genotype.normal_concat == (2,)
    assert build("ResNet20", seed=np.int64(3), size=8).meta["seed"] == 3


def test_a_million_parameters_are_quick_and_outlines_take_no_memory():
    outline = build("ShiftNet-A", weights="none")
    weights = [node.op.weight for node in outline.nodes if isinstance(node.op, ops.Conv2d | ops.Linear)]
    assert all(set(weight.strides) == {0} for weight in weights)


def test_rounding_random_weights_keeps_their_variance():
    """The mean square of 2**round(log2 w), in the log domain half way, against that of w, by plain numbers."""
    for fan_in in (9, 16, 27, 100, 144, 1000):
        weight = Random(1).kernel(20_000, fan_in).astype(np.float64)
        rounded = 2.0 ** np.rint(np.log2(np.abs(weight)))
        assert np.mean(rounded**2) / np.mean(weight**2) == pytest.approx(1, abs=0.01)
        assert np.mean(weight**2) == pytest.approx(2 / fan_in, rel=0.7)


@pytest.mark.parametrize("name", ["ShiftNAS-CIFAR10", "ShiftResNet56-6"])
def test_maps_stay_in_range_when_float_weights_are_rounded(name):
    """A hundred layers, whose BatchNorms know nothing of the rounding."""
    network = build(name, size=16)
    maps = evaluate_all(RoundWeights().run(network), noise(network), dtype=np.float32)
    assert max(np.abs(values).max() for values in maps.values()) < 1024


@pytest.mark.soak
@pytest.mark.parametrize("weights", ["float", "pow2"])
@pytest.mark.parametrize("name", names())
def test_maps_of_every_network_stay_in_range(name, weights):
    native = define(name).size[0]
    network = build(name, weights=weights, size=min(native, 64))
    maps = evaluate_all(network, noise(network), dtype=np.float32)
    assert max(np.abs(values).max() for values in maps.values()) < 128
