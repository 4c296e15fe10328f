"""Tests of the file formats: what is written in the test is read back, and what is wrong is said in one line."""

import gzip
import importlib.util
import os
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwshift.data.arrays import as_images
from hwshift.data.detect import open_source
from hwshift.data.idx import read_idx
from hwshift.data.image_files import decode
from hwshift.data.source import check_pixels
from hwshift.errors import DataError

_SPEC = importlib.util.spec_from_file_location("data_make", Path(__file__).parent / "make.py")
make = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make)

GREY, RGB = (1, 6, 6), (3, 32, 32)


def fails(text, path, shape=GREY, split=None):
    """Opening raises exactly this text behind the path."""
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {text}')}"):
        open_source(path, shape, split)


# -- idx ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split", [None, "test", "train"])
def test_mnist_folder(tmp_path, suffix, split):
    test, train = make.pixels(5), make.pixels(7, seed=1)
    make.write_mnist(tmp_path, test, np.arange(5), suffix=suffix)
    make.write_mnist(tmp_path, train, np.arange(7), "train", suffix)
    source = open_source(tmp_path, GREY, split)
    expected = train if split == "train" else test
    np.testing.assert_array_equal(source.images, expected)
    np.testing.assert_array_equal(source.labels, np.arange(len(expected)))
    assert source.labels.dtype == np.int64
    assert source.text == f"{tmp_path} (idx files, {split or 'test'})"


def test_one_idx_file_finds_its_labels(tmp_path):
    make.write_mnist(tmp_path, make.pixels(4), np.array([3, 1, 0, 2]))
    source = open_source(tmp_path / "t10k-images-idx3-ubyte.gz", GREY)
    assert source.labels.tolist() == [3, 1, 0, 2]
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert open_source(tmp_path / "t10k-images-idx3-ubyte.gz", GREY).labels is None


def test_idx_is_known_by_its_content(tmp_path):
    make.write_idx(tmp_path / "pictures", make.pixels(4)[..., 0])
    assert len(open_source(tmp_path / "pictures", GREY)) == 4


def test_idx_errors(tmp_path):
    file = tmp_path / "t10k-images-idx3-ubyte"
    make.write_idx(file, make.pixels(4)[..., 0])
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    fails("is a damaged idx file: (4, 6, 6) takes 144 bytes, it holds 143", file)
    file.write_bytes(whole[:9])
    fails("is a damaged idx file: its header is cut off", file)
    file.write_bytes(b"hello")
    fails("is no idx file", file)
    file.write_bytes(whole[:2] + b"\x0d" + whole[3:])
    fails("holds values of the idx type 0x0d, only bytes (0x08) are read", file)
    file.write_bytes(gzip.compress(whole)[:-9])
    fails("is a damaged gzip file: ", file)
    make.write_idx(file, np.arange(4))
    fails("holds labels, not images of shape (images, height, width)", file)
    make.write_idx(file, make.pixels(4)[..., 0])
    make.write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(3))
    with pytest.raises(DataError, match="4 images need as many labels, not an array"):
        open_source(tmp_path, GREY)
    fails("has no train-images-idx3-ubyte[.gz], the train part", tmp_path, split="train")
    fails("has no part 'train': leave the split out", file, split="train")


def test_unreadable_idx(tmp_path):
    with pytest.raises(DataError, match=r"x: cannot be read: No such file or directory$"):
        read_idx(tmp_path / "x")


# -- CIFAR -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("inside", [True, False])
def test_cifar_folder(tmp_path, protocol, inside):
    folder = tmp_path / "cifar-10-batches-py" if inside else tmp_path
    folder.mkdir(exist_ok=True)
    images = make.pixels(12, 32, 32, 3)
    labels = np.arange(12) % 10
    for number in range(5):
        part = slice(2 * number, 2 * number + 2)
        make.write_batch(folder / f"data_batch_{number + 1}", images[part], labels[part], protocol)
    make.write_batch(folder / "test_batch", images[10:], labels[10:], protocol)
    test, train = (open_source(tmp_path, RGB, split) for split in ("test", "train"))
    np.testing.assert_array_equal(test.images, images[10:])
    np.testing.assert_array_equal(train.images, images[:10])
    assert test.labels.tolist() == [0, 1] and train.labels.tolist() == list(range(10))
    assert open_source(tmp_path, RGB).text == f"{tmp_path} (CIFAR-10 batches, test)"
    single = open_source(folder / "data_batch_3", RGB)
    np.testing.assert_array_equal(single.images, images[4:6])


