"""Tests of ``hwshift quantize``; figures are tested with `hwshift.quantization`."""

import json

import numpy as np
import pytest

from hwshift.cli import main
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.graph import Network, Node
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
    assert lines[4].split() == ["classifier", "linear", "4", "-3", "1", "4.1", "1", "0"]
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
    assert [layer["saturated"] for layer in report["layers"]] == [1, 0]
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
    assert lines[3] == ["input", "input", "-", "-", "-", "-", "-", "-", "exact", "0"]
    assert lines[4] == ["classifier", "linear", "4", "-3", "1", "exact", "0", "0", "exact", "0"]
    assert lines[6][:2] == ["3", "images"]
    assert [line[0] for line in lines[7:]] == ["model", "float", "fixed", "written:"]


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
    (["--weights", "fixed", "--act", "16"], 3, "a format is written Qm.n, for example Q16.16, not '16'"),
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
