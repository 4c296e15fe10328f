"""Tests of data sets: normalisation, labels, choice of images, noise, codes."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwshift.data import BUILT_IN, Dataset, Images, input_images, load_data, load_for, to_codes
from hwshift.errors import DataError, QuantizeError
from hwshift.golden.formats import QFormat
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network

_SPEC = importlib.util.spec_from_file_location("data_make", Path(__file__).parent / "make.py")
make = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make)

GREY = (1, 6, 6)


@pytest.fixture
def mnist(tmp_path):
    make.write_mnist(tmp_path, make.pixels(10), np.arange(10))
    return tmp_path


def test_pixels_are_normalised(mnist):
    images = make.pixels(10).transpose(0, 3, 1, 2).astype(np.float64)
    plain = load_data(mnist, shape=GREY)
    assert plain.images.dtype == np.float32 and plain.images.shape == (10, *GREY)
    np.testing.assert_array_equal(plain.images, (images / 255).astype(np.float32))
    data = load_data(mnist, shape=GREY, mean=0.286, std=[0.353])
    np.testing.assert_array_equal(data.images, ((images / 255 - 0.286) / 0.353).astype(np.float32))


def test_each_channel_has_its_own_mean(tmp_path):
    pixels = make.pixels(2, 6, 6, 3)
    np.save(tmp_path / "x.npy", pixels)
    mean, std = (0.5, 0.25, 0.125), (1.0, 2.0, 4.0)
    data = load_data(tmp_path / "x.npy", shape=(3, 6, 6), mean=mean, std=std)
    for c in range(3):
        expected = ((pixels[..., c] / 255 - mean[c]) / std[c]).astype(np.float32)
        np.testing.assert_array_equal(data.images[:, c], expected)


def test_floats_are_taken_as_they_are_unless_told(tmp_path):
    values = np.random.default_rng(1).normal(size=(2, *GREY)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    data = load_data(tmp_path / "x.npy", shape=GREY, defaults=(0.5, 0.5))
    np.testing.assert_array_equal(data.images, values)
    data = load_data(tmp_path / "x.npy", shape=GREY, defaults=(0.5, 0.5), mean=2)
    np.testing.assert_array_equal(data.images, (values.astype(np.float64) - 2).astype(np.float32))


@pytest.mark.parametrize(("arguments", "text"), [
    ({"mean": [1, 2]}, "mean: needs 1 value, not 2"),
    ({"mean": "much"}, "mean: must be numbers, not 'much'"),
    ({"std": 0}, "std: must be positive, not 0.0"),
    ({"std": float("nan")}, "std: must be finite, not nan"),
    ({"limit": 0}, "limit: at least 1 image is needed, not 0"),
])  # fmt: skip
def test_parameters_that_are_wrong(mnist, arguments, text):
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        load_data(mnist, shape=GREY, **arguments)


def test_a_limit_spreads_evenly(mnist):
    every = load_data(mnist, shape=GREY)
    assert every.origin == f"{mnist} (idx files, test)" and len(every) == 10
    few = load_data(mnist, shape=GREY, limit=4)
    assert few.labels.tolist() == [0, 2, 5, 7]
    np.testing.assert_array_equal(few.images, every.images[[0, 2, 5, 7]])
    assert few.origin == f"{mnist} (idx files, test), evenly chosen from 10 images"
    assert len(load_data(mnist, shape=GREY, limit=99)) == 10
    resized = load_data(mnist, shape=(3, 4, 4), size=5)
    assert resized.origin.endswith(", resized to 5 on the shorter side and cut to 4 x 4")


def test_memory_is_not_filled_unasked(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"1 images take 400 GiB of memory: set a limit$"):
        load_data(tmp_path, shape=(1, 400 << 14, 1 << 14))


def test_labels_must_be_known(mnist):
    text = f"{mnist}: image 7 has the label 7: allowed 0..6"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        load_data(mnist, shape=GREY, classes=7)
    np.savez(mnist / "x.npz", x=make.pixels(2), y=[0, -1])
    with pytest.raises(DataError, match="image 1 has the label -1: allowed 0 or more$"):
        load_data(mnist / "x.npz", shape=GREY)


def folders(base, *names):
    for name in names:
        (base / name).mkdir()
        Image.new("L", (6, 6)).save(base / name / "0.png")
    return base


def test_class_folders_by_name_number_and_order(tmp_path):
    animals = folders(tmp_path, "Tabby-Cat", "dog")
    names = ("ant", "dog", "tabby cat")
    data = load_data(animals, shape=GREY, classes=3, names=names)
    assert data.labels.tolist() == [2, 1] and data.classes == names
    data = load_data(animals, shape=GREY, classes=2)
    assert data.labels.tolist() == [0, 1] and data.classes == ("Tabby-Cat", "dog")
    text = f"{animals}: its folders (Tabby-Cat, dog) do not tell "
    with pytest.raises(
        DataError, match=f"^{re.escape(text)}the classes a, b, c: name them so, or by number$"
    ):
        load_data(animals, shape=GREY, classes=3, names="abc")
    with pytest.raises(DataError, match=f"^{re.escape(text)}3 classes: name them so, or by number$"):
        load_data(animals, shape=GREY, classes=3)


def test_class_folders_by_number(tmp_path):
    data = load_data(folders(tmp_path, "10", "3"), shape=GREY, classes=11)
    assert data.labels.tolist() == [10, 3]


def test_noise():
    data = load_data(None, shape=(2, 3, 4), limit=5, seed=8)
    assert data.images.shape == (5, 2, 3, 4) and data.images.dtype == np.float32
    assert data.labels is None and data.origin == "seeded noise, seed 8"
    np.testing.assert_array_equal(data.images, load_data(None, shape=(2, 3, 4), limit=5, seed=8).images)
    assert (data.images != load_data(None, shape=(2, 3, 4), limit=5, seed=9).images).all()
    assert -1 <= data.images.min() < -0.8 and 0.8 < data.images.max() <= 1
    assert len(load_data(None, shape=(2, 3, 4))) == 1
    with pytest.raises(DataError, match=r"^seed: 0 is the least, not -1$"):
        load_data(None, shape=(2, 3, 4), seed=-1)


def test_codes_are_contiguous_whatever_the_images_are():
    """As the golden model wants them: pictures often have their channels last in memory."""
    images = np.linspace(-1, 1, 2 * 4 * 5 * 3).reshape(2, 4, 5, 3).transpose(0, 3, 1, 2)
    codes = to_codes(images, QFormat(2, 6))
    assert codes.flags.c_contiguous and not images.flags.c_contiguous
    np.testing.assert_array_equal(codes, np.floor(images * 64))


def test_codes():
    act = QFormat(2, 2)
    values = np.array([[-2.0, -0.26, -0.25], [1.74, 1.76, 9.0]], np.float32)
    codes = to_codes(values, act)
    assert codes.dtype == np.int32 and codes.tolist() == [[-8, -2, -1], [6, 7, 7]]
    with pytest.raises(QuantizeError, match="finite"):
        to_codes(np.array([np.nan]), act)
    images = input_images("noise", (1, 2, 2), act, count=3, seed=1)
    data = load_data(None, shape=(1, 2, 2), limit=3, seed=1)
    np.testing.assert_array_equal(images.codes, np.floor(data.images * 4).astype(int))
    assert images.description == Images.of(data, act).description == "seeded noise, seed 1"


def test_first_images(mnist):
    data = load_data(mnist, shape=GREY)
    assert data.first(None) is data.first(10) is data
    part = data.first(3)
    assert isinstance(part, Dataset) and part.labels.tolist() == [0, 1, 2]
    assert part.origin == f"the first 3 of {data.origin}"


def test_a_network_says_how_its_images_are_made(mnist):
    network = csc_network(8, 6, 6, modules=1, in_channels=1)
    network.meta.update(mean=0.5, std=[0.25], classes=[f"c{i}" for i in range(10)])
    expected = load_data(mnist, shape=GREY, mean=0.5, std=0.25)
    for net in (network, quantize(network)):
        data = load_for(net, mnist)
        np.testing.assert_array_equal(data.images, expected.images)
        assert data.classes[9] == "c9" and data.labels.tolist() == list(range(10))
        np.testing.assert_array_equal(
            load_for(net, mnist, mean=0, std=1).images, load_data(mnist, shape=GREY).images
        )
    small = csc_network(8, 6, 6, modules=1, in_channels=1, classes=4)
    with pytest.raises(DataError, match=r"image 4 has the label 4: allowed 0..3$"):
        load_for(small, mnist)


def test_images_of_the_package():
    assert all(path.is_file() for path in BUILT_IN.values())
    data = load_data("fashion-test", shape=(1, 28, 28), limit=20, classes=10)
    assert data.images.shape == (20, 1, 28, 28) and data.labels.shape == (20,)


def test_real_data_sets(hwshift_data):
    data = load_data(hwshift_data / "fashion_mnist", shape=(1, 28, 28), classes=10)
    assert len(data) == 10_000 and np.bincount(data.labels).tolist() == [1000] * 10
