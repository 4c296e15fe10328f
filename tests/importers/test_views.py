"""Random chains of operators that place elements: refused, or what ONNX Runtime gives."""

from collections import Counter

import numpy as np
import onnxruntime
import pytest

from hwshift.errors import NetworkError
from hwshift.importers import from_onnx
from hwshift.network.float_model import evaluate_float

from ..seeds import generator
from .graphs import Graph, kinds


class Chain:
    """A model that grows by random steps; the shape of each value is followed."""

    def __init__(self, seed):
        self.rng = generator(seed)
        self.graph = Graph(
            (1, int(self.rng.choice([4, 6, 12])), int(self.rng.integers(3, 7)), int(self.rng.integers(3, 7)))
        )
        self.values = {"x": self.graph.shape}
        self.base = self.put("Relu", ["x"], self.graph.shape)

    def put(self, kind, inputs, shape, **attrs):
        name = self.graph.add(kind, *inputs, **attrs)
        self.values[name] = tuple(int(size) for size in shape)
        return name

    def below(self, limit):
        return int(self.rng.integers(limit))

    def slice(self, name):
        shape = self.values[name]
        axis = int(self.rng.choice([1, 1, 1, 2, 3]))
        step = int(self.rng.choice([1, 1, 1, 1, 1, 2, 3, -1]))
        start, stop = sorted(self.rng.integers(0, shape[axis] + 1, 2).tolist())
        if step < 0:
            start, stop = shape[axis] - 1, -(1 << 40)
        size = len(range(shape[axis])[start:stop:step])
        if size == 0:
            return name
        ints = [self.graph.ints(value) for value in (start, stop, axis, step)]
        return self.put("Slice", [name, *ints], (*shape[:axis], size, *shape[axis + 1 :]))

    def pad(self, name):
        shape = np.array(self.values[name])
        pads = np.zeros((2, 4), np.int64)
        pads[:, 2:] = self.rng.integers(-1, 2, (2, 2))
        if self.rng.random() < 0.7:
            pads[1] = -pads[0]  # as many lines as before: a shift
        pads[:, 1] = self.rng.integers(0, 2) * self.rng.integers(0, 3, 2) * (self.rng.random() < 0.2)
        if (shape + pads.sum(axis=0) < 1).any() or (shape + np.minimum(pads, 0).sum(axis=0) < 1).any():
            return name
        return self.put("Pad", [name, self.graph.const(pads.ravel())], shape + pads.sum(axis=0))

    def shuffle(self, name):
        _, channels, height, width = self.values[name]
        groups = [size for size in range(2, channels) if channels % size == 0]
        if not groups:
            return name
        count = int(self.rng.choice(groups))
        name = self.put("Reshape", [name, self.graph.ints(1, count, -1, height, width)],
                        (1, count, channels // count, height, width))  # fmt: skip
        name = self.put("Transpose", [name], (), perm=[0, 2, 1, 3, 4])
        return self.put(
            "Reshape", [name, self.graph.ints(1, channels, height, width)], (1, channels, height, width)
        )

    def transpose(self, name):
        shape, perm = self.values[name], [0, *(1 + self.rng.permutation(3)).tolist()]
        return self.put("Transpose", [name], [shape[axis] for axis in perm], perm=perm)

    def gather(self, name):
        shape = self.values[name]
        indices = self.rng.integers(0, shape[1], self.below(shape[1]) + 1)
        return self.put("Gather", [name, self.graph.const(indices)], (1, len(indices), *shape[2:]), axis=1)

    def join(self, name):
        shape = self.values[name]
        others = [other for other, size in self.values.items() if len(size) == 4 and size[2:] == shape[2:]]
        other = others[self.below(len(others))]
        if shape[1] + self.values[other][1] > 40:
            return name
        return self.put("Concat", [name, other], (1, shape[1] + self.values[other][1], *shape[2:]), axis=1)

    def split(self, name):
        """Two halves, each moved on its own, joined again."""
        shape = self.values[name]
        if shape[1] < 2:
            return name
        first = 1 + self.below(shape[1] - 1)
        parts = self.graph.add(
            "Split",
            name,
            self.graph.ints(first, shape[1] - first),
            outputs=2,
            axis=1,
            name=f"split{len(self.values)}",
        )
        moved = []
        for part, channels in zip(parts, (first, shape[1] - first), strict=True):
            self.values[part] = (1, channels, *shape[2:])
            dy, dx = self.rng.integers(-1, 2, 2).tolist()
            pads = self.graph.ints(0, 0, -dy, -dx, 0, 0, dy, dx)
            moved.append(self.put("Pad", [part, pads], self.values[part]))
        return self.put("Concat", moved, shape, axis=1)

    def activate(self, name):
        return self.put("Relu", [name], self.values[name])

    def convolve(self, name):
        shape = self.values[name]
        return self.put("Conv", [name, self.graph.random(4, shape[1], 1, 1)], (1, 4, *shape[2:]))


STEPS = [*[Chain.slice, Chain.pad, Chain.shuffle, Chain.gather, Chain.join, Chain.split, Chain.activate] * 2,
         Chain.convolve, Chain.transpose]  # fmt: skip


def outcome(seed):
    """The reason where the model is refused, else the operators of its network."""
    chain = Chain(seed)
    name = chain.base
    for _ in range(2 + chain.below(5)):
        name = STEPS[chain.below(len(STEPS))](chain, name)
    model = chain.graph.model(output=name)
    try:
        network = from_onnx(model)
    except NetworkError as error:
        return str(error)
    x = generator(seed).normal(size=chain.graph.shape).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    actual = evaluate_float(network, x)
    assert actual.size == expected.size
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)
    return kinds(network)


REASONS = ("is reordered in a way that", "zeros around it or lines cut off", "lines are cut off before it",
           "nothing but zeros")  # fmt: skip


@pytest.mark.parametrize("block", range(5))
def test_chains(block):
    found = Counter()
    for seed in range(block * 100, block * 100 + 100):
        result = outcome(seed)
        if isinstance(result, str):
            assert any(reason in result for reason in REASONS), (seed, result)
            found["refused"] += 1
        else:
            found["read"] += 1
            found.update(set(result))
    assert found["read"] > 40 and found["refused"] > 10, found
    assert min(found[kind] for kind in ("SpatialShift", "ChannelShuffle", "ChannelSlice", "Concat")) > 10, (
        found
    )


@pytest.mark.soak
def test_many_chains():
    for seed in range(1000, 11000):
        outcome(seed)
