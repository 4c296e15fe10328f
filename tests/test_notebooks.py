"""The notebooks of examples/ run, and show what they say they show."""

import importlib.util
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")


@pytest.fixture
def runner():
    """The module that runs notebooks."""
    spec = importlib.util.spec_from_file_location("run_notebooks", FOLDER / "run_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(notebook):
    """By cell, what was printed and what tables say, numbers left out: they may improve; pictures by their kind."""

    def words(text):
        return None if text is None else re.sub(r"\d[\d,.]*", "#", text)

    out = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.execution_count, cell.source
            data = [output.get("data", {}) for output in cell.outputs]
            texts = [words(output.get("text")) for output in cell.outputs]
            out.append(
                (texts, [words(item.get("text/html")) for item in data], [sorted(item) for item in data])
            )
    return out


def check(runner, name, folder):
    import nbformat

    path = FOLDER / f"{name}.ipynb"
    stored = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 300_000
    assert shown(runner.executed(path, folder)) == shown(stored)


def test_simulate_and_explore(runner, tmp_path):
    check(runner, "simulate_and_explore", tmp_path)


@pytest.mark.slow
def test_pytorch_to_verilog(runner, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: hwshift[torch]")
    check(runner, "pytorch_to_verilog", tmp_path)


def test_every_notebook_is_tested():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {"simulate_and_explore", "pytorch_to_verilog"}
