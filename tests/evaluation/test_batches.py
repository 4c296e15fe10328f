"""Tests of work in batches: order, bounds and progress."""

import os
import threading

import numpy as np
import pytest

from hwshift.evaluation import batch_size, in_batches
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.random import csc_network, mixed_network


def test_progress_and_order():
    told = []
    parts = in_batches(lambda x: x.sum(), np.arange(10.0), 4, "adding", lambda *what: told.append(what))
    assert list(parts) == [(0, 6.0), (4, 22.0), (8, 17.0)]
    assert told == [("adding", 0, 10), ("adding", 4, 10), ("adding", 8, 10), ("adding", 10, 10)]


def test_an_error_ends_it():
    with pytest.raises(ZeroDivisionError):
        list(in_batches(lambda x: 1 // len(x[1:]), np.arange(10), 1, "failing"))


def test_no_part_is_begun_long_before_its_result_is_taken():
    """Results that wait would take memory: of 1000 parts, at most two per core wait beside the one given."""
    begun, lock = [], threading.Lock()

    def work(part):
        with lock:
            begun.append(int(part[0]))
        return part

    cores = len(os.sched_getaffinity(0))
    for start, _ in in_batches(work, np.arange(1000), 1, "waiting"):
        assert max(begun) <= start + 2 * cores
    assert sorted(begun) == list(range(1000))


def test_sizes():
    assert batch_size(mixed_network(), 1) == 1
    assert 1 <= batch_size(csc_network(8, 8, 8), 10_000) <= 64
    nodes = [Node("input", ops.Input(16, 256, 256))]  # 2**20 values
    nodes += [Node(f"relu{i}", ops.ReLU(), (nodes[-1].name if i == 0 else f"relu{i - 1}",)) for i in range(7)]
    network = Network("large", tuple(nodes), "relu6")
    assert batch_size(network, 10_000) == 8  # 2**23 values of one map
    assert batch_size(network, 10_000, every_map=True) == 2  # 2**24 values of the eight
