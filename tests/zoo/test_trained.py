"""Tests of the trained networks and images in the package."""

import gzip
import json

import numpy as np
import pytest
from PIL import Image

from hwshift import zoo
from hwshift.config import PRESETS
from hwshift.data import load_for, to_codes
from hwshift.errors import NetworkError
from hwshift.golden import model as golden
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.resolve import load_network, prepare
from hwshift.zoo import trained

ACCURACY = json.loads((trained.DATA / "accuracy.json").read_text())
RUNS = ACCURACY["runs"]
FASHION, CIFAR10 = (
    [run for run in RUNS if run["network"].startswith(name)] for name in ("fashion", "cifar10")
)
SHIFTRESNETS = [run for run in CIFAR10 if "shiftresnet20" in run["network"]]

# Multiply-accumulates and parameters, each summed up by hand from the layers' shapes. The ShiftResNet's are those
# of the paper (Table 5: 0.03 million parameters). The ResNet-20 has 269 722 published parameters, and the zeros
# and ones of two short cuts.
SIZES = {
    "fashion-shiftnet": (2_321_280, 22_266),
    "fashion-shiftnet-pow2": (2_321_280, 22_266),
    "cifar10-shiftresnet20-1": (5_948_032, 34_906),
    "cifar10-shiftresnet20-1-pow2": (5_948_032, 34_906),
    "cifar10-resnet20": (40_813_184, 269_722 + 32 * 16 + 64 * 32),
}
EVERY_TENTH = {
    "cifar10-shiftresnet20-1-float-None": 852,
    "cifar10-shiftresnet20-1-fixed-8x8-mac": 852,
    "cifar10-shiftresnet20-1-pow2-8x8": 470,
    "cifar10-shiftresnet20-1-pow2-float-None": 846,
    "cifar10-shiftresnet20-1-pow2-pow2-8x8": 845,
    "cifar10-shiftresnet20-1-pow2-pow2-8x8-mac": 846,
}
"""Right answers on every tenth test image, ordered by class; a regression."""
PAPER = 0.8666  # ShiftResNet20-1 on CIFAR-10, Table 5 of the Shift paper
RESNET20 = 0.9173  # of the ResNet-20's published weights on these test images


def run_id(run):
    return f"{run['network']}-{run['weights']}-{run['config']}"


def count_correct(run, source, step=1):
    """Right answers of a run of accuracy.json on every `step`-th image of a source, and how many these are."""
    network = trained.trained_network(run["network"])
    data = load_for(network, source)
    images, labels = data.images[::step], data.labels[::step]
    size = 1000 if "fashion" in run["network"] else 250
    found = [classes(run, network, images[start : start + size]) for start in range(0, len(images), size)]
    return int((np.concatenate(found) == labels).sum()), len(images)


@pytest.fixture(scope="session")
def cifar10_test(hwshift_data, tmp_path_factory):
    """The test images, class by class, from sheets of 50 rows of 100 images, as an archive of arrays."""
    sheets = [np.asarray(Image.open(hwshift_data / f"cifar10/test_{number}.webp")) for number in range(2)]
    tiles = np.stack(sheets).reshape(2, 50, 32, 100, 32, 3).transpose(0, 1, 3, 2, 4, 5)
    labels = np.load(hwshift_data / "cifar10/labels.npz")["test_labels"]
    path = tmp_path_factory.mktemp("cifar10") / "test.npz"
    np.savez(path, images=tiles.reshape(-1, 32, 32, 3), labels=labels)
    return path


def classes(run, network, images):
    if run["config"] is None:
        logits = evaluate_float(network, images)
    else:
        config = PRESETS[run["config"]]
        bound = bind(quantize(network, weights=run["weights"]), config.arithmetic)
        logits = golden.run(bound, config.arithmetic, to_codes(images, config.act))
    return logits.reshape(len(images), -1).argmax(axis=1)


def read_idx(path, header):
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


@pytest.mark.parametrize("name", trained.TRAINED)
def test_networks_load_and_are_registered(name):
    network = load_network(name)
    assert network.name == name
    assert set(trained.TRAINED) <= set(zoo.NETWORKS)
    assert len(network.meta["classes"]) == 10
    assert {"mean", "std", "input", "source", "licence"} <= network.meta.keys()
    assert (network.macs, network.parameters) == SIZES[name]


