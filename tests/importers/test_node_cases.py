"""The ONNX project's tests of single operators: what is read gives their results, the rest is refused with a reason.

``node_cases.json`` holds what happens to each case of a supported operator, so that no change is silent.
"""

import json

import pytest

from hwshift.importers.onnx_operators import OPERATORS

from . import node_cases

EXPECTED = json.loads(node_cases.TABLE.read_text())
SCORES = ("test_logsoftmax_", "test_softmax_")

# No case of the ONNX project has these for maps of this kind; test_onnx.py has.
UNTRIED = {
    "Div",
    "GatherND",
    "Max",
    "Min",
    "Mul",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "ScatterElements",
    "ScatterND",
    "Sum",
}


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_supported_operators(operator):
    chosen = [name for name in node_cases.claimed() if _operator(name) == operator]
    assert chosen
    actual = {name: node_cases.outcomes(name) for name in chosen}
    assert actual == {name: EXPECTED[name] for name in chosen}
    read = [name for name in chosen if node_cases.READ in actual[name].values()]
    assert bool(read) != (operator in UNTRIED)


def _operator(name):
    return node_cases.cases()[name][0].graph.node[0].op_type


def test_table_is_complete():
    assert sorted(EXPECTED) == sorted(node_cases.claimed())


def test_all_others_are_refused_or_right():
    others = sorted(set(node_cases.cases()) - set(EXPECTED))
    assert len(others) > 1000
    for name in others:
        if name.startswith(SCORES) and len(node_cases.cases()[name][0].graph.node) == 1:
            continue  # a final Softmax is left out, and said so
        node_cases.outcomes(name)
