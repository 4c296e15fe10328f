"""Tests of evaluation: accuracies against plain Python integers, and what cannot be evaluated."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.data import Dataset, load_data
from hwshift.errors import DataError, QuantizeError
from hwshift.evaluation import Score, batch_size, evaluate, in_batches, own_arithmetic, score, sqnr_db
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network

RNG = np.random.default_rng(7)
WEIGHT = RNG.uniform(-1, 1, (6, 8))
BIAS = RNG.uniform(-0.2, 0.2, 6)
IMAGES = RNG.uniform(-2, 2, (90, 8, 1, 1)).astype(np.float32)
LABELS = RNG.integers(0, 6, 90)


def linear(weight=WEIGHT, bias=BIAS, **meta):
    nodes = (
        Node("input", ops.Input(weight.shape[1], 1, 1)),
        Node("classifier", ops.Linear(weight, bias), ("input",)),
    )
    return Network("linear", nodes, "classifier", meta)


def data(labels=LABELS):
    return Dataset(IMAGES, labels, None, "made here")


def nearest_power(w):
    """The power of two nearest in the log domain, by squares of exact fractions."""
    p = next(p for p in range(0, -16, -1) if p == -15 or Fraction(w) ** 2 * 2 >= Fraction(4) ** p)
    return math.copysign(1, w) * 2.0**p


def outputs(kind):
    """Output codes in Q16.16 as DESIGN defines them, in Python integers; floats for kind ``float``."""
    rows = []
    for image in IMAGES.reshape(len(IMAGES), -1).tolist():
        row = []
        for weights, bias in zip(WEIGHT.tolist(), BIAS.tolist(), strict=True):
            if kind == "float":
                row.append(sum(w * x for w, x in zip(weights, image, strict=True)) + bias)
                continue
            rounded = [Fraction(nearest_power(w)) if kind == "pow2" else Fraction(round(w * 65536), 65536)
                       for w in weights]  # fmt: skip
            codes = [math.floor(x * 65536) for x in image]
            row.append(
                math.floor(sum(w * x for w, x in zip(rounded, codes, strict=True))) + round(bias * 65536)
            )
        rows.append(row)
    return rows


def top(rows, count):
    """Images whose label is among the `count` highest, the lower index first among equals."""
    ranked = [sorted(range(len(row)), key=lambda k, row=row: (-row[k], k))[:count] for row in rows]
    return sum(label in best for label, best in zip(LABELS.tolist(), ranked, strict=True))


def test_accuracies_are_those_of_plain_integers():
    result = evaluate(linear(), data())
    assert [item.model for item in result.scores] == ["float", "fixed", "pow2"]
    assert (result.images, result.classes, result.labelled, result.origin) == (90, 6, True, "made here")
    expected = {kind: outputs(kind) for kind in ("float", "fixed", "pow2")}
    best = {kind: [row.index(max(row)) for row in rows] for kind, rows in expected.items()}
    for item in result.scores:
        rows = expected[item.model]
        assert (item.correct, item.correct5) == (top(rows, 1), top(rows, 5))
        if item.model == "float":
            assert item.agreeing is item.sqnr_db is None
            continue
        assert item.agreeing == sum(a == b for a, b in zip(best["float"], best[item.model], strict=True))
        noise = np.array(rows) / 65536 - np.array(expected["float"])
        ratio = 10 * math.log10((np.array(expected["float"]) ** 2).sum() / (noise**2).sum())
        assert item.sqnr_db == pytest.approx(ratio, abs=0.1)
    assert 0 < result.scores[2].agreeing < 90  # powers of two do change something


def test_a_configuration_takes_the_place_of_both_kinds():
    network = csc_network(8, 8, 8, modules=1)
    images = load_data(None, shape=(3, 8, 8), limit=12)
    for name in ("8x8", "8x8-mac"):
        result = evaluate(network, images, config=PRESETS[name])
        assert [item.model for item in result.scores] == ["float", name]
        kind = "pow2" if name == "8x8" else "fixed"
        alone = evaluate(quantize(network, weights=kind), images, config=PRESETS[name])
        assert [item.model for item in alone.scores] == [name]
        assert alone.scores[0].agreeing is None
    assert "scales of 4 digits" in evaluate(network, images, config=PRESETS["8x8"]).scores[1].detail


def test_a_quantized_network_is_evaluated_as_it_is():
    for kind in ("fixed", "pow2"):
        result = evaluate(quantize(linear(), weights=kind), data())
        (item,) = result.scores
        assert (item.model, item.correct) == (kind, top(outputs(kind), 1))


def test_without_labels_there_is_agreement_only():
    result = evaluate(linear(), data(None))
    assert not result.labelled
    assert all(item.correct is item.correct5 is None for item in result.scores)
    assert result.scores[1].agreeing == 90
    entry = result.as_dict()["scores"][1]
    assert entry["agreement"] == 1.0 and entry["top1"] is None


def test_few_classes_have_no_top_five():
    result = evaluate(linear(WEIGHT[:4], BIAS[:4]), data(LABELS % 4))
    assert result.scores[0].correct is not None and result.scores[0].correct5 is None


def test_a_map_has_no_classes():
    nodes = (Node("input", ops.Input(8, 1, 2)), Node("relu", ops.ReLU(), ("input",)))
    network = Network("maps", nodes, "relu")
    images = Dataset(IMAGES.reshape(45, 8, 1, 2), None, None, "made here")
    result = evaluate(network, images)
    assert result.classes is None and result.scores[1].agreeing is None and result.scores[1].sqnr_db > 60
    labelled = Dataset(images.images, LABELS[:45], None, "made here")
    with pytest.raises(
        DataError, match=r"^maps: its output is a map \(8, 1, 2\): labels cannot be compared with it$"
    ):
        evaluate(network, labelled)


def test_labels_beyond_the_classes():
    with pytest.raises(DataError, match=r"^made here: image 3 has the label 6: allowed 0..5$"):
        evaluate(linear(), data(np.array([0, 1, 2, 6] + [0] * 86)))


def test_what_does_not_fit_is_told_and_the_rest_evaluated():
    weight = WEIGHT.copy()
    weight[0, 0] = 40_000
    result = evaluate(linear(weight), data())
    assert (
        result.scores[1].problem
        == "classifier: weight: value 40000.0 is outside Q16.16: allowed -32768.0 to 32767.99998474121"
    )
    assert result.scores[1].correct is None and result.scores[2].correct is not None
    with pytest.raises(QuantizeError, match="^classifier: weight: value 40000.0 is outside"):
        evaluate(linear(weight), data(), config=PRESETS["8x8-mac"])


def test_ranks_among_equals():
    tied = np.zeros((3, 6, 1, 1))
    assert score("x", "", tied, np.array([0, 4, 5]), None, 6) == Score("x", "", 1, 2)


def test_ratios():
    assert sqnr_db(100, 1) == 20 and sqnr_db(1, 0) == math.inf and sqnr_db(0, 1) == -math.inf
    exact = evaluate(quantize(linear()), data(None)).scores[0]
    assert exact.sqnr_db is None


def test_own_arithmetic():
    network = csc_network(8, 8, 8, modules=1)
    assert own_arithmetic(quantize(network, weight_format=Pow2Format(-7, 1))).weights == Pow2Format(-7, 1)
    fixed = own_arithmetic(
        quantize(network, weights="fixed", weight_format=QFormat(4, 12), act=QFormat(8, 8))
    )
    assert (fixed.pe, str(fixed.weights), str(fixed.act), fixed.exact) == ("mac", "Q4.12", "Q8.8", True)
    relu = Network("r", (Node("input", ops.Input(1, 2, 2)), Node("relu", ops.ReLU(), ("input",))), "relu")
    assert own_arithmetic(quantize(relu)).pe == "mac"


def test_progress_and_batches():
    told = []
    parts = in_batches(lambda x: x.sum(), np.arange(10.0), 4, "adding", lambda *what: told.append(what))
    assert sorted(parts) == [(0, 6.0), (4, 22.0), (8, 17.0)]
    assert told[0] == ("adding", 0, 10) and told[-1] == ("adding", 10, 10)
    with pytest.raises(ZeroDivisionError):
        list(in_batches(lambda x: 1 // len(x[1:]), np.arange(10), 1, "failing"))
    assert batch_size(mixed_network(), 1) == 1
    assert 1 <= batch_size(csc_network(8, 8, 8), 10_000) <= 64


def test_results_do_not_depend_on_the_batches():
    network = csc_network(8, 8, 8, modules=1)
    images = load_data(None, shape=(3, 8, 8), limit=67)
    whole = evaluate(network, images).scores
    single = [evaluate(network, Dataset(images.images[i : i + 1], None, None, "")).scores for i in range(67)]
    for model in (1, 2):
        assert whole[model].agreeing == sum(item[model].agreeing for item in single)


def test_dict_is_plain():
    text = re.sub(r"\s", "", repr(evaluate(linear(), data()).as_dict()))
    assert "inf" not in text and "Score(" not in text and "np." not in text
