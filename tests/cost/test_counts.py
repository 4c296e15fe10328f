import pytest

from hwshift.cost.counts import PROGRAM, ArrayCounts, LayerCounts, MoveCounts, ProgramCounts


def test_sums():
    a = LayerCounts("a", "Conv", 2, array=ArrayCounts(steps=3, operations=5))
    b = LayerCounts("b", "Pool", 1, array=ArrayCounts(steps=1), moves=MoveCounts(7))
    both = a + b
    assert (both.name, both.op, both.instructions) == ("a", "Conv", 3)
    assert both.array == ArrayCounts(steps=4, operations=5)
    assert both.moves == MoveCounts(7)
    total = ProgramCounts((a, b, LayerCounts(PROGRAM, instructions=2))).total
    assert (total.name, total.instructions, total.array.steps) == ("total", 5, 4)


def test_paths():
    layer = LayerCounts("a", array=ArrayCounts(steps=3))
    paths = layer.paths()
    assert paths[0] == "array.steps" and layer.value("array.steps") == 3
    assert len(set(paths)) == len(paths) == 35
    assert sum(layer.value(path) for path in paths) == 3


def test_layer_by_name():
    counts = ProgramCounts((LayerCounts("a"), LayerCounts(PROGRAM)))
    assert counts.layer("a") is counts.layers[0]
    with pytest.raises(KeyError, match=r"^'b'$"):
        counts.layer("b")
