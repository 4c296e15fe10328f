"""Tests of the stall patterns."""

import re

import numpy as np
import pytest

from hwshift.errors import SimulationError
from hwshift.sim.stalls import CHANNELS, MAX_LENGTH, StallPattern


def streams(pattern):
    return [getattr(pattern, name) for name in CHANNELS]


def test_none():
    pattern = StallPattern.none()
    assert pattern.length == 1 and pattern.to_bytes() == b"\0"


@pytest.mark.parametrize("density", [0.0, 0.5, 0.95])
def test_random_density(density):
    pattern = StallPattern.random(density, seed=3, length=20_000)
    for stream in streams(pattern):
        assert stream.shape == (20_000,) and stream.dtype == np.uint8
        assert abs(stream.mean() - density) < 0.02
    for one, other in zip(streams(pattern), streams(pattern)[1:], strict=False):
        assert density == 0 or (one != other).any()


@pytest.mark.parametrize("run", [1.0, 4.0, 40.0])
@pytest.mark.parametrize("density", [0.0, 0.3, 0.8])
def test_bursty_density_and_length(density, run):
    stream = StallPattern.bursty(density, run, seed=5, length=MAX_LENGTH).r
    run = max(run, density / (1 - density))  # a pause between runs lasts a cycle at least
    assert abs(stream.mean() - density) < 0.06
    starts = (np.diff(stream.astype(int)) == 1).sum() + stream[0]
    if density:
        assert stream.sum() / starts == pytest.approx(run, rel=0.25)


def test_by_channel():
    pattern = StallPattern.random({"w": 0.5}, seed=1)
    assert [bool(stream.any()) for stream in streams(pattern)] == [name == "w" for name in CHANNELS]


@pytest.mark.parametrize("make", [
    lambda seed: StallPattern.random(0.5, seed),
    lambda seed: StallPattern.bursty(0.5, 8, seed),
])  # fmt: skip
def test_seeds(make):
    assert make(1).to_bytes() == make(1).to_bytes() != make(2).to_bytes()


def test_every_stream_lets_something_through():
    assert not any(stream.all() for stream in streams(StallPattern.random(0.99, seed=0, length=1)))
    for seed in range(20):
        assert not any(stream.all() for stream in streams(StallPattern.bursty(0.9, 100, seed, length=3)))


def test_bytes_and_matrix(tmp_path):
    pattern = StallPattern(*(np.array([i == 4, 1, 0, i == 0], np.uint8) for i in range(5)))
    assert pattern.to_bytes() == bytes([0b10000, 0b11111, 0, 0b00001])
    assert pattern.matrix().shape == (5, 4)
    assert (pattern.matrix()[4] == pattern.b).all()
    pattern.write(tmp_path / "stalls")
    assert (tmp_path / "stalls").read_bytes() == pattern.to_bytes()


ZEROS = np.zeros(4, np.uint8)


@pytest.mark.parametrize(("changes", "message"), [
    ({"ar": np.zeros(0, np.uint8)}, r"streams must have 1 to 65536 entries, not 0"),
    ({"w": ZEROS[:3]}, r"w must be an ndarray of uint8, shape \(4,\), like ar"),
    ({"w": ZEROS.astype(bool)}, r"w must be an ndarray of uint8, shape \(4,\), like ar"),
    ({"b": ZEROS + 2}, r"b must hold 0 and 1, not 2"),
    ({"r": ZEROS + 1}, r"r never lets a transfer through: it must hold a 0"),
])  # fmt: skip
def test_invalid_streams(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        StallPattern(**dict.fromkeys(CHANNELS, ZEROS) | changes)


def test_invalid_densities():
    with pytest.raises(ValueError, match=r"^density of ar must be 0 or more and below 1, not 1$"):
        StallPattern.random(1, seed=0)
    with pytest.raises(ValueError, match=r"^density must name channels out of ar, r, aw, w, b, not 'x'$"):
        StallPattern.random({"x": 0.5}, seed=0)
    with pytest.raises(ValueError, match=r"^run must be at least 1, not 0.5$"):
        StallPattern.bursty(0.5, 0.5, seed=0)


def test_a_file_is_read_as_it_was_written(tmp_path):
    pattern = StallPattern.bursty(0.4, run=5, seed=3, length=99)
    pattern.write(tmp_path / "stalls")
    assert (StallPattern.read(tmp_path / "stalls").matrix() == pattern.matrix()).all()


@pytest.mark.parametrize(("data", "message"), [
    (b"\0\x01\x20", "byte 2 must lie in 0..31, a bit per channel of ar, r, aw, w, b, not 32"),
    (b"", "streams must have 1 to 65536 entries, not 0"),
    (b"\x02\x03", "r never lets a transfer through: it must hold a 0"),
])  # fmt: skip
def test_files_that_are_no_stalls(tmp_path, data, message):
    (tmp_path / "stalls").write_bytes(data)
    with pytest.raises(SimulationError, match=re.escape(message)):
        StallPattern.read(tmp_path / "stalls")
