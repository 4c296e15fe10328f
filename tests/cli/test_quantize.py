"""Tests of ``hwshift quantize``; figures are tested with `hwshift.quantization`."""

import json

import numpy as np
import pytest

from hwshift.cli import main
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.layer_formats import layer_formats
from hwshift.network.serialize import load, save


@pytest.fixture
def net(tmp_path):
    weight = np.array([[0.5, -3.0], [0.25, 1.0]])
    nodes = (Node("input", ops.Input(2, 1, 1)), Node("classifier", ops.Linear(weight), ("input",)))
    save(Network("two", nodes, "classifier"), tmp_path / "net.hwnet")
    return tmp_path / "net.hwnet"


def run(capsys, *arguments):
    code = main([str(word) for word in arguments])
    out, err = capsys.readouterr()
    return code, out, err


WARNING = "hwshift: warning: classifier: 1 of 4 weights are beyond pow2[-15,0] and become its largest\n"


def test_pow2(net, tmp_path, capsys):
    out_file = tmp_path / "out.hwnet"
    code, out, err = run(capsys, "quantize", net, "--weights", "pow2", "--out", out_file)
    assert (code, err) == (0, WARNING)
    lines = out.splitlines()
    assert lines[0] == "two: weights pow2[-15,0], maps Q16.16"
    assert lines[3].split() == ["classifier", "linear", "4", "-3", "1", "4.1", "1", "0"]
    assert lines[-1] == f"written: {out_file}"
    weights = load(out_file).layer("classifier").op.weights
    assert weights.fmt == Pow2Format()
    assert weights.values.ravel().tolist() == [1, -1, 1, 1] and weights.powers.ravel().tolist() == [
        -1,
        0,
        -2,
        0,
    ]


def test_fixed_with_images(net, tmp_path, capsys):
    values = np.array([[100.0, 1.0], [1.0, 0.0]], np.float32).reshape(2, 2, 1, 1)
    np.savez(tmp_path / "x.npz", x=values, y=[0, 1])
    arguments = [
        "--weights",
        "fixed",
        "--act",
        "Q7.9",
        "--weight-format",
        "Q4.12",
        "--data",
        tmp_path / "x.npz",
    ]
    code, out, err = run(capsys, "quantize", net, *arguments, "--out", tmp_path / "out.hwnet", "--json")
    assert code == 0 and err == "hwshift: warning: input: 1 of 4 values saturate in Q7.9\n"
    report = json.loads(out)
    assert report["file"] == str(tmp_path / "out.hwnet") and report["weight_format"] == "Q4.12"
    assert [layer["output"]["saturated"] for layer in report["layers"]] == [1, 0]
    assert report["layers"][1]["weight_sqnr_db"] is None  # exact
    assert [item["correct"] for item in report["scores"]] == [1, 1]
    network = load(tmp_path / "out.hwnet")
    assert network.act == QFormat(7, 9) and network.layer("classifier").op.weights.fmt == QFormat(4, 12)


def test_the_table_with_images(net, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.ones((3, 2, 1, 1), np.float32))
    code, out, _ = run(
        capsys,
        "quantize",
        net,
        "--weights",
        "fixed",
        "--data",
        tmp_path / "x.npy",
        "--out",
        tmp_path / "o.hwnet",
    )
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[2] == ["classifier", "linear", "4", "-3", "1", "exact"]
    assert " ".join(lines[4]) == "Values on images, in Q16.16"
    assert lines[7] == ["input", "input", "1", "15.0", "exact", "0", "0", "0.00"]
    assert lines[8] == ["classifier", "linear", "2.5", "13.7", "exact", "0", "0", "0.00"]
    assert lines[10][:2] == ["3", "images"]
    assert [line[0] for line in lines[11:14]] == ["model", "float", "fixed"]
    assert lines[18] == ["fixed", "0", "0", "0", "0", "1.53e-05"] and lines[19][0] == "written:"


def test_chosen_formats(net, tmp_path, capsys):
    """Inputs of 2: the outputs are 2 * 0.5 - 2 * 3 = -5 and 2.5, so 1.25 * 5 needs m = 4."""
    np.save(tmp_path / "x.npy", np.full((3, 2, 1, 1), 2, np.float32))
    out_file = tmp_path / "o.hwnet"
    arguments = ["--weights", "fixed", "--act", "8", "--weight-format", "8", "--data", tmp_path / "x.npy"]
    code, out, err = run(capsys, "quantize", net, *arguments, "--out", out_file)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "two: weights Q3.5, maps Q4.4"
    assert lines[2].split()[-1] == "Q3.5"
    assert lines[4] == "Values on images, in Q4.4 (chosen for the largest of each layer's values, times 1.25)"
    assert [line.split()[-1] for line in (lines[6], *lines[7:9])] == ["alone", "Q3.5", "Q4.4"]
    assert max(map(len, lines[:-1])) <= 100
    rounded = load(out_file)
    assert (rounded.act, rounded.layer("classifier").op.weights.fmt) == (QFormat(4, 4), QFormat(3, 5))
    choice = [
        "--percentile",
        "50",
        "--margin",
        "2",
    ]  # half of the outputs are 2.5: twice that is 5 and a step
    out = run(capsys, "quantize", net, *arguments, *choice, "--out", out_file)[1]
    assert "in Q4.4 (chosen for 50 % of each layer's values, times 2)" in out
    assert load(out_file).act == QFormat(4, 4)