def test_cifar_of_an_old_numpy(tmp_path):
    """The official files name numpy.core, which numpy 2 has moved."""
    file = tmp_path / "test_batch"
    make.write_batch(file, make.pixels(1, 32, 32, 3), [7])
    content = file.read_bytes()
    assert b"numpy._core" in content
    file.write_bytes(content.replace(b"numpy._core", b"numpy.core"))
    assert open_source(file, RGB).labels.tolist() == [7]


class Evil:
    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("hidden", [True, False])
def test_a_batch_cannot_run_code(tmp_path, hidden):
    victim, file = tmp_path / "victim", tmp_path / "test_batch"
    value = {b"data": Evil(victim), b"labels": [1]} if hidden else Evil(victim)
    file.write_bytes(pickle.dumps(value, 2))
    name = f"{os.mkdir.__module__}.mkdir"
    fails(f"is no CIFAR batch, or a damaged one: it names {name}, which no batch of images needs", file, RGB)
    assert not victim.exists()


@pytest.mark.parametrize(("value", "text"), [
    ([1, 2], "is no CIFAR batch: it holds a list, not a dict"),
    ({b"labels": [1]}, "is no CIFAR batch: its data must have the shape (images, 3072), not NoneType"),
    ({b"data": np.zeros((2, 5), np.uint8)},
     "is no CIFAR batch: its data must have the shape (images, 3072), not (2, 5)"),
    ({b"data": np.zeros((1, 3072))}, "is no CIFAR batch: its data must be uint8, not float64"),
    ({b"data": np.zeros((1, 3072), np.uint8)}, "is no CIFAR batch: it has neither labels nor fine_labels"),
    ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1, 2]},
     "1 images need as many labels, not an array (2,)"),
    ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [[1], [1, 2]]}, "labels must be integers, not float64"),
])  # fmt: skip
def test_cifar_errors(tmp_path, value, text):
    file = tmp_path / "test_batch"
    file.write_bytes(pickle.dumps(value, 2))
    fails(text, file, RGB)


def test_damaged_and_missing_batches(tmp_path):
    file = tmp_path / "test_batch"
    make.write_batch(file, make.pixels(1, 32, 32, 3), [7])
    file.write_bytes(file.read_bytes()[:500])
    fails("is no CIFAR batch, or a damaged one: pickle data was truncated", file, RGB)
    fails("has no data_batch_1, data_batch_2, data_batch_3, data_batch_4, data_batch_5, of the train part",
          tmp_path, RGB, "train")  # fmt: skip


# -- numpy -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_npy(tmp_path, dtype):
    images = make.pixels(3, 6, 6, 3)
    np.save(tmp_path / "x.npy", images.astype(dtype))
    source = open_source(tmp_path / "x.npy", (3, 6, 6))
    np.testing.assert_array_equal(source.images, images)
    assert source.images.dtype == (np.float32 if np.dtype(dtype).kind == "f" else np.uint8)
    assert source.labels is None and source.text == str(tmp_path / "x.npy")


@pytest.mark.parametrize(("names", "split"), [
    (("images", "labels"), None), (("X", "y"), None), (("data", "targets"), None), (("arr_0", "arr_1"), None),
    (("x_test", "y_test"), None), (("x_test", "y_test"), "test"), (("train_images", "train_labels"), "train"),
])  # fmt: skip
def test_npz(tmp_path, names, split):
    images = make.pixels(3)
    arrays = {"x_train": make.pixels(9), "y_train": np.arange(9)} if "x_test" in names else {}
    np.savez(
        tmp_path / "set.npz", **{names[0]: images[..., 0], names[1]: np.array([[2], [0], [1]])}, **arrays
    )
    source = open_source(tmp_path / "set.npz", GREY, split)
    np.testing.assert_array_equal(source.images, images)
    assert source.labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(("axes", "shape", "expected"), [
    ((5, 3, 6, 7), (3, 6, 7), (5, 6, 7, 3)),  # channels first
    ((5, 6, 7, 3), (3, 6, 7), (5, 6, 7, 3)),
    ((5, 3, 3, 3), (3, 3, 3), (5, 3, 3, 3)),
    ((5, 8, 9, 3), (3, 6, 7), (5, 8, 9, 3)),  # to be resized
    ((5, 1, 8, 9), (3, 6, 7), (5, 8, 9, 1)),  # grey for a colour network
    ((5, 6, 7), (1, 6, 7), (5, 6, 7, 1)),
    ((3, 6, 7), (3, 6, 7), (1, 6, 7, 3)),  # one image
    ((6, 7, 3), (3, 6, 7), (1, 6, 7, 3)),
    ((9, 8, 3), (3, 6, 7), (1, 9, 8, 3)),
    ((6, 7), (1, 6, 7), (1, 6, 7, 1)),
    ((5, 126), (3, 6, 7), (5, 6, 7, 3)),  # flat
    ((5, 6, 7, 4), (4, 6, 7), (5, 6, 7, 4)),
])  # fmt: skip
def test_axes(axes, shape, expected):
    assert as_images(np.zeros(axes, np.uint8), shape, None, "x").shape == expected


