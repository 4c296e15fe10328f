"""Models that cannot be used: one line that names the node and the reason, and no output folder."""

import numpy as np
import onnx
import pytest

from ..importers.graphs import Graph


def _conv(weight: np.ndarray, name: str = "stem") -> bytes:
    graph = Graph()
    graph.add("Conv", "x", graph.const(weight.astype(np.float32)), name=name)
    return _bytes(graph)


def _unsupported() -> bytes:
    graph = Graph()
    graph.add("Tanh", "x", name="squashed")
    return _bytes(graph)


def _bytes(graph: Graph) -> bytes:
    return onnx.shape_inference.infer_shapes(graph.model(17)).SerializeToString()


def _mismatched() -> bytes:
    graph = Graph()
    graph.add("Conv", "x", graph.const(np.ones((2, 3, 1, 1), np.float32)), name="stem")
    model = graph.model(17)
    for size in (1, 2, 6, 5):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = size
    return model.SerializeToString()


CASES = {
    "corrupt": (b"\x00nonsense", 4, ["model.onnx: not a valid ONNX model"]),
    "cut": (_conv(np.ones((2, 4, 1, 1)))[:60], 4, ["model.onnx: not a valid ONNX model"]),
    "operator": (_unsupported(), 4, ["squashed: Tanh: the operator is not supported"]),
    "shapes": (_mismatched(), 4, ["stem: Conv: the weights need 3 input channels, the input has 4"]),
    "nan": (_conv(np.full((2, 4, 1, 1), np.nan)), 4, ["stem: Conv: weight must be finite"]),
    "range": (_conv(np.full((2, 4, 1, 1), 1e6)), 5, ["stem: weight: value 1000000.0 is outside Q16.16"]),
}


@pytest.mark.parametrize("command", ["generate", "simulate"])
@pytest.mark.parametrize("case", CASES)
def test_refused_models(hwshift, command, case):
    content, code, words = CASES[case]
    (hwshift.folder / "model.onnx").write_bytes(content)
    out = ["--out", "design"] if command == "generate" else []
    done = hwshift(command, "model.onnx", "--config", "4x4-mac", *out)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("hwshift: error: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert [path.name for path in hwshift.folder.iterdir()] == ["model.onnx"]
