"""Tests of ``hwshift export``, and of the warnings about what an import left out."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from hwshift.importers import from_onnx
from hwshift.network.float_model import evaluate_float
from hwshift.network.quantize import quantize
from hwshift.network.serialize import load, save

from ..importers.graphs import Graph
from ..seeds import generator


@pytest.mark.parametrize("form", ["depthwise", "slices"])
def test_export(hwshift, tiny, form):
    done = hwshift("export", tiny, "--onnx", "net.onnx", "--shift-form", form, "--batch", 2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "written: net.onnx\n", "")
    path = hwshift.folder / "net.onnx"
    x = generator(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = evaluate_float(load(tiny), x)
    np.testing.assert_allclose(session.run(None, {"input": x})[0], expected[:, :, 0, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(evaluate_float(from_onnx(path), x), expected, rtol=1e-4, atol=1e-5)


def test_json(hwshift, tiny):
    done = hwshift("export", tiny, "--onnx", "net.onnx", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    onnx.checker.check_model(onnx.load(hwshift.folder / "net.onnx"))
    assert json.loads(done.stdout) == {
        "network": load(tiny).name,
        "onnx": "net.onnx",
        "shift_form": "depthwise",
        "batch": None,
        "nodes": len(load(tiny).nodes),
        "parameters": load(tiny).parameters,
        "macs": load(tiny).macs,
    }


def test_refusals(hwshift, tiny):
    save(quantize(load(tiny)), hwshift.folder / "fixed.hwnet")
    done = hwshift("export", "fixed.hwnet", "--onnx", "net.onnx")
    assert done.returncode == 4
    assert done.stderr == "hwshift: error: fixed.hwnet: it is quantized; a float network is needed\n"
    done = hwshift("export", tiny, "--onnx", "no/net.onnx")
    assert done.returncode == 4
    assert done.stderr == "hwshift: error: no/net.onnx: cannot be written: No such file or directory\n"
    assert not (hwshift.folder / "net.onnx").exists()
    done = hwshift("export", tiny, "--onnx", "net.txt")
    assert (done.returncode, done.stderr) == (4, "hwshift: error: net.txt: an ONNX file must end in .onnx\n")


def test_what_was_left_out_is_a_warning(hwshift):
    graph = Graph((1, 4, 3, 3))
    graph.add("GlobalAveragePool", "x")
    graph.add("Flatten", graph.last)
    graph.add("Softmax", graph.last, name="probabilities", axis=1)
    onnx.save(graph.model(), hwshift.folder / "model.onnx")
    done = hwshift("export", "model.onnx", "--onnx", "again.onnx", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "hwshift: warning: model.onnx: left out: the final Softmax 'probabilities'; "
        "the results are what it would be applied to\n"
    )
    assert hwshift("networks", "model.onnx").stderr == done.stderr
    assert hwshift("export", "again.onnx", "--onnx", "third.onnx", "--quiet").stderr == ""