def test_axes_keep_their_values():
    image = np.arange(3 * 6 * 7, dtype=np.uint8).reshape(3, 6, 7)
    for form in (image[None], image, image.reshape(1, -1), image.transpose(1, 2, 0)):
        np.testing.assert_array_equal(as_images(form, (3, 6, 7), None, "x")[0].transpose(2, 0, 1), image)
    assert as_images(np.zeros((3, 6, 7)), (3, 6, 7), 3, "x").shape == (
        3,
        6,
        7,
        1,
    )  # three labels: three images


@pytest.mark.parametrize(("axes", "text"), [
    ((4,), r"x: images need 2 to 4 axes, not an array \(4,\)"),
    ((1, 2, 3, 4, 5), r"x: images need 2 to 4 axes, not an array \(1, 2, 3, 4, 5\)"),
    ((0, 3, 6, 7), r"x: holds no images: an array \(0, 3, 6, 7\)"),
    ((2, 3, 8, 3), r"x: in an array \(2, 3, 8, 3\) both the second and the last axis can be the channels: 3, 1 or 3"),
    ((2, 8, 8, 4), r"x: in an array \(2, 8, 8, 4\) neither the second nor the last axis can be the channels"),
])  # fmt: skip
def test_axes_that_cannot_be_told(axes, text):
    with pytest.raises(DataError, match=f"^{text}"):
        as_images(np.zeros(axes, np.uint8), (3, 6, 7), None, "x")


@pytest.mark.parametrize(("values", "text"), [
    (np.array([[300]]), "integer pixels must lie in 0..255, not 300"),
    (np.array([[-1]], np.int8), "integer pixels must lie in 0..255, not -1"),
    (np.array([[1j]]), "images must be integers or floats, not complex128"),
    (np.array([["a"]]), "images must be integers or floats, not <U1"),
    (np.array([[0.0, 1.0], [0.5, np.nan]]), "image 1 holds nan: values must be finite"),
    (np.array([[-np.inf]], np.float32), "image 0 holds -inf: values must be finite"),
    (np.array([[1e300]]), "image 0 holds inf: values must be finite"),
])  # fmt: skip
def test_values(values, text):
    with pytest.raises(DataError, match=f"^here: {re.escape(text)}$"):
        check_pixels(values, "here")


def test_numpy_files_are_known_by_their_content(tmp_path):
    images = make.pixels(2)
    np.savez(tmp_path / "a.npz", images=images)
    np.save(tmp_path / "b.npy", images)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    for name in ("a.npy", "b.npz"):
        np.testing.assert_array_equal(open_source(tmp_path / name, GREY).images, images)


