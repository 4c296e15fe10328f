"""`from_torch`, and the fixtures as what PyTorch's exporters give now; both but for the first test need torch."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import hwshift
from hwshift.errors import NetworkError, ToolError
from hwshift.importers import torch_module
from hwshift.network.float_model import evaluate_float

HERE = Path(__file__).parent
FORMS = {"script": False, "dynamo": True}


@pytest.mark.parametrize("missing", ["torch", "onnxscript"])
def test_what_is_missing_is_told_in_one_line(monkeypatch, missing):
    def find(name):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(torch_module, "import_module", find)
    with pytest.raises(ToolError, match=rf"^{missing} is not installed, .*: pip install 'hwshift\[torch\]'$"):
        hwshift.from_torch(None, None)


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript", reason="onnxscript is an optional extra")
    return pytest.importorskip("torch", reason="torch is an optional extra")


@pytest.fixture(scope="module")
def written(torch):
    """The modules and the script that exports them, which import torch."""
    del torch
    sys.path.insert(0, str(HERE))
    try:
        return import_module("modules"), import_module("export")
    finally:
        sys.path.remove(str(HERE))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", FORMS)
def test_fixtures_are_what_the_exporters_give(written, torch, form):
    modules, export = written
    expected = np.load(export.DATA / "expected.npz")
    for name in modules.MODULES:
        module, x = modules.build(name)
        with torch.no_grad():
            np.testing.assert_allclose(module(x).numpy(), expected[f"{name}_y"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(x.numpy(), expected[f"{name}_x"])
        model = export.exported(module, x, FORMS[form])
        assert model.SerializeToString() == (export.DATA / f"{name}_{form}.onnx").read_bytes(), name


@pytest.mark.parametrize("dynamo", [False, True])
def test_modules_are_read(written, torch, dynamo):
    modules, _ = written
    module, x = modules.build("shufflenet_v2")
    module.train()
    network = hwshift.from_torch(module, x, dynamo=dynamo)
    assert module.training and network.name == "ShuffleNetV2"
    with torch.no_grad():
        expected = module.eval()(x).numpy()
    actual = evaluate_float(network, x.numpy()).reshape(expected.shape)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_read(torch):
    with pytest.raises(TypeError, match=r"^module must be a torch.nn.Module, not int$"):
        hwshift.from_torch(1, None)
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(NetworkError, match="^node_tanh: Tanh: the operator is not supported; "):
        hwshift.from_torch(torch.nn.Tanh(), x)
    with pytest.raises(NetworkError, match="^Linear: PyTorch cannot export it: ") as caught:
        hwshift.from_torch(torch.nn.Linear(5, 2), x)
    assert "\n" not in str(caught.value)


def test_the_cause_of_a_failed_export_is_told(torch):
    x = torch.zeros(1, 3, 4, 4)
    for dynamo in (False, True):
        with pytest.raises(NetworkError) as caught:
            hwshift.from_torch(torch.nn.Conv2d(5, 2, 1), x, dynamo=dynamo)
        assert str(caught.value).startswith(
            "Conv2d: PyTorch cannot export it: Given groups=1, weight of size [2, 5, 1, 1], expected input[1, 3, 4, 4]"
        )
    with pytest.raises(TypeError, match=r"^example must be one torch.Tensor, not tuple$"):
        hwshift.from_torch(torch.nn.ReLU(), (x,))


def test_a_trace_that_holds_for_the_example_only_is_warned_of(torch):
    class Branch(torch.nn.Module):
        def forward(self, x):
            return torch.relu(x) if x.sum() > 0 else x

    with pytest.warns(torch.jit.TracerWarning, match="Converting a tensor to a Python boolean"):
        hwshift.from_torch(Branch(), torch.ones(1, 3, 4, 4), dynamo=False)
    with pytest.raises(
        NetworkError, match="^Branch: PyTorch cannot export it: Could not guard on data-dependent"
    ):
        hwshift.from_torch(Branch(), torch.ones(1, 3, 4, 4))


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_shift_by_assignments_into_a_copy(torch, dynamo):
    class Shift(torch.nn.Module):
        def forward(self, x):
            out, fold = x.clone(), x.size(1) // 3
            out[:, :fold, 1:] = x[:, :fold, :-1]
            out[:, :fold, 0] = 0
            out[:, fold : 2 * fold, :, :-1] = x[:, fold : 2 * fold, :, 1:]
            out[:, fold : 2 * fold, :, -1] = 0
            return out

    network = hwshift.from_torch(Shift(), torch.zeros(3, 6, 5, 4), dynamo=dynamo)
    _, shift = network.nodes
    assert shift.op.moves.tolist() == [[-1, 0], [-1, 0], [0, 1], [0, 1], [0, 0], [0, 0]]
