"""Large outputs are given again only when nobody can see them."""

import numpy as np
import pytest

from hwshift.golden import room


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(room, "_LARGE", 400)
    monkeypatch.setattr(room, "_rooms", [])


def test_small_outputs_are_their_own():
    a, b = room.empty((3, 33)), room.empty((3, 33))
    assert a.base is b.base is None and a.shape == (3, 33) and a.dtype == np.int32
    assert not room._rooms


def test_what_somebody_holds_is_not_given_again():
    first = room.empty((2, 50))
    first[:] = 1
    row = first[1]  # a view of it is enough
    del first
    second = room.empty((4, 25))
    second[:] = 2
    assert (row == 1).all()
    third = room.empty((100,))
    third[:] = 3
    assert (row == 1).all() and (second == 2).all()
    assert len(room._rooms) == 2


def test_what_nobody_holds_is_given_again():
    """Also where each result is kept until the next one is there."""
    places = set()
    result = None
    for number in range(6):
        result = room.empty((10, 10))
        places.add(result.ctypes.data)
        result[:] = number
    assert len(places) == 2
    assert room.empty((10, 11)).base is not result.base
