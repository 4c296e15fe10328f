"""Moved shifts cost what is shifted: nothing for the rest, and nothing for what follows."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler.shift_mode import with_shifts
from hwshift.compiler.sparse_shift import split_shifts
from hwshift.config import PRESETS
from hwshift.cost.counting import count_program
from hwshift.cost.counts import PROGRAM
from hwshift.golden.model import trace
from hwshift.network.fixed import Concat, Epilogue, FixedLayer, Input, Shift, Sum
from hwshift.resolve import prepare
from hwshift.zoo import build

from ..seeds import generator
from .networks import check

CONFIG = PRESETS["8x8"]


def shiftnet(sparsity, **options):
    network = build("ShiftResNet8-3", size=8, sparsity=sparsity, weights="pow2", **options)
    return prepare(network, CONFIG)


def moved_elements(network):
    """Elements that the layers of the program move, and array steps of all others."""
    counts = count_program(compile_network(network, CONFIG)).layers
    moves = [layer for layer in counts if layer.op in ("Shift", "Concat", "Shuffle", "Slice")]
    steps = {
        layer.name: layer.array.steps for layer in counts if layer not in moves and layer.name != PROGRAM
    }
    return (
        sum(layer.epilogue.outputs for layer in moves),
        sum(layer.moves.unshifted_elements for layer in moves),
        steps,
    )


def by_hand(network):
    """Pixels of channels with an offset, of every shift in the reads."""
    total = 0
    for layer in network.layers:
        offsets = getattr(layer.op, "shift", None)
        if offsets is not None:
            source = network.layer(layer.inputs[0])
            total += int(offsets.any(axis=1).sum()) * source.shape[1] * source.shape[2]
    return total


@pytest.mark.parametrize("sparsity", [1.0, 0.9, 0.5, 0.1])
def test_only_shifted_elements_move(sparsity):
    network = shiftnet(sparsity)
    moved, unshifted, steps = moved_elements(with_shifts(network, "moved"))
    assert (moved, unshifted) == (by_hand(network), 0)
    _, _, fused = moved_elements(network)
    for name, n in steps.items():  # one k-tile more where a slot is not filled
        channels, height, width = network.layer(name.removesuffix(".grouped")).shape
        more = n - fused[name.removesuffix(".grouped")]
        assert more in ((0,) if sparsity in (0.5, 1.0) else (0, height * width * -(-channels // 8))), name


def test_what_is_moved_falls_with_the_sparsity():
    """Three modules: 48 channels on 8x8, 96 on 8x8, 192 on 4x4."""
    elements = 48 * 64 + 96 * 64 + 192 * 16
    assert by_hand(shiftnet(0.0)) == elements == 12_288
    assert moved_elements(with_shifts(shiftnet(0.5), "moved"))[0] == elements // 2


@pytest.mark.parametrize("sparsity", [1.0, 0.8, 0.3])
def test_results_are_the_same(sparsity):
    network = prepare(build("ShiftResNet8-1", size=8, sparsity=sparsity, weights="pow2"), CONFIG)
    check(network, CONFIG, shift="moved")
    moved = with_shifts(network, "moved")
    check(moved, CONFIG)
    x = generator(0).integers(-65536, 65536, (1, 3, 8, 8))
    before, after = (trace(each, CONFIG.arithmetic, x) for each in (network, moved))
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])


def test_what_cannot_be_split_is_left():
    network = with_shifts(shiftnet(0.0), "moved")  # every channel is shifted
    assert not [layer.name for layer in network.layers if layer.name.endswith((".grouped", ".moved"))]
    shift = Shift(np.array([[0, 0], [1, 0]]))
    first = FixedLayer("input", Input(), (), (2, 4, 4))
    output = FixedLayer("out", shift, ("input",), (2, 4, 4))
    assert split_shifts([first, output]) == [first, output]
    added = FixedLayer("sum", Sum(), ("input",), (2, 4, 4), Epilogue.identity(2), residual="out")
    assert split_shifts([first, output, added]) == [first, output, added]


def test_a_source_with_other_readers_keeps_its_order():
    shift = FixedLayer("shift", Shift(np.array([[0, 0], [1, 0]])), ("input",), (2, 4, 4))
    both = FixedLayer("both", Concat(), ("input", "shift"), (4, 4, 4))
    first = FixedLayer("input", Input(), (), (2, 4, 4))
    found = split_shifts([first, shift, both])
    assert [layer.name for layer in found] == [
        "input", "shift.grouped", "shift.moving", "shift.moved", "shift.still", "shift.joined", "shift", "both",
    ]  # fmt: skip
    assert found[3].op.offsets.tolist() == [[1, 0]]