@pytest.mark.parametrize("name", [name for name in trained.TRAINED if name != "cifar10-resnet20"])
def test_networks_tell_how_they_were_trained(name):
    meta = trained.trained_network(name).meta
    assert meta["training"].startswith("python examples/train_") and "--seed 0" in meta["training"]
    by_run = {(run["network"], run["weights"]): run["accuracy"] for run in RUNS}
    assert meta["float_test_accuracy"] == pytest.approx(
        by_run[name, "float"], abs=5e-4
    )  # float32, other order


@pytest.mark.parametrize("preset", ["8x8", "8x8-mac"])
@pytest.mark.parametrize("name", trained.TRAINED)
def test_networks_bind(name, preset):
    assert prepare(load_network(name), PRESETS[preset]).output.shape == (10, 1, 1)


@pytest.mark.parametrize(
    ("name", "layers"), [("fashion-shiftnet-pow2", 12), ("cifar10-shiftresnet20-1-pow2", 22)]
)
def test_twin_has_powers_of_two_of_five_bits(name, layers):
    nodes = trained.trained_network(name).nodes
    weights = [node.op.weight for node in nodes if isinstance(node.op, ops.Conv2d | ops.Linear)]
    assert len(weights) == layers
    for weight in weights:
        fraction, exponent = np.frexp(np.abs(weight[weight != 0]))
        assert (fraction == 0.5).all()
        assert exponent.min() - 1 >= -15 and exponent.max() - 1 <= 0
        codes = {(value < 0, abs(value)) for value in np.unique(weight).tolist()}
        assert len(codes) <= 32