def test_numpy_errors(tmp_path):
    file = tmp_path / "x.npz"
    np.savez(file, weights=np.zeros(3))
    fails("has no array of images: ['weights'] are none of images, image, x, data, arr_0", file)
    np.savez(file, x=make.pixels(2), y=np.zeros(2))
    fails("labels must be integers, not float64", file)
    np.savez(file, x=make.pixels(2), y=np.zeros(3, int))
    fails("2 images need as many labels, not an array (3,)", file)
    file.write_bytes(file.read_bytes()[:100])
    fails("is no file of numpy, or a damaged one: ", file)
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    fails("is no file of numpy, or a damaged one: Object arrays cannot be loaded", tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", make.pixels(2))
    fails("has no part 'test': leave the split out", tmp_path / "x.npy", split="test")


# -- image files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_image_files(tmp_path, suffix, channels):
    image = make.pixels(1, 5, 7, channels)[0]
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(image if channels == 3 else image[..., 0]).save(path, lossless=True)
    found = decode(path)
    np.testing.assert_array_equal(found, np.broadcast_to(image, found.shape))
    assert open_source(path, GREY).images == (path,)


def test_jpeg(tmp_path):
    image = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    Image.fromarray(image).save(tmp_path / "x.jpeg", quality=95)
    assert np.abs(decode(tmp_path / "x.jpeg").astype(int) - image).max() <= 4


def test_transparency_palettes_and_rotation(tmp_path):
    colours = make.pixels(1, 4, 5, 4)[0]
    Image.fromarray(colours).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), colours[..., :3])
    Image.fromarray(colours[..., :3]).quantize(4).save(tmp_path / "p.png", transparency=b"\0\x80")
    assert decode(tmp_path / "p.png").shape == (4, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    Image.fromarray(colours[..., 0]).save(tmp_path / "r.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "r.png")[..., 0], np.rot90(colours[..., 0], -1))


def save(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6), value, np.uint8)).save(path)


def test_folder_of_images(tmp_path):
    for name in ("b.png", "a.PNG", "c.webp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    source = open_source(tmp_path, GREY)
    assert [path.name for path in source.images] == ["a.PNG", "b.png", "c.webp"]
    assert source.labels is None


def test_folder_of_classes_and_parts(tmp_path):
    for name in ("dog/1.png", "cat/1.png", "cat/2.png"):
        save(tmp_path / "test" / name)
        save(tmp_path / "train" / name.replace("dog", "elk"))
    source = open_source(tmp_path, GREY)
    assert source.names == ("cat", "dog") and source.labels.tolist() == [0, 0, 1]
    assert open_source(tmp_path, GREY, "train").names == ("cat", "elk")
    assert len(open_source(tmp_path / "test", GREY)) == 3
    fails("has no part 'test': leave the split out", tmp_path / "test", split="test")


def test_image_errors(tmp_path):
    fails("holds no images (.png, .jpg, .jpeg, .webp, .bmp), idx files or CIFAR batches", tmp_path)
    save(tmp_path / "x.png")
    Image.fromarray(make.pixels(1, 20, 20)[0, ..., 0]).save(tmp_path / "x.png")
    whole = (tmp_path / "x.png").read_bytes()
    save(tmp_path / "sub" / "y.png")
    fails("holds images, x.png, and folders of images, sub: labels are not clear", tmp_path)
    for content in (b"", b"hello", whole[:30], whole[:-100]):
        (tmp_path / "x.png").write_bytes(content)
        with pytest.raises(
            DataError, match="x.png: is no image of the kind PNG, JPEG, WEBP, BMP, or a damaged one"
        ):
            decode(tmp_path / "x.png")
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x.png: has the mode 'I;16'; 8 bits per channel are read$"):
        decode(tmp_path / "x.png")


def test_a_file_of_another_format_is_refused_whatever_its_name(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "x.gif")
    (tmp_path / "x.gif").rename(tmp_path / "x.png")
    with pytest.raises(DataError, match="is no image of the kind"):
        decode(tmp_path / "x.png")


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path):
    header = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 10_000, 8_500, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "x.bmp").write_bytes(header)
    with pytest.raises(DataError, match=r"x.bmp: is too large: 10000 x 8500 pixels$"):
        decode(tmp_path / "x.bmp")


# -- anything ----------------------------------------------------------------------------------------------


def test_unknown_sources(tmp_path):
    fails("there is no such file or folder", tmp_path / "absent")
    file = tmp_path / "x.txt"
    file.write_text("hello")
    fails("has an unknown format; known: PNG, JPEG, WebP or BMP images, .npz, .npy, idx files", file)
    file.write_bytes(b"\x1f\x8bbroken")
    fails("has an unknown format", file)
    fails("the part must be train or test, not 'all'", file, split="all")
    make.write_idx(tmp_path / "none-images-idx3", np.zeros((0, 6, 6)))
    fails("holds no images", tmp_path / "none-images-idx3")


def test_an_archive_without_the_part_asked_for(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(
        DataError, match=r"has no array of images of the part 'train': \['images'\] are none of "
    ):
        open_source(tmp_path / "x.npz", (1, 2, 2), "train")