def test_formats_per_layer(net, tmp_path, capsys):
    """They are saved, and the golden model takes them; compile does not."""
    np.save(tmp_path / "x.npy", np.full((3, 2, 1, 1), 2, np.float32))
    out_file = tmp_path / "o.hwnet"
    arguments = ["--weights", "fixed", "--act", "8", "--data", tmp_path / "x.npy", "--per-layer"]
    code, out, err = run(capsys, "quantize", net, *arguments, "--out", out_file)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[4].startswith("Values on images, in 8 bits (chosen for the largest")
    assert [line.split()[-1] for line in lines[6:9]] == ["format", "Q3.5", "Q4.4"]
    formats = layer_formats(load(out_file))
    assert [formats[name].output for name in ("input", "classifier")] == [QFormat(3, 5), QFormat(4, 4)]
    code, out, _ = run(capsys, "evaluate", out_file, "--data", tmp_path / "x.npy", "--layers", "--json")
    layers = json.loads(out)["layers"]["fixed"]
    assert code == 0 and [layer["format"] for layer in layers] == ["Q3.5", "Q4.4"]
    assert [layer["largest"] for layer in layers] == [2.0, 5.0]
    assert run(capsys, "compile", out_file, "--config", "4x4-mac", "--out", tmp_path / "p.hwprog")[0] != 0
    code, _, err = run(capsys, "quantize", net, "--weights", "fixed", "--per-layer", "--out", out_file)
    assert code == 2 and "--per-layer chooses formats: give a number of bits for --act" in err


def test_bits_need_images(net, capsys):
    code, _, err = run(capsys, "quantize", net, "--weights", "fixed", "--act", "8", "--out", "o.hwnet")
    assert code == 2 and "--act 8 chooses m and n from images: name them with --data" in err


def test_ps(net, tmp_path, capsys):
    np.savez(
        tmp_path / "ps.npz",
        **{"classifier.shift": [[-2.5, -20], [0, -3]], "classifier.sign": [[1, -1], [0.5, 2]]},
    )
    out_file = tmp_path / "o.hwnet"
    arguments = ["--weights", "pow2", "--ps", tmp_path / "ps.npz", "--out", out_file]
    code, out, err = run(capsys, "quantize", net, *arguments)
    assert (code, err, out.splitlines()[0]) == (0, "", "two: weights pow2[-14,0], maps Q16.16")
    weights = load(out_file).layer("classifier").op.weights
    assert weights.fmt.to_float(weights.values, weights.powers).ravel().tolist() == [
        0.25,
        -(2.0**-14),
        0,
        0.125,
    ]


def test_the_zero_code(tmp_path, capsys):
    nodes = (
        Node("input", ops.Input(2, 1, 1)),
        Node("fc", ops.Linear(np.array([[0.0, -(2.0**-15)]])), ("input",)),
    )
    save(Network("two", nodes, "fc"), tmp_path / "net.hwnet")
    arguments = ["quantize", tmp_path / "net.hwnet", "--weights", "pow2", "--out", tmp_path / "o.hwnet"]
    code, _, err = run(capsys, *arguments)
    assert code == 0 and err.startswith(
        "hwshift: warning: fc: its weights hold 0 and the negative smallest power"
    )
    code, out, err = run(capsys, *arguments, "--free-zero-code")
    assert (code, err) == (0, "") and out.splitlines()[3].split()[-1] == "1"


def test_quiet(net, tmp_path, capsys):
    code, out, err = run(
        capsys, "quantize", net, "--weights", "pow2", "--out", tmp_path / "o.hwnet", "--quiet"
    )
    assert (code, out, err) == (0, "", WARNING)


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (["--weights", "fixed", "--weight-format", "Q1.7"], 5,
     "classifier: weight: value -3.0 is outside Q1.7: allowed -1.0 to 0.9921875"),
    (["--weights", "pow2", "--weight-format", "Q1.7"], 3,
     "powers of two are written -15..0 (smallest..largest), not 'Q1.7'"),
    (["--weights", "fixed", "--act", "16."], 3, "a format is written Qm.n, for example Q16.16, not '16.'"),
    (["--weights", "pow2", "--weight-format", "9"], 3, "codes of powers of two have 2 to 6 bits, not 9"),
    (["--weights", "pow2", "--ps", "absent.npz"], 11, "absent.npz: there is no such file"),
    (["--weights", "pow2", "--data", "absent"], 11, "absent: there is no such file or folder"),
])  # fmt: skip
def test_errors_leave_no_file(net, tmp_path, capsys, arguments, code, text):
    out_file = tmp_path / "out.hwnet"
    found, out, err = run(capsys, "quantize", net, *arguments, "--out", out_file)
    assert (found, out, err) == (code, "", f"hwshift: error: {text}\n")
    assert not out_file.exists()


def test_targets_that_cannot_be(net, tmp_path, capsys):
    code, _, err = run(capsys, "quantize", net, "--weights", "pow2", "--out", "out.npz")
    assert (code, err) == (4, "hwshift: error: out.npz: a network file must end in .hwnet\n")
    missing = tmp_path / "absent" / "out.hwnet"
    code, _, err = run(capsys, "quantize", net, "--weights", "pow2", "--out", missing)
    assert (code, err) == (4, f"hwshift: error: {missing}: cannot be written: No such file or directory\n")


def test_a_quantized_network_is_refused(net, tmp_path, capsys):
    run(capsys, "quantize", net, "--weights", "pow2", "--out", tmp_path / "o.hwnet")
    code, _, err = run(
        capsys, "quantize", tmp_path / "o.hwnet", "--weights", "pow2", "--out", tmp_path / "p.hwnet"
    )
    assert (code, err) == (5, "hwshift: error: two: it is quantized already: name a float network\n")


def test_weights_must_be_named(net, capsys):
    code, _, err = run(capsys, "quantize", net, "--out", "out.hwnet")
    assert code == 2 and "Missing option '--weights'" in err