@pytest.mark.parametrize("name", ["cifar10-shiftresnet20-1", "cifar10-shiftresnet20-1-pow2"])
def test_shiftresnet_is_the_published_one(name):
    """Three groups of three modules; the stride is in the second convolution, and a sum has no ReLU after it."""
    network = trained.trained_network(name)
    nodes = {node.name: node for node in network.nodes}
    shapes, readers = network.shapes(), network.consumers()
    sums = [node for node in network.nodes if isinstance(node.op, ops.Add)]
    assert [shapes[node.name] for node in sums] == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3
    assert not any(isinstance(reader.op, ops.ReLU) for node in sums for reader in readers[node.name])
    shifts = [node for node in network.nodes if isinstance(node.op, ops.SpatialShift)]
    assert len(shifts) == 9
    for node in shifts:
        channels, size, _ = shapes[node.name]
        (conv2,) = readers[node.name]
        assert shapes[conv2.name][1] == size // conv2.op.stride[0]
        assert conv2.op.stride == ((2, 2) if (channels, size) in ((32, 32), (64, 16)) else (1, 1))
        assert isinstance(nodes[node.inputs[0]].op, ops.ReLU)
        moving = channels // 9 * 9
        expected = [((c // 3) % 3 - 1, c % 3 - 1) if c < moving else (0, 0) for c in range(channels)]
        assert list(map(tuple, node.op.offsets.tolist())) == expected


def test_short_cuts_of_the_resnet_subsample_and_pad():
    nodes = {node.name: node for node in trained.trained_network("cifar10-resnet20").nodes}
    values = np.random.default_rng(0).normal(size=(2, 16, 32, 32))
    for name in ("layer2.0.shortcut", "layer3.0.shortcut"):
        count, before = values.shape[1], values.shape[1] // 2
        network = Network(
            "short", (Node("x", ops.Input(*values.shape[1:])), Node("y", nodes[name].op, ("x",))), "y"
        )
        expected = np.pad(values[:, :, ::2, ::2], ((0, 0), (before, before), (0, 0), (0, 0)))
        np.testing.assert_array_equal(evaluate_float(network, values), expected)
        assert expected.shape[1] == 2 * count
        values = expected


def test_resnet_has_the_published_weights(hwshift_data):
    """To 16 significant bits."""
    nodes = {node.name: node.op for node in trained.trained_network("cifar10-resnet20").nodes}
    with np.load(hwshift_data / "resnet20_cifar10/resnet20-12fca82f.npz") as state:
        for key in state.files:
            layer, _, part = key.rpartition(".")
            name = {"running_mean": "mean", "running_var": "var"}.get(part, part)
            if isinstance(nodes[layer], ops.BatchNorm):
                name = {"weight": "gamma", "bias": "beta"}.get(name, name)
            np.testing.assert_allclose(getattr(nodes[layer], name), state[key], rtol=2**-16, atol=0)


@pytest.mark.parametrize("run", FASHION, ids=run_id)
def test_accuracy_on_the_shipped_images(run):
    assert run["images_shipped"] >= 256
    assert count_correct(run, "fashion-test") == (run["correct_shipped"], run["images_shipped"])


@pytest.mark.parametrize("run", SHIFTRESNETS, ids=run_id)
def test_accuracy_on_every_tenth_cifar_image(run, cifar10_test):
    assert count_correct(run, cifar10_test, 10) == (EVERY_TENTH[run_id(run)], 1000)


@pytest.mark.soak
@pytest.mark.parametrize("run", FASHION, ids=run_id)
def test_accuracy_on_all_fashion_images(run, hwshift_data):
    assert (
        count_correct(run, hwshift_data / "fashion_mnist")
        == (run["correct"], run["images"])
        == (run["correct"], 10_000)
    )


@pytest.mark.soak
@pytest.mark.parametrize("run", CIFAR10, ids=run_id)
def test_accuracy_on_all_cifar_images(run, cifar10_test):
    assert count_correct(run, cifar10_test) == (run["correct"], run["images"]) == (run["correct"], 10_000)


def test_accuracies_keep_their_promise():
    assert all(run["accuracy"] == run["correct"] / run["images"] for run in RUNS)
    by_run = {run_id(run): run["accuracy"] for run in RUNS}
    reference = by_run["fashion-shiftnet-float-None"]
    assert reference >= 0.9
    assert by_run["fashion-shiftnet-pow2-pow2-8x8"] >= reference - 0.01
    assert by_run["cifar10-shiftresnet20-1-fixed-8x8-mac"] >= PAPER - 0.015
    assert (
        by_run["cifar10-shiftresnet20-1-pow2-pow2-8x8"] >= by_run["cifar10-shiftresnet20-1-float-None"] - 0.02
    )
    assert by_run["cifar10-resnet20-float-None"] == RESNET20


def test_shipped_images_are_the_first_of_the_test_set(hwshift_data):
    images, labels = trained.test_images()
    folder = hwshift_data / "fashion_mnist"
    data = read_idx(folder / "t10k-images-idx3-ubyte.gz", 16)
    np.testing.assert_array_equal(images.ravel(), data[: images.size])
    np.testing.assert_array_equal(labels, read_idx(folder / "t10k-labels-idx1-ubyte.gz", 8)[: len(labels)])


def test_files_are_small_and_carry_their_licence():
    assert all(path.stat().st_size <= 1_000_000 for path in trained.DATA.iterdir())
    licence = (trained.DATA / "LICENSE-fashion-mnist.txt").read_text(encoding="utf-8")
    assert "MIT License" in licence and "Zalando" in licence
    notice = (trained.DATA / "LICENSE-resnet20-cifar10.txt").read_text(encoding="utf-8")
    assert "Yerlan Idelbayev" in notice and "Redistributions in binary form" in notice
    with np.load(trained.DATA / "fashion-test.npz") as archive:
        assert str(archive["licence"]) == licence
        assert archive["classes"].tolist() == trained.trained_network("fashion-shiftnet").meta["classes"]


def test_images_are_normalised_as_the_network_says():
    network = trained.trained_network("fashion-shiftnet")
    data, (pixels, labels) = load_for(network, "fashion-test"), trained.test_images()
    (mean,), (std,) = network.meta["mean"], network.meta["std"]
    np.testing.assert_array_equal(data.images[:, 0], ((pixels / 255 - mean) / std).astype(np.float32))
    np.testing.assert_array_equal(data.labels, labels)


def test_errors_name_what_is_wrong():
    with pytest.raises(NetworkError, match="^a trained network is one of fashion-shiftnet, .*, not 'x'$"):
        trained.trained_network("x")
