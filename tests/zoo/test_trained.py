"""Tests of the trained networks and images in the package."""

import gzip
import json

import numpy as np
import pytest

from hwshift import zoo
from hwshift.config import PRESETS
from hwshift.data import load_for, to_codes
from hwshift.errors import NetworkError
from hwshift.golden import model as golden
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_float
from hwshift.network.quantize import quantize
from hwshift.resolve import load_network, prepare
from hwshift.zoo import trained

ACCURACY = json.loads((trained.DATA / "accuracy.json").read_text())
RUNS = ACCURACY["runs"]
RUN_IDS = [f"{run['network']}-{run['weights']}-{run['config']}" for run in RUNS]


def count_correct(run, source):
    """Right answers of a run of accuracy.json on the test images of a source, and how many images it has."""
    network = trained.trained_network(run["network"])
    data = load_for(network, source)
    starts = range(0, len(data), 1000)
    found = [classes(run, network, data.images[start : start + 1000]) for start in starts]
    return int((np.concatenate(found) == data.labels).sum()), len(data)


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
    assert {"mean", "std", "source", "licence", "training", "float_test_accuracy"} <= network.meta.keys()
    assert network.meta["float_test_accuracy"] >= 0.9
    assert 1_000_000 <= network.macs <= 2_500_000


@pytest.mark.parametrize("preset", ["8x8", "8x8-mac"])
@pytest.mark.parametrize("name", trained.TRAINED)
def test_networks_bind(name, preset):
    assert prepare(load_network(name), PRESETS[preset]).output.shape == (10, 1, 1)


def test_twin_has_powers_of_two_of_five_bits():
    nodes = trained.trained_network("fashion-shiftnet-pow2").nodes
    weights = [node.op.weight for node in nodes if isinstance(node.op, ops.Conv2d | ops.Linear)]
    assert len(weights) == 12
    for weight in weights:
        fraction, exponent = np.frexp(np.abs(weight[weight != 0]))
        assert (fraction == 0.5).all()
        assert exponent.min() - 1 >= -15 and exponent.max() - 1 <= 0
        codes = {(value < 0, abs(value)) for value in np.unique(weight).tolist()}
        assert len(codes) <= 32


@pytest.mark.parametrize("run", RUNS, ids=RUN_IDS)
def test_accuracy_on_the_shipped_images(run):
    assert ACCURACY["shipped_images"] >= 256
    assert count_correct(run, "fashion-test") == (run["correct_shipped"], ACCURACY["shipped_images"])


@pytest.mark.soak
@pytest.mark.parametrize("run", RUNS, ids=RUN_IDS)
def test_accuracy_on_all_images(run, hwshift_data):
    found = count_correct(run, hwshift_data / "fashion_mnist")
    assert found == (run["correct"], ACCURACY["test_images"])


def test_accuracies_keep_their_promise():
    by_run = {(run["network"], run["weights"], run["config"]): run for run in RUNS}
    assert all(run["accuracy"] == run["correct"] / ACCURACY["test_images"] for run in RUNS)
    reference = by_run["fashion-shiftnet", "float", None]["accuracy"]
    assert reference >= 0.9
    assert by_run["fashion-shiftnet-pow2", "pow2", "8x8"]["accuracy"] >= reference - 0.01


def test_shipped_images_are_the_first_of_the_test_set(hwshift_data):
    images, labels = trained.test_images()
    folder = hwshift_data / "fashion_mnist"
    data = read_idx(folder / "t10k-images-idx3-ubyte.gz", 16)
    np.testing.assert_array_equal(images.ravel(), data[: images.size])
    np.testing.assert_array_equal(labels, read_idx(folder / "t10k-labels-idx1-ubyte.gz", 8)[: len(labels)])


def test_files_are_small_and_carry_their_licence():
    assert all(path.stat().st_size < 500_000 for path in trained.DATA.iterdir())
    licence = (trained.DATA / "LICENSE-fashion-mnist.txt").read_text(encoding="utf-8")
    assert "MIT License" in licence and "Zalando" in licence
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
