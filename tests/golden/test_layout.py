"""Where maps lie: positions, gaps and regions, by hand and for any geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwshift.golden.layout import Geometry, Region

HAND = Geometry(height=2, width=3, above=1, beside=2, images=2)


def test_a_geometry_by_hand():
    """Rows of 3 and a gap of 2; an image is 2 rows and one of zeros; one row and one gap of zeros come first."""
    assert (HAND.pitch, HAND.image_step, HAND.first) == (5, 15, 7)
    assert (HAND.count, HAND.pixels, HAND.size) == (23, 12, 48)
    assert HAND.positions().tolist() == [7, 8, 9, 12, 13, 14, 22, 23, 24, 27, 28, 29]
    assert HAND.positions().dtype == np.int64
    assert HAND.positions(stride=(1, 2), size=(2, 2)).tolist() == [7, 9, 12, 14, 22, 24, 27, 29]
    assert HAND.positions(stride=(2, 1), size=(1, 3)).tolist() == [7, 8, 9, 22, 23, 24]


def test_a_mask_by_hand():
    image = [1, 1, 1, 0, 0, 1, 1, 1]
    assert HAND.inside.tolist() == [*image, *[0] * 7, *image]
    assert Geometry(1, 1, 0, 0, 1).inside.tolist() == [1]
    assert Geometry(2, 2, 0, 0, 1).inside.tolist() == [1] * 4


def test_without_margins_pixels_are_neighbours():
    geometry = Geometry(3, 5, 0, 0, 4)
    assert geometry.positions().tolist() == list(range(60))
    assert (geometry.first, geometry.count, geometry.size) == (0, 60, 64)


@given(
    extent=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    margins=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    images=st.integers(1, 3),
)
def test_reads_beside_a_map_find_its_own_gaps(extent, margins, images):
    """From every pixel to every offset within the margins: the pixel that is meant, or a word of zeros."""
    geometry = Geometry(*extent, *margins, images)
    height, width = extent
    places = geometry.positions().reshape(images, height, width)
    owner = dict.fromkeys(range(geometry.size))
    for index in np.ndindex(places.shape):
        owner[int(places[index])] = index
    assert sum(index is not None for index in owner.values()) == images * height * width
    for (n, y, x), at in np.ndenumerate(places):
        for dy in range(-margins[0], margins[0] + 1):
            for dx in range(-margins[1], margins[1] + 1):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                assert owner[int(at) + dy * geometry.pitch + dx] == ((n, y + dy, x + dx) if inside else None)
    assert geometry.size % 16 == 0
    assert places.max() - geometry.first + 1 == geometry.count == len(geometry.inside)
    assert np.flatnonzero(geometry.inside).tolist() == [
        at - geometry.first for at in range(geometry.size) if owner[at] is not None
    ]


def test_neighbouring_runs_become_one():
    region = Region(HAND)
    a, b, c = region.take(3), region.take(2), region.take(4)
    assert (a, b, c, region.planes) == (0, 3, 5, 9)
    region.give_back(a, 3)
    region.give_back(b, 2)
    assert region.take(5) == 0
    region.give_back(0, 5)
    assert region.take(2) == 0  # the rest of the run stays free
    assert region.take(3) == 2
    assert region.planes == 9


def test_a_run_at_the_end_grows():
    region = Region(HAND)
    region.take(3)
    region.give_back(region.take(2), 2)
    assert region.take(4) == 3
    assert region.planes == 7
    assert region.take(1) == 7


def test_a_run_in_the_middle_does_not_grow():
    region = Region(HAND)
    starts = [region.take(2) for _ in range(3)]
    region.give_back(starts[1], 2)
    assert region.take(3) == 6
    assert region.take(2) == starts[1]
    assert region.planes == 9


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), max_size=40))
def test_no_two_living_runs_share_a_plane(steps):
    """Runs of any size, any of those living given back; in the end all of it is one run again."""
    region, living = Region(HAND), []
    for count, back in steps:
        start = region.take(count)
        own = set(range(start, start + count))
        assert all(own.isdisjoint(other) for other in living)
        assert max(own) < region.planes
        living.append(own)
        if back < len(living):
            planes = living.pop(back)
            region.give_back(min(planes), len(planes))
    for planes in living:
        region.give_back(min(planes), len(planes))
    total = region.planes
    if total:
        assert region.take(total) == 0
        assert region.planes == total


@pytest.mark.parametrize("images", [1, 4])
def test_a_larger_margin_keeps_the_pixels_in_order(images):
    """Positions grow within a row, from row to row and from image to image."""
    for above in range(3):
        for beside in range(3):
            at = Geometry(3, 4, above, beside, images).positions()
            assert (np.diff(at) >= 1).all()
            assert at[0] == above * (4 + beside) + beside
