"""The drawing of networks: well-formed, complete, without boxes over each other."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from hwshift.network.random import mixed_network
from hwshift.zoo import build
from hwshift.zoo.drawing import draw_graph
from hwshift.zoo.layout import place

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", ["ShuffleNet-1x-g3-SE", "ShiftNAS-CIFAR10", "FE-Net-1.0x", "ResNet110"])
def test_every_layer_is_drawn_once(name):
    network = build(name, weights="none")
    root = ElementTree.fromstring(draw_graph(network))
    titles = [title.text for title in root.findall("svg:g/svg:title", NAMESPACE)]
    drawn = [layer for title in titles for layer in title.split(", ")]
    assert sorted(drawn) == sorted(node.name for node in network.nodes)
    width, height = float(root.get("width")), float(root.get("height"))
    for rect in root.findall("svg:g/svg:rect", NAMESPACE):
        left, top = float(rect.get("x")), float(rect.get("y"))
        assert 0 <= left <= left + float(rect.get("width")) <= width
        assert -46 <= top <= top + float(rect.get("height")) <= height


@pytest.mark.parametrize("name", ["ShuffleNet-1x-g3-SE", "ShiftNAS-ImageNet"])
def test_boxes_do_not_overlap(name):
    root = ElementTree.fromstring(draw_graph(build(name, weights="none")))
    boxes = [
        tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
        for rect in root.findall("svg:g/svg:rect", NAMESPACE)
    ]
    for i, (x, y, w, h) in enumerate(boxes):
        for ox, oy, ow, oh in boxes[:i]:
            assert x + w <= ox or ox + ow <= x or y + h <= oy or oy + oh <= y


def test_any_network_is_drawn():
    assert draw_graph(mixed_network(0)).startswith("<svg ")


def test_layers_run_downwards_and_edges_meet_their_boxes():
    sizes = dict.fromkeys("abcde", (40.0, 20.0))
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d"), ("c", "e"), ("d", "e")]
    layout = place(sizes, edges)
    for (source, target), (route,) in zip(edges, layout.routes, strict=True):
        assert route[0] == layout.centres[source]
        assert route[-1] == layout.centres[target]
        assert all(upper[1] < lower[1] for upper, lower in pairwise(route))


def test_a_long_graph_gets_columns():
    names = [f"n{i}" for i in range(40)]
    edges = list(pairwise(names))
    layout = place(dict.fromkeys(names, (40.0, 20.0)), edges, longest=300)
    assert max(layout.columns.values()) >= 4
    assert layout.height < 500
    assert sum(len(route) - 1 for route in layout.routes) == max(layout.columns.values())


@pytest.mark.parametrize(
    "name", ["ShuffleNet-1x-g3-SE", "ShiftNAS-CIFAR10", "FE-Net-1.0x", "ShiftResNet20-1"]
)
def test_names_of_blocks_are_not_covered(name):
    root = ElementTree.fromstring(draw_graph(build(name, weights="none")))
    boxes = [
        [float(rect.get(key)) for key in ("x", "y", "width", "height")]
        for rect in root.findall("svg:g/svg:rect", NAMESPACE)
    ]
    labels = [text for text in root.findall("svg:text", NAMESPACE) if text.get("font-size") == "8.5"]
    assert len(labels) >= 7
    for label in labels:
        x, y, width = float(label.get("x")), float(label.get("y")), 4.0 * len(label.text)
        for left, top, wide, high in boxes:
            assert y < top or y - 7 > top + high or x > left + wide or x + width < left


@pytest.mark.parametrize(
    "name", ["ShuffleNet-1x-g3", "ShiftNAS-CIFAR10", "FE-Net-1.0x-SE2", "ShiftResNet20-1"]
)
def test_no_column_is_nearly_empty(name):
    root = ElementTree.fromstring(draw_graph(build(name, weights="none")))
    height = float(root.get("height"))
    ends = {}
    for rect in root.findall("svg:g/svg:rect", NAMESPACE):
        middle = float(rect.get("x")) + float(rect.get("width")) / 2
        ends[middle] = float(rect.get("y")) + float(rect.get("height"))
    last = max(ends)
    assert max(end for middle, end in ends.items() if middle > last - 60) > 0.2 * height
