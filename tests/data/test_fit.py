"""Tests of fitting: channels, size, and what does not fit."""

import re

import numpy as np
import pytest

from hwshift.data.fit import fit, fit_all, to_channels
from hwshift.errors import DataError

from ..seeds import generator

RNG = generator(3)


def test_grey_to_colour_and_back():
    grey = RNG.integers(0, 256, (4, 5, 1), np.uint8)
    colour = to_channels(grey, 3, "x")
    np.testing.assert_array_equal(colour, np.concatenate([grey] * 3, axis=2))
    np.testing.assert_array_equal(to_channels(colour, 1, "x"), grey)
    image = np.array([[[10, 20, 30], [255, 0, 1]]], np.uint8)
    expected = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in image[0].tolist()]
    assert to_channels(image, 1, "x").ravel().tolist() == expected
    assert to_channels(image.astype(np.float32), 1, "x").dtype == np.float32


@pytest.mark.parametrize(("have", "want"), [(4, 3), (3, 4), (1, 2), (2, 1)])
def test_other_channels_are_refused(have, want):
    with pytest.raises(DataError, match=f"^x: has {have} channels, the network takes {want}$"):
        to_channels(np.zeros((2, 2, have), np.uint8), want, "x")


def test_an_image_of_the_right_size_is_not_touched():
    image = RNG.integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(fit(image, (3, 4, 5), None, "x"), image.transpose(2, 0, 1))
    np.testing.assert_array_equal(fit(image, (3, 4, 5), (4, 5), "x"), image.transpose(2, 0, 1))


def test_the_centre_is_cut_out():
    image = np.arange(6 * 9, dtype=np.uint8).reshape(6, 9, 1)
    np.testing.assert_array_equal(fit(image, (1, 2, 4), 6, "x")[0], image[2:4, 2:6, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_halving_a_flat_image_in_blocks(dtype):
    """A constant stays constant, and a step edge stays a step away from the edge."""
    image = np.zeros((16, 24, 1), dtype)
    image[:, 12:] = 200
    small = fit(image, (1, 8, 12), 8, "x")[0]
    assert small.dtype == dtype and small.shape == (8, 12)
    assert (small[:, :5] == 0).all() and (small[:, 7:] == 200).all()
    assert fit(image, (1, 8, 8), (8, 8), "x").shape == (1, 8, 8)


def test_aspect_is_kept_by_a_length_and_not_by_two():
    image = np.zeros((10, 30, 1), np.uint8)
    image[:, :15] = 90
    assert (fit(image, (1, 10, 10), 10, "x")[0, :, :4] == 90).all()  # columns 10 to 20 of the image
    squeezed = fit(image, (1, 10, 10), (10, 10), "x")[0]
    assert (squeezed[:, :4] == 90).all() and (squeezed[:, 6:] == 0).all()


@pytest.mark.parametrize(("size", "text"), [
    (None, "is 6 x 9, the network takes 8 x 8: --size 8x8 resizes it"),
    (7, "size 7 makes it 7 x 10, the network takes 8 x 8: give at least that"),
    ((12, 7), "size (12, 7) makes it 12 x 7, the network takes 8 x 8: give at least that"),
])  # fmt: skip
def test_sizes_that_do_not_fit(size, text):
    with pytest.raises(DataError, match=f"^x: {re.escape(text)}$"):
        fit(np.zeros((6, 9, 1), np.uint8), (1, 8, 8), size, "x")


def test_stacks():
    images = RNG.integers(0, 256, (3, 4, 5, 1), np.uint8)
    out = fit_all(images, (3, 4, 5), None, "x")
    assert out.shape == (3, 3, 4, 5) and out.flags.c_contiguous
    np.testing.assert_array_equal(out[:, 1], images[..., 0])
    with pytest.raises(DataError, match="^x, image 0: is 4 x 5"):
        fit_all(images, (1, 8, 8), None, "x")
