"""Tests of evaluation: accuracies against plain Python integers, and what cannot be evaluated."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.data import Dataset, load_data
from hwshift.errors import ConfigError, DataError, QuantizeError
from hwshift.evaluation import Formats, evaluate, own_arithmetic, parse_formats
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network

from ..seeds import generator

RNG = generator(7)
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


def outputs(kind, n=16, guard=None):
    """Output codes in Qm.n as DESIGN defines them, in Python integers; floats for kind ``float``."""
    rows = []
    for image in IMAGES.reshape(len(IMAGES), -1).tolist():
        row = []
        for weights, bias in zip(WEIGHT.tolist(), BIAS.tolist(), strict=True):
            if kind == "float":
                row.append(sum(w * x for w, x in zip(weights, image, strict=True)) + bias)
                continue
            codes = [math.floor(x * 2**n) for x in image]
            if kind == "pow2":
                g = 15 if guard is None else guard
                powers = [(int(math.copysign(1, w)), -int(math.log2(abs(nearest_power(w))))) for w in weights]
                terms = [sign * ((x << g) >> q) for (sign, q), x in zip(powers, codes, strict=True)]
            else:
                g = 16 if guard is None else guard
                terms = [x * round(w * 65536) >> 16 - g for w, x in zip(weights, codes, strict=True)]
            row.append((sum(terms) >> g) + round(bias * 2**n))
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


@pytest.mark.parametrize("guard", [None, 0, 3])
@pytest.mark.parametrize("n", [8, 4])
def test_formats_and_guard_bits_are_those_of_plain_integers(n, guard):
    """Accuracy, agreement and errors in each of them."""
    asked = Formats((QFormat(), QFormat(8, n)), guards=(guard, 5))
    result = evaluate(linear(), data(), formats=asked)
    name = "exact" if guard is None else f"G={guard}"
    scores = {item.model: item for item in result.scores}
    assert list(scores) == ["float", *(f"{kind} {act} {g}" for kind in ("fixed", "pow2")
                                       for act in ("Q16.16", f"Q8.{n}") for g in (name, "G=5"))]  # fmt: skip
    floats = np.array(outputs("float"))
    for kind in ("fixed", "pow2"):
        rows = outputs(kind, n, guard)
        item = scores[f"{kind} Q8.{n} {name}"]
        assert (item.correct, item.correct5) == (top(rows, 1), top(rows, 5))
        error = np.abs(np.array(rows) / 2**n - floats)
        assert item.lsb == 2.0**-n
        assert (item.max_error, item.mean_error) == pytest.approx((error.max(), error.mean()), rel=1e-12)
        entry = next(entry for entry in result.as_dict()["scores"] if entry["model"] == item.model)
        assert entry["max_error_lsb"] == pytest.approx(error.max() * 2**n, rel=1e-12)
        assert entry["mean_error_lsb"] == pytest.approx(error.mean() * 2**n, rel=1e-12)
        assert item.sqnr_db == pytest.approx(10 * math.log10((floats**2).sum() / (error**2).sum()), abs=1e-9)


def test_weight_formats():
    weights = parse_formats([], ["Q2.6", "Q16.16", "-15..0", "pow2[-3,0]"], [])
    result = evaluate(linear(), data(), formats=weights)
    expected = ["float", "fixed[Q2.6]", "fixed[Q16.16]", "pow2[-15,0]", "pow2[-3,0]"]
    assert [item.model for item in result.scores] == expected
    ratios = [item.sqnr_db for item in result.scores[1:]]
    assert ratios[0] < ratios[1] and ratios[2] > ratios[3]  # smaller powers are raised to 1/8
    assert result.scores[1].detail == "mac Q2.6 x Q16.16, exact"
    assert result.scores[4].detail == "shift_add pow2[-3,0] x Q16.16, exact"


def test_guard_bits_of_a_quantized_network():
    result = evaluate(quantize(linear()), data(), formats=parse_formats([], [], ["0", "exact"]))
    assert [item.model for item in result.scores] == ["pow2 G=0", "pow2 exact"]
    assert [item.correct for item in result.scores] == [top(outputs("pow2", guard=g), 1) for g in (0, None)]
    message = r"^linear: it is quantized \(maps Q16.16\): for other formats name the float network$"
    with pytest.raises(QuantizeError, match=message):
        evaluate(quantize(linear()), data(), formats=parse_formats(["Q8.8"], [], []))


def test_an_arithmetic_that_cannot_be_is_told_and_the_rest_evaluated():
    result = evaluate(linear(), data(), formats=parse_formats([], [], ["16"]))
    assert result.scores[1].correct == top(outputs("fixed"), 1)
    assert result.scores[2].problem == "guard must lie in 0..15 for pow2[-15,0], not 16"
    assert result.scores[2].detail == "shift_add pow2[-15,0] x Q16.16, G = 16"
    wide = evaluate(linear(), data(), formats=parse_formats(["Q8.8"], ["-31..0"], []))
    assert wide.scores[1].problem is None  # 56 bits are too few for the exact accumulator


def test_formats_beside_a_configuration():
    message = "^8x8: it has formats and guard bits of its own: name either$"
    with pytest.raises(ConfigError, match=message):
        evaluate(linear(), data(), config=PRESETS["8x8"], formats=parse_formats(["Q8.8"], [], []))


@pytest.mark.parametrize(("arguments", "message"), [
    ((["8.8.8"], [], []), "a format is written Qm.n, for example Q16.16, not '8.8.8'"),
    (([], ["8"], []), "a weight format is written Qm.n, or -15..0 for powers of two, not '8'"),
    (([], [], ["-1"]), "guard bits are a number or exact, not '-1'"),
])  # fmt: skip
def test_formats_that_are_none(arguments, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        parse_formats(*arguments)


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
    assert "4-digit scales" in evaluate(network, images, config=PRESETS["8x8"]).scores[1].detail


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


def test_without_a_float_network_there_is_no_ratio():
    exact = evaluate(quantize(linear()), data(None)).scores[0]
    assert exact.sqnr_db is exact.max_error is exact.mean_error is None


def test_own_arithmetic():
    network = csc_network(8, 8, 8, modules=1)
    assert own_arithmetic(quantize(network, weight_format=Pow2Format(-7, 1))).weights == Pow2Format(-7, 1)
    fixed = own_arithmetic(
        quantize(network, weights="fixed", weight_format=QFormat(4, 12), act=QFormat(8, 8))
    )
    assert (fixed.pe, str(fixed.weights), str(fixed.act), fixed.exact) == ("mac", "Q4.12", "Q8.8", True)
    relu = Network("r", (Node("input", ops.Input(1, 2, 2)), Node("relu", ops.ReLU(), ("input",))), "relu")
    assert own_arithmetic(quantize(relu)).pe == "mac"


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
